"""`ponder verify FILE`: verdicts on the rows of a file, with reasons, or as JSON Lines."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ponder.recipe.python_function import FORM
from ponder.verifiers.audit.measure import Judged, measure, verify_pairs
from ponder.verifiers.files.rows import LabelledPair, read_pairs, shown
from ponder.verifiers.judge_model.file import ENDINGS as JUDGE_FILES
from ponder.verifiers.judge_model.file import NAME as JUDGE
from ponder.verifiers.judge_model.file import read_judge
from ponder.verifiers.table import known_verifier
from ponder.verifiers.verification import Verification

MAX_REASON = 240  # characters
MAX_RESPONSE = 160
COLORS = {"correct": "green", "wrong": "red", "unparseable": "yellow"}


def verify_file(
    path: Path,
    verifier: str,
    response: str,
    reference: str,
    rows: int,
    as_json: bool,
    deadline_s: float,
    everything: bool = False,
    answers: Path | None = None,
) -> list[Judged]:
    """Judges and prints: of labelled rows those that disagree, unless `everything` is asked for. `answers`: the file that keeps what a judge answers. ValueError for an unknown verifier, and for what the file lacks, before anything is judged."""
    is_function = FORM.fullmatch(verifier) is not None
    if verifier.endswith(".py"):
        raise ValueError(f"name the function in it too: --verifier {verifier}:score, for instance")
    judges, at_a_time = {}, 1
    if verifier.endswith(JUDGE_FILES):
        judges[JUDGE] = read_judge(verifier)[0]
        at_a_time = judges[JUDGE].concurrent
    elif not is_function:
        known_verifier(verifier)
    pairs = read_pairs(path, verifier, response, reference)
    if not pairs:
        raise ValueError(f"{path} holds no rows")
    with Verification(deadline_s=deadline_s, judges=judges, answers=answers) as verification:
        if is_function or judges:
            verification.prepare(pair.task for pair in (pairs if judges else pairs[:1]))
        judged = verify_all(verification, pairs, f"verifying {path.name}", at_a_time)
    if as_json:
        for item in judged:
            sys.stdout.write(json.dumps(as_row(item)) + "\n")
    else:
        _print(judged, rows, everything)
    return judged


def verify_all(
    verification: Verification, pairs: Sequence[LabelledPair], what: str, at_a_time: int = 1
) -> list[Judged]:
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
        return verify_pairs(verification, pairs, lambda _: bar.update(shown_bar, advance=1), at_a_time)


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


def _print(judged: Sequence[Judged], rows: int, everything: bool) -> None:
    """With labels the rows where they disagree with a verdict, and after these the rest if asked for; else all rows."""
    console = Console(highlight=False)
    differing = [item for item in judged if not item.agrees]
    labelled = any(item.pair.label is not None for item in judged)
    shown_first = differing if labelled else judged
    rest = [item for item in judged if item.agrees] if labelled and everything else []
    for item in [*shown_first, *rest][:rows]:
        console.print(*_stanza(item), sep="\n", soft_wrap=False, overflow="fold")
    if (left := len(shown_first) + len(rest) - rows) > 0:
        console.print(f"... and {left:,} more (--rows, or --json for all)")
    if labelled and not everything and len(differing) < len(judged):
        console.print(f"{len(judged) - len(differing):,} rows agree with their labels, or have none (--all shows them)")
    console.print(_summary(judged))


def _stanza(item: Judged) -> list[Padding]:
    """A row for a terminal of 80 columns: the verdict; the answer as it was read beside the reference; the reason; and
    of a row that disagrees with its label the end of the response."""
    verdict, pair = item.verdict, item.pair
    has_name = pair.place.rpartition(" ")[2] != pair.id
    head = Text(shown(pair.id, 40) if has_name else pair.place, "bold")
    head.append(f" ({pair.place})" if has_name and pair.place else "", "dim")
    head.append("  ")
    head.append(verdict.status, COLORS.get(verdict.status, "magenta"))
    if verdict.score not in (None, 0.0, 1.0):
        head.append(f" {verdict.score:g}")
    if isinstance(pair.label, bool) and not item.agrees:
        head.append(f" (label: {str(pair.label).lower()})", "bold red")
    lines = [head]
    if verdict.parsed is not None or verdict.reference is not None:
        lines.append(
            Text(f"answer {shown(verdict.parsed or '-', 60)} | reference {shown(verdict.reference or '-', 60)}")
        )
    lines.append(Text(shown(verdict.reason, MAX_REASON)))
    if not item.agrees and pair.label is not None:
        content = pair.response.content or json.dumps(pair.response.tool_calls, default=str)
        lines.append(
            Text(
                f"response: {'...' * (len(content) > MAX_RESPONSE)}{shown(content[-MAX_RESPONSE:], MAX_RESPONSE)}",
                "dim",
            )
        )
    return [Padding(line, (0, 0, 0, 0 if index == 0 else 4), expand=False) for index, line in enumerate(lines)]


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
