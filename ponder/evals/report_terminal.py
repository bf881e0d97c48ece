"""The scores for the terminal: a table where it is wide enough, else a few lines for each benchmark."""

from collections.abc import Iterable

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ponder.evals.diff import BenchmarkDiff, ProblemChange
from ponder.evals.score_words import budget_rows, further, headline, kinds, notes, scaling_rows, tokens
from ponder.evals.scores import BenchmarkScore, by_budget
from ponder.runs.wording import printable

WIDE = 120  # columns that the table of scores needs
_CHANGES_SHOWN = 10
Parts = list[Table | Text | Padding]


def score_table(scores: list[BenchmarkScore], width: int = WIDE) -> Group:
    """The scores; what more answers and more thought bring; and what must be said beside the numbers.

    `width`: of the terminal, in columns."""
    table: Parts = [_wide(scores)] if width >= WIDE else [part for score in scores for part in _narrow(score)]
    said = [Text(printable(note), style="yellow") for score in scores for note in notes(score)]
    return Group(*table, *_more_answers(scores), *_more_thought(scores), *said)


def _wide(scores: list[BenchmarkScore]) -> Table:
    table = _table(("benchmark", "measure", "score (95%)", "further", "verdicts", "tokens"), ("tokens",))
    for score in scores:
        table.add_row(
            Text(printable(score.name), style="bold"),
            score.avg_name,
            Text(headline(score), style="bold"),
            "\n".join(f"{name} {value}" for name, value in further(score).items()) or "-",
            kinds(score),
            tokens(score),
        )
    return table


def _narrow(score: BenchmarkScore) -> Parts:
    lines = {score.avg_name: headline(score), **further(score), "verdicts": kinds(score), "tokens": tokens(score)}
    return [Text(printable(score.name), style="bold"), _named_lines(lines, bold=score.avg_name)]


def _named_lines(lines: dict[str, str], bold: str = "") -> Padding:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, value in lines.items():
        grid.add_row(name, Text(value, style="bold" if name == bold else ""))
    return Padding(grid, (0, 0, 0, 2))


def _more_answers(scores: list[BenchmarkScore]) -> Parts:
    parts: Parts = []
    smaller = {score.bench for rows in by_budget(scores) for score in rows[:-1]}  # these are in the files
    for score in scores:
        if score.bench not in smaller and (rows := scaling_rows(score)):
            parts += [
                Text(f"\n{printable(score.name)}: k answers to each problem"),
                _rows(("k", "pass@k", "maj@k"), rows),
            ]
    return parts


def _more_thought(scores: list[BenchmarkScore]) -> Parts:
    parts: Parts = []
    for rows in by_budget(scores):
        heads = ("budget", "score (95%)", "tokens", "thinking")
        parts += [
            Text(f"\n{printable(rows[0].name_without_budget)}: by budget of thought"),
            _rows(heads, budget_rows(rows)),
        ]
    return parts


def _rows(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Padding:
    table = _table(heads, heads)
    for row in rows:
        table.add_row(*row)
    return Padding(table, (0, 0, 0, 2))


def _table(heads: tuple[str, ...], right: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in heads:
        table.add_column(head, justify="right" if head in right else "left")
    return table


def diff_table(found: list[BenchmarkDiff], width: int = WIDE) -> Group:
    """Differences in points, with their intervals and tests, then the problems that changed most."""
    parts: Parts = []
    if width >= WIDE:
        heads = ("before", "after", "difference (95%)", "p", "regressed", "improved", "same")
        table = _table(("benchmark", *heads), heads)
        parts.append(table)
        for row in found:
            table.add_row(Text(printable(row.name)), *_figures(row).values())
    for row in found:
        if width < WIDE:
            parts += [Text(printable(row.name), style="bold"), _named_lines(_figures(row))]
        parts.append(Text(f"{row.bench}: {row.test} over {row.problems:,} problems{_left_out(row)}.", style="dim"))
        for word, changes in (("regressed", row.regressed), ("improved", row.improved)):
            parts += [_change(word, change) for change in changes[:_CHANGES_SHOWN]]
            if len(changes) > _CHANGES_SHOWN:
                parts.append(Text(f"  and {len(changes) - _CHANGES_SHOWN:,} more {word}", style="dim"))
    return Group(*parts)


def _figures(row: BenchmarkDiff) -> dict[str, str]:
    return {
        "before": f"{100 * row.before:.1f}",
        "after": f"{100 * row.after:.1f}",
        "difference (95%)": f"{100 * row.difference:+.1f} ({100 * row.low:+.1f} to {100 * row.high:+.1f})",
        "p": f"{row.p_value:.3f}",
        "regressed": f"{len(row.regressed):,}",
        "improved": f"{len(row.improved):,}",
        "same": f"{row.same:,}",
    }


def _left_out(row: BenchmarkDiff) -> str:
    return f"; {row.left_out:,} have no score in one of the two and are left out" if row.left_out else ""


def _change(word: str, change: ProblemChange) -> Text:
    question = " ".join(printable(change.question).split())
    short = question if len(question) <= 90 else f"{question[:87]}..."
    return Text(f"  {word} {100 * change.before:.0f} to {100 * change.after:.0f}: {short} [{change.problem[:12]}]")
