"""`ponder verify FILE`: verdicts on the rows of a file, as a table with reasons, or as JSON Lines."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ponder.tasks.suggest import unknown_name
from ponder.verifiers.judge import VERIFIERS, Judge
from ponder.verifiers.measure import Judged, judge_pairs, measure
from ponder.verifiers.rows import LabelledPair, read_pairs, shown

COLORS = {"correct": "green", "wrong": "red", "unparseable": "yellow"}


def verify_file(
    path: Path, verifier: str, response: str, reference: str, rows: int, as_json: bool, deadline_s: float
) -> list[Judged]:
    """Judges and prints. ValueError for an unknown verifier, and for what the file lacks, before anything is judged."""
    if verifier not in VERIFIERS:
        raise ValueError(unknown_name("verifier", verifier, VERIFIERS))
    pairs = read_pairs(path, verifier, response, reference)
    if not pairs:
        raise ValueError(f"{path} holds no rows")
    with Judge(deadline_s=deadline_s) as judge:
        judged = judge_all(judge, pairs, f"verifying {path.name}")
    if as_json:
        for item in judged:
            sys.stdout.write(json.dumps(as_row(item)) + "\n")
    else:
        _print(judged, rows)
    return judged


def judge_all(judge: Judge, pairs: Sequence[LabelledPair], what: str) -> list[Judged]:
    """Verdicts on all pairs, with a bar on standard error."""
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        shown_bar = bar.add_task(what, total=len(pairs))
        return judge_pairs(judge, pairs, lambda _: bar.update(shown_bar, advance=1))


def as_row(item: Judged) -> dict:
    """A verdict as JSON, with its parts."""
    verdict = item.verdict
    row = {
        "id": item.pair.id,
        "status": verdict.status,
        "score": verdict.score,
        "reason": verdict.reason,
        "parsed": verdict.parsed,
        "reference": verdict.reference,
        "parts": [part.to_json() for part in verdict.parts],
        "seconds": round(item.seconds, 6),
    }
    return row if item.pair.label is None else row | {"label": item.pair.label, "agrees": item.agrees}


def _print(judged: Sequence[Judged], rows: int) -> None:
    console = Console()
    table = Table(title_justify="left", box=None, header_style="bold")
    for column in ("row", "verdict", "score", "answer", "reference", "reason"):
        table.add_column(column, overflow="fold")
    for item in judged[:rows]:
        verdict = item.verdict
        mark = "" if item.agrees or item.pair.label is None else f" (label: {str(item.pair.label).lower()})"
        table.add_row(
            Text(shown(item.pair.id, 40)),
            Text(verdict.status + mark, COLORS.get(verdict.status, "magenta")),
            "-" if verdict.score is None else f"{verdict.score:g}",
            *(Text(shown(text or "", 40)) for text in (verdict.parsed, verdict.reference)),
            Text(shown(verdict.reason, 160)),
        )
    console.print(table)
    if len(judged) > rows:
        console.print(f"... and {len(judged) - rows:,} more (--rows, or --json for all)", highlight=False)
    console.print(_summary(judged), highlight=False)


def _summary(judged: Sequence[Judged]) -> str:
    figures = measure(judged)
    statuses = ", ".join(
        f"{count:,} {status}" for status, count in Counter(j.verdict.status for j in judged).most_common()
    )
    text = f"{figures.pairs:,} rows: {statuses}; {figures.pairs_per_s:,.0f} rows/s"
    if figures.labelled:
        text += (
            f"\nagreement with {figures.labelled:,} labels: {figures.agreement:.3f} "
            f"({figures.false_positives} false positives, {figures.false_negatives} false negatives)"
        )
    return text
