"""The scores as a table for the terminal."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ponder.evals.diff import BenchmarkDiff, ProblemChange
from ponder.evals.score_words import further, headline, kinds, notes
from ponder.evals.scores import BenchmarkScore
from ponder.runs.wording import printable

_CHANGES_SHOWN = 10


def score_table(scores: list[BenchmarkScore]) -> Group:
    """A line for each benchmark, and under the table what must be said beside its numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in ("benchmark", "measure", "score (95%)", "further", "verdicts", "tokens"):
        table.add_column(head, justify="right" if head == "tokens" else "left", overflow="fold")
    for score in scores:
        tokens = "-" if score.tokens is None else f"{score.tokens.mean:,.0f} (p95 {score.tokens.p95:,})"
        table.add_row(
            Text(printable(score.name), style="bold"),
            score.avg_name,
            Text(headline(score), style="bold"),
            "\n".join(f"{name} {value}" for name, value in further(score).items()) or "-",
            kinds(score),
            tokens,
        )
    said = [Text(printable(note), style="yellow") for score in scores for note in notes(score)]
    return Group(table, *said)


def diff_table(found: list[BenchmarkDiff]) -> Group:
    """Differences in points, with their intervals and tests, then the problems that changed most."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in ("benchmark", "before", "after", "difference (95%)", "p", "regressed", "improved", "same"):
        table.add_column(head, justify="left" if head == "benchmark" else "right", overflow="fold")
    parts: list[Table | Text] = [table]
    for row in found:
        difference = f"{100 * row.difference:+.1f} ({100 * row.low:+.1f} to {100 * row.high:+.1f})"
        table.add_row(
            Text(printable(row.name)),
            f"{100 * row.before:.1f}",
            f"{100 * row.after:.1f}",
            difference,
            f"{row.p_value:.3f}",
            *(f"{n:,}" for n in (len(row.regressed), len(row.improved), row.same)),
        )
        parts.append(Text(f"{row.bench}: {row.test} over {row.problems:,} problems{_left_out(row)}.", style="dim"))
        for word, changes in (("regressed", row.regressed), ("improved", row.improved)):
            parts += [_change(word, change) for change in changes[:_CHANGES_SHOWN]]
            if len(changes) > _CHANGES_SHOWN:
                parts.append(Text(f"  and {len(changes) - _CHANGES_SHOWN:,} more {word}", style="dim"))
    return Group(*parts)


def _left_out(row: BenchmarkDiff) -> str:
    return f"; {row.left_out:,} have no score in one of the two and are left out" if row.left_out else ""


def _change(word: str, change: ProblemChange) -> Text:
    question = " ".join(printable(change.question).split())
    short = question if len(question) <= 90 else f"{question[:87]}..."
    return Text(f"  {word} {100 * change.before:.0f} to {100 * change.after:.0f}: {short} [{change.problem[:12]}]")
