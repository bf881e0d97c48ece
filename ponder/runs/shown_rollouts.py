"""A few rollouts for a terminal: what was asked, what was answered, what was said of it."""

from typing import Any

from rich.console import Group
from rich.text import Text

from ponder.runs.wording import printable

_LONGEST_QUESTION, _LONGEST_ANSWER = 300, 800  # characters
_COLOURS = {"correct": "green", "wrong": "red"}


def pick_rollouts(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """At most `count` of a step's rollouts (rows of `rollouts.schema`): the best and the worst by turns, each of another
    task while there are others; those without a reward come last."""
    rated = sorted((row for row in rows if row["reward"] is not None), key=lambda row: -row["reward"])
    by_turns = [rated[n // 2] if n % 2 == 0 else rated[-1 - n // 2] for n in range(len(rated))]
    by_turns += [row for row in rows if row["reward"] is None]
    first_of_group = {row["group"]: row for row in reversed(by_turns)}
    new = [row for row in by_turns if first_of_group[row["group"]] is row]
    return [*new, *(row for row in by_turns if first_of_group[row["group"]] is not row)][:count]


def show_rollouts(rows: list[dict[str, Any]], count: int) -> Group:
    """Those of `pick_rollouts`, each in a few lines. What a model or a task wrote is shown as text and nothing else."""
    return Group(*(_shown(row) for row in pick_rollouts(rows, count)))


def _shown(row: dict[str, Any]) -> Text:
    text = Text()
    text.append(f"{printable(row['domain'])}  {_cut(row['question'], _LONGEST_QUESTION)}\n", style="bold")
    text.append(f"{_cut(row['text'], _LONGEST_ANSWER)}\n")
    text.append(printable(row["status"]), style=_COLOURS.get(row["status"], "yellow"))
    numbers = [
        *([] if row["reward"] is None else [f"reward {row['reward']:.2f}"]),
        *([] if row["advantage"] is None else [f"advantage {row['advantage']:+.2f}"]),
        f"{len(row['response_ids']):,} tokens",
    ]
    text.append(f"  {'  '.join(numbers)}  {_cut(row['reason'], _LONGEST_QUESTION)}\n", style="dim")
    return text


def _cut(text: str, longest: int) -> str:
    """Its beginning and its end, where it is longer."""
    if len(text) <= longest:
        return printable(text)
    half = longest // 2
    return printable(f"{text[:half]} ... ({len(text) - 2 * half:,} characters) ... {text[-half:]}")
