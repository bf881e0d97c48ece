"""Scores that others have published (published.yaml), and how their protocol differs from that of a measurement."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from ponder.evals.records import BenchmarkAsked

_KNOWN = ("samples", "temperature", "top_p", "top_k", "max_tokens", "window")
SHOWN_MODELS = ("QwQ-32B", "DeepSeek-R1", "R1-Distill-Qwen-32B", "R1-Distill-Llama-70B", "o1-mini")


class PublishedScore(BaseModel):
    """
    score: in points of a hundred
    settings: what the source states of samples, temperature, top_p, top_k, max_tokens and window
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    bench: str
    score: float = Field(ge=0, le=100)
    source: str
    settings: dict[str, Any] = Field(default_factory=dict)
    note: str = ""


@cache
def published() -> tuple[PublishedScore, ...]:
    """In the order of the file."""
    groups = yaml.safe_load((Path(__file__).parent / "published.yaml").read_text(encoding="utf-8"))
    return tuple(
        PublishedScore(
            **{
                **row,
                "source": group["source"],
                "settings": _stated(group.get("settings", {}) | row.get("settings", {})),
                "note": "; ".join(filter(None, (row.get("note"), group.get("note")))),
            }
        )
        for group in groups
        for row in group["scores"]
    )


def _stated(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def differences(asked: BenchmarkAsked, score: PublishedScore) -> list[str]:
    """How the measurement was made otherwise than the published one: "max_tokens 256 against 32768"; and "top_k is not
    stated" for what the source leaves out."""
    protocol = asked.protocol
    used = protocol.sampling.model_dump() | {key: now for key, (_, now) in asked.changed.items()}
    used["window"] = f"{protocol.window[0]:%Y-%m}..{protocol.window[1]:%Y-%m}" if protocol.window else None
    stated = score.settings
    said = [
        f"{key} {used[key] if used[key] is not None else 'none'} against {stated[key]}"
        for key in _KNOWN
        if key in stated and used[key] != stated[key]
    ]
    if asked.budget is not None:
        said.append(f"thinking budget {asked.budget}")
    if asked.rows < asked.rows_in_data:
        said.append(f"{asked.rows} of {asked.rows_in_data} problems")
    silent = [key for key in _KNOWN if key not in stated and not (key == "window" and used[key] is None)]
    return said + ([f"{', '.join(silent)} not stated"] if silent else [])
