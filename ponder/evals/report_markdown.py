"""The scores as Markdown, for a model card."""

from collections.abc import Iterable

from ponder.evals.score_words import budget_rows, further, headline, kinds, notes, scaling_rows
from ponder.evals.scores import BenchmarkScore, by_budget, samples_asked, scores
from ponder.evals.store import Evaluation
from ponder.runs.wording import printable


def markdown(evaluation: Evaluation, found: list[BenchmarkScore] | None = None) -> str:
    """A table, what must be said beside it, and how each benchmark was asked; ends with a newline.

    `found`: the evaluation's scores, where they are at hand."""
    manifest, rows = evaluation.manifest, found or scores(evaluation)
    lines = [
        "| benchmark | measure | score, 95% interval | further | tokens per answer |",
        "| --- | --- | --- | --- | --- |",
    ]
    for score in rows:
        more = ", ".join(f"{name} {value}" for name, value in further(score).items()) or "-"
        tokens = "-" if score.tokens is None else f"{score.tokens.mean:,.0f}"
        lines.append(f"| {inline(score.name)} | {score.avg_name} | {headline(score)} | {more} | {tokens} |")
    lines += ["", "Intervals are over problems.", ""]
    lines += _scaling(rows)
    lines += [f"- {inline(score.name)}: {kinds(score)}." for score in rows if score.answers]
    lines += [f"- {inline(note)}" for score in rows for note in notes(score)]
    lines += ["", "How each was asked:", ""]
    for asked in manifest.benchmarks.values():
        drawn = asked.protocol.sampling.model_dump() | {key: now for key, (_, now) in asked.changed.items()}
        settings = ", ".join(f"{key} {value}" for key, value in drawn.items() if key != "samples")
        lines.append(
            f"- {inline(asked.name)}: protocol {inline(asked.protocol.variant)} ({inline(asked.protocol.source)}), "
            f"{samples_asked(asked)} answers to each of {asked.rows} problems, {inline(settings)}; data "
            f"{inline(asked.data_source)}, sha256 {asked.sha256[:12]}"
        )
    engine = ", ".join(f"{key} {value}" for key, value in manifest.engine.items())
    lines.append(
        f"\nMeasured by Ponder {manifest.ponder} on {manifest.started[:10]}, seed {manifest.seed}; engine: {inline(engine)}."
    )
    return "\n".join(lines) + "\n"


def _scaling(rows: list[BenchmarkScore]) -> list[str]:
    """What more answers and more thought bring, a table each; ends with an empty line."""
    lines = []
    for score in rows:
        if found := scaling_rows(score):
            heads = ("k", "pass@k", "maj@k")
            told = "; maj@k over all subsets of k answers, and where several lead, their mean" if score.maj_at else ""
            lines += [f"{inline(score.name)}, k answers to each problem{told}:", "", *_table(heads, found), ""]
    for group in by_budget(rows):
        heads = ("budget", "score, 95% interval", "tokens per answer", "thinking")
        name = inline(group[0].name_without_budget)
        lines += [f"{name}, by budget of thought in tokens:", "", *_table(heads, budget_rows(group)), ""]
    return lines


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ("---",) * len(heads), *rows)]


def inline(text: str) -> str:
    """Foreign text as inert words of one line."""
    plain = " ".join(printable(str(text)).split())
    return plain.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[").replace("`", "'")
