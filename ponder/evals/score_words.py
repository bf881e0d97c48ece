"""Scores as people read them: never a number without its interval."""

from ponder.evals.estimates import Estimate
from ponder.evals.scores import BenchmarkScore


def shown(estimate: Estimate | None) -> str:
    """In points of a hundred: "53.3 (36.1-69.8)"; "-" where there is none."""
    return "-" if estimate is None else f"{100 * estimate.value:.1f} ({interval(estimate)})"


def interval(estimate: Estimate) -> str:
    return f"{100 * estimate.low:.1f}-{100 * estimate.high:.1f}"


def headline(score: BenchmarkScore) -> str:
    """The average with its interval; of one answer to each of few problems, the interval alone."""
    if score.avg is None:
        return "-"
    return f"between {interval(score.avg).replace('-', ' and ')}" if score.thin else shown(score.avg)


def notes(score: BenchmarkScore) -> list[str]:
    """What must be said beside a score, in sentences."""
    said = []
    if score.thin:
        said.append(
            f"{score.name}: one answer to each of {score.problems} problems is too little for a score; ask for more samples."
        )
    if score.other_data:
        said.append(f"{score.name}: {score.other_data}.")
    if score.missing:
        low, high = score.bounds or (0.0, 1.0)
        range_ = f"; whatever they were, the score is from {100 * low:.1f} to {100 * high:.1f}"
        said.append(
            f"{score.name}: {score.missing:,} of {score.answers:,} answers are missing (errors {score.kinds['error']:,}, "
            f"timeouts {score.kinds['timeout']:,}) and count neither as right nor as wrong{'' if score.thin else range_}."
        )
    if score.over_budget:
        said.append(
            f"{score.name}: {score.over_budget:,} of {score.answers:,} answers thought longer than the budget: whatever "
            "answered does not keep to it, so this is no score with that budget."
        )
    if (cut := score.kinds["truncated"]) > score.answers / 10:
        said.append(
            f"{score.name}: {cut:,} of {score.answers:,} answers were cut off by the token limit, and count as 0."
        )
    return said


def further(score: BenchmarkScore) -> dict[str, str]:
    """The other measures, by name: {"pass@64": "86.7 (70.3-94.7)", "maj@64": ...}; of a thin score none."""
    if score.thin:
        return {}
    named: dict[str, Estimate | None] = {}
    if score.samples > 1 and score.pass_at:
        k = max(score.pass_at)
        named |= {f"pass@{k}": score.pass_at[k], f"pass^{k}": score.pass_all[k]} if k > 1 else {}
        named |= {f"maj@{score.samples}": score.maj}
    named |= {
        "instructions": score.instructions,
        "prompts, loose": score.prompts_loose,
        "instructions, loose": score.instructions_loose,
    }
    return {name: shown(estimate) for name, estimate in named.items() if estimate is not None}


def scaling_rows(score: BenchmarkScore) -> list[tuple[str, str, str]]:
    """k, pass@k and maj@k of a benchmark that was asked more than once; maj@k "-" where answers have no votes."""
    if len(score.pass_at) < 2:
        return []
    return [(f"{k:,}", shown(estimate), shown(score.maj_at.get(k))) for k, estimate in score.pass_at.items()]


def budget_rows(rows: list[BenchmarkScore]) -> list[tuple[str, str, str, str]]:
    """Budget of thought, score, mean tokens of an answer, and of its thought, for a benchmark's budgets."""
    return [
        (
            f"{row.budget:,}",
            headline(row),
            "-" if row.tokens is None else f"{row.tokens.mean:,.0f}",
            "-" if row.tokens is None or row.tokens.reasoning_mean is None else f"{row.tokens.reasoning_mean:,.0f}",
        )
        for row in rows
    ]


def tokens(score: BenchmarkScore) -> str:
    return "-" if score.tokens is None else f"{score.tokens.mean:,.0f} (p95 {score.tokens.p95:,})"


def kinds(score: BenchmarkScore) -> str:
    """Shares of the verdicts that occur: "correct 53.3%, wrong 40.0%, truncated 6.7%"; of a thin score their counts, since a
    share would be read as one."""
    total = score.answers
    return ", ".join(
        f"{kind} {count:,}" if score.thin else f"{kind} {100 * count / total:.1f}%"
        for kind, count in score.kinds.items()
        if count
    )
