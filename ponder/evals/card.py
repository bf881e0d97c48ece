"""The card of a checkpoint: README.md in the hub's form, so that a checkpoint can be released as it lies.

The metadata is what huggingface_hub's own parser reads: licence, base model, data sets, and a model-index of scores. A score that is
only an interval (one answer to each of few problems) is in the text and not in the index, which has no place for intervals.
"""

from dataclasses import dataclass
from typing import Any

import yaml

from ponder.evals.report_markdown import inline, markdown
from ponder.evals.score_words import interval
from ponder.evals.scores import BenchmarkScore, scores
from ponder.evals.store import Evaluation
from ponder.runs.wording import printable


@dataclass(frozen=True)
class Release:
    """What a card states of a checkpoint.

    license: an identifier of the hub, such as apache-2.0; base_license: of the model that training started from
    base_model: its id on the hub, None for a model that was born here
    data: training sources as people find them, each with its licence: {"openai/gsm8k": "mit"}
    hub_data: those of them that are data sets on the hub, by id
    recipe: the recipe's text; lineage: of the run (ponder.runs.lineage)
    """

    name: str
    license: str
    base_model: str | None
    base_license: str | None
    data: dict[str, str]
    hub_data: tuple[str, ...]
    recipe: str
    lineage: dict[str, Any]


def card(release: Release, evaluation: Evaluation | None) -> str:
    """README.md as text.

    Raises:
        ValueError: a licence is not stated: that of the checkpoint, of its base model, or of training data.
    """
    _refuse_unstated(release)
    metadata: dict[str, Any] = {
        "license": release.license,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
    }
    metadata["tags"] = ["ponder", "reasoning"]
    if release.base_model:
        metadata["base_model"] = release.base_model
    if release.hub_data:
        metadata["datasets"] = list(release.hub_data)
    results = _results(scores(evaluation)) if evaluation else []
    if results:
        metadata["model-index"] = [{"name": release.name, "results": results}]
    front = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    parts = [f"---\n{front}---\n", f"# {inline(release.name)}\n", _provenance(release)]
    if evaluation:
        parts.append(f"## Scores\n\n{markdown(evaluation)}")
    parts.append(f"## Recipe\n\n{_fenced(release.recipe)}")
    return "\n".join(parts)


def _refuse_unstated(release: Release) -> None:
    lacking = [] if release.license else [f"the licence of {release.name}"]
    lacking += (
        [f"the licence of its base model {release.base_model}"]
        if release.base_model and not release.base_license
        else []
    )
    lacking += [f"the licence of the training data {source}" for source, licence in release.data.items() if not licence]
    if lacking:
        raise ValueError(
            f"a release must state {'; '.join(lacking)}. Find it where the model or the data is published."
        )


def _results(rows: list[BenchmarkScore]) -> list[dict[str, Any]]:
    """Of the hub's model-index. The interval stands in the metric's name."""
    return [
        {
            "task": {"type": "text-generation"},
            "dataset": {"type": score.bench, "name": printable(score.name)},
            "metrics": [
                {
                    "type": "accuracy",
                    "name": f"{score.avg_name} (95%: {interval(score.avg)})",
                    "value": round(100 * score.avg.value, 2),
                }
            ],
        }
        for score in rows
        if score.avg is not None and not score.thin
    ]


def _provenance(release: Release) -> str:
    lineage = release.lineage
    start = f"{release.base_model} ({release.base_license})" if release.base_model else "new random weights"
    facts = {
        "Licence": release.license,
        "Trained from": start,
        "Weights of the start": (lineage.get("parent") or {}).get("fingerprint"),
        "Training data": "; ".join(f"{source} ({licence})" for source, licence in release.data.items()) or "none",
        "Recipe's SHA-256": lineage.get("recipe_sha256"),
        "Seed": lineage.get("seed"),
        "Made by": f"Ponder {lineage['ponder']}" if lineage.get("ponder") else None,
        "Started": lineage.get("started"),
    }
    lines = [f"| {name} | {inline(str(value))} |" for name, value in facts.items() if value is not None]
    return "\n".join(["| | |", "| --- | --- |", *lines]) + "\n"


def _fenced(text: str) -> str:
    """A block of code that no text inside can end."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}yaml\n{printable(text).rstrip()}\n{fence}\n"
