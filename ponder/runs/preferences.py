"""What a run's reward models are worth, as it lies beside each of them at the end of its stage."""

import json
from pathlib import Path
from typing import Any

from ponder.runs.places import place_of
from ponder.runs.run import Run
from ponder.runs.wording import percent, printable, span

REWARD_MODEL = "reward_model"  # the directory of a reward model within a checkpoint
JUDGED_FILE = (
    "preferences.json"  # in it: {"validation": ..., "test": ...}, each as ponder.evals.preferences.summary has it
)


def judged_pairs(run: Run) -> list[dict[str, Any]]:
    """For a report: each reward model that is kept, with how it judged held-out pairs.

    Raises:
        ValueError: such a file is damaged.
    """
    found = []
    for checkpoint in run.checkpoints():
        path = checkpoint / REWARD_MODEL / JUDGED_FILE
        if path.is_file():
            stage, step = place_of(checkpoint)
            found.append({"stage": stage, "step": step, "directory": str(path.parent), "parts": _read(path)})
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
        for part in parts.values():
            _row("all", part), part["calibration"]["expected_error"], part["length"]["chosen_shorter"]["pairs"]
            part["by_category"] = {printable(name): found for name, found in part["by_category"].items()}
            [_row(name, found) for name, found in part["by_category"].items()]
        return parts
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from None


def table_rows(model: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Lines of a table: (pairs of what, accuracy, 95% interval, how many), all pairs of a part and then its categories."""
    lines = []
    for name, part in model["parts"].items():
        lines.append(_row(f"{name}, all", part))
        if len(part["by_category"]) > 1 or name == "test":
            lines += [_row(f"{name}: {category}", found) for category, found in part["by_category"].items()]
    return lines


def judged_in_a_line(model: dict[str, Any]) -> str:
    """For a headline: "Reward model: right on 71% of the validation pairs, on 58% of the test pairs"."""
    shares = [f"on {percent(part['accuracy'])} of the {name} pairs" for name, part in model["parts"].items()]
    return f"Reward model: right {', '.join(shares)}" if shares else "A reward model that was judged on no pairs"


def sentences(model: dict[str, Any]) -> list[str]:
    """Calibration and length, in words."""
    said = []
    for name, part in model["parts"].items():
        length, error = part["length"], part["calibration"]["expected_error"]
        shorter, longer = (length[key] for key in ("chosen_shorter", "chosen_longer"))
        said.append(
            f"{name}: the probability that it gives a preference is off by {100 * error:.1f} points on average (expected calibration "
            f"error). Correlation of score and length: {_number(length['correlation'])}, of their differences within pairs: "
            f"{_number(length['correlation_in_pairs'])}. Right where the preferred answer is the shorter one: {_share(shorter)}, where "
            f"it is the longer one: {_share(longer)}."
        )
    return said


def _row(name: str, found: dict[str, Any]) -> tuple[str, str, str, str]:
    return name, percent(found["accuracy"]), span(found["interval"]), f"{found['pairs']:,}"


def _number(correlation: float | None) -> str:
    return "none to tell" if correlation is None else f"{correlation:+.2f}"


def _share(found: dict[str, Any]) -> str:
    if found["accuracy"] is None:
        return "there are no such pairs"
    return f"{percent(found['accuracy'])} ({span(found['interval'])}, {found['pairs']:,} pairs)"
