"""The scores of an evaluation: a pure function of what is stored, so anyone computes the same.

A sample whose score is None (an error, or a verifier that ran out of time) says nothing of the model: it is missing, is
counted as such, and is in no mean. `bounds` says where the average would lie if all missing ones were wrong, or correct.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import ceil, fsum
from statistics import median
from typing import Any, get_args

from ponder.evals.choices import unshuffled
from ponder.evals.estimates import Estimate, all_of, bounds, mean_of_problems, pass_at
from ponder.evals.instruction_scores import loosely, shares, strictly
from ponder.evals.majority import MOST_ANSWERS, Vote, majority, majority_of
from ponder.evals.records import BenchmarkAsked, Problem, Sample
from ponder.evals.store import Evaluation
from ponder.verifiers.table import VERIFIERS
from ponder.verifiers.verdict import Status

KINDS: tuple[str, ...] = get_args(Status)
END_TOKENS = 64  # of thought that a budget does not count: the words that end one
FEW_PROBLEMS = 60  # one answer to each of so few is shown as an interval alone


@dataclass(frozen=True)
class Tokens:
    """Sampled tokens of the answers whose count is known."""

    answers: int
    total: int
    mean: float
    median: float
    p95: int
    reasoning: int | None
    reasoning_mean: float | None
    prompt: int | None


@dataclass(frozen=True)
class BenchmarkScore:
    """
    bench: its name in the evaluation, which asks a benchmark once for each thinking budget; benchmark: the benchmark's own
    name: with all that must stand beside the number (window, fewer problems, other settings)
    budget: most tokens of thought, as asked; None without. over_budget: answers whose thought was longer by more than the
        words that end one
    problems: asked; problems_scored: with at least one answer that has a score
    samples: answers asked for, to each problem; missing: of all of them, those without a score
    avg: mean over problems of the share of correct answers (avg@samples, the estimate of pass@1)
    mean_score: the same of the verdicts' scores, which some verifiers give in part
    bounds: of avg, if all missing answers were wrong, and if all were correct; None where none is missing
    pass_at, pass_all: pass@k and pass^k by k = 1, 2, 4, ... and the fewest scored answers of any scored problem
    maj: maj@samples; None with one answer each, and where answers are no short texts
    maj_at: maj@k by the same k, averaged over all subsets of k answers; {} where there is no maj
    instructions: share of single instructions followed; None but for instruction following, where avg counts whole prompts.
    prompts_loose, instructions_loose: the same two by IFEval's loose rule
    other_data: that the data are not the version that the protocol names, with both hashes; None where they are, or none is
        named
    kinds: answers by verdict, all kinds; an answer that was never got is an error
    by_category: avg of each of the benchmark's own categories; {} with fewer than two
    """

    bench: str
    benchmark: str
    name: str
    name_without_budget: str
    title: str
    budget: int | None
    over_budget: int
    problems: int
    problems_scored: int
    samples: int
    missing: int
    avg: Estimate | None
    mean_score: float | None
    bounds: tuple[float, float] | None
    pass_at: dict[int, Estimate]
    pass_all: dict[int, Estimate]
    maj: Estimate | None
    maj_at: dict[int, Estimate]
    instructions: Estimate | None
    prompts_loose: Estimate | None
    instructions_loose: Estimate | None
    other_data: str | None
    kinds: dict[str, int]
    tokens: Tokens | None
    cost: float | None
    by_category: dict[str, Estimate]

    @property
    def answers(self) -> int:
        """Asked for, missing ones included."""
        return sum(self.kinds.values())

    @property
    def thin(self) -> bool:
        """One answer to each of few problems, whose mean is no score: only its interval is shown."""
        return self.samples == 1 and self.problems <= FEW_PROBLEMS

    @property
    def avg_name(self) -> str:
        return "pass@1" if self.samples == 1 else f"avg@{self.samples}"


def scores(evaluation: Evaluation) -> list[BenchmarkScore]:
    """One for each benchmark, in the order of the manifest."""
    return [_score(name, asked, evaluation) for name, asked in evaluation.manifest.benchmarks.items()]


def scores_json(evaluation: Evaluation, found: list[BenchmarkScore] | None = None) -> dict[str, Any]:
    """The scores as a JSON value, with the model, the engine and what was asked, so that the file stands alone.

    `found`: the evaluation's scores, where they are at hand."""
    manifest = evaluation.manifest.to_json()
    return {
        **{key: manifest[key] for key in ("model", "engine", "seed", "started", "ponder", "processor")},
        "scores": [_json(s) | {"asked": manifest["benchmarks"][s.bench]} for s in found or scores(evaluation)],
    }


def _json(score: BenchmarkScore) -> dict[str, Any]:
    return asdict(score) | {
        "thin": score.thin,
        "pass_at": {str(k): asdict(v) for k, v in score.pass_at.items()},
        "pass_all": {str(k): asdict(v) for k, v in score.pass_all.items()},
        "maj_at": {str(k): asdict(v) for k, v in score.maj_at.items()},
        "bounds": None if score.bounds is None else list(score.bounds),
    }


def by_budget(scores: list[BenchmarkScore]) -> list[list[BenchmarkScore]]:
    """The scores of each benchmark that has several budgets of thought, by budget."""
    groups: dict[str, list[BenchmarkScore]] = {}
    for score in scores:
        if score.budget is not None:
            groups.setdefault(score.benchmark, []).append(score)
    return [sorted(rows, key=lambda s: s.budget or 0) for rows in groups.values() if len(rows) > 1]


def samples_asked(asked: BenchmarkAsked) -> int:
    """Answers to each problem, as they were asked for."""
    return asked.changed["samples"][1] if "samples" in asked.changed else asked.protocol.sampling.samples


def _score(bench: str, asked: BenchmarkAsked, evaluation: Evaluation) -> BenchmarkScore:
    problems = sorted((p for p in evaluation.problems if p.bench == bench), key=lambda p: p.id)
    samples = sorted((s for s in evaluation.samples if s.bench == bench), key=lambda s: (s.problem, s.sample))
    by_problem: dict[str, list[Sample]] = {p.id: [] for p in problems}
    for sample in samples:
        if sample.score is not None and sample.problem in by_problem:
            by_problem[sample.problem].append(sample)
    scored = {problem: answers for problem, answers in by_problem.items() if answers}
    correct = {problem: sum(a.status == "correct" for a in answers) for problem, answers in scored.items()}
    n = samples_asked(asked)
    fewest = min(map(len, scored.values()), default=0)
    given = sum(map(len, scored.values()))
    sizes = sorted({*(2**i for i in range(fewest.bit_length())), fewest} - {0})
    kinds = Counter(s.status for s in samples)
    kinds["error"] += max(0, n * len(problems) - len(samples))
    missing = kinds["error"] + kinds["timeout"]
    means = [_mean(a.score or 0.0 for a in answers) for answers in scored.values()]
    # No two programs, texts or calls are one answer by their text.
    votes = {} if n == 1 or VERIFIERS[asked.protocol.verifier].structured else _votes(scored)
    strict = shares(problems, scored, strictly)
    loose = strict and shares(problems, scored, loosely(problems, samples))
    costs = [s.cost for s in samples if s.cost is not None]
    return BenchmarkScore(
        bench=bench,
        benchmark=asked.protocol.name,
        name=asked.name,
        name_without_budget=asked.name_without_budget,
        title=asked.protocol.title,
        budget=asked.budget,
        over_budget=sum(_is_over(s, asked.budget) for s in samples),
        problems=len(problems),
        problems_scored=len(scored),
        samples=n,
        missing=missing,
        avg=_average(scored.values()),
        mean_score=_mean(means) if means else None,
        bounds=bounds([(len(row), correct.get(p, 0)) for p, row in by_problem.items()], n)
        if missing and problems
        else None,
        pass_at={
            k: _over_problems([pass_at(k, len(scored[p]), correct[p]) for p in scored], given // k) for k in sizes
        },
        pass_all={
            k: _over_problems([all_of(k, len(scored[p]), correct[p]) for p in scored], given // k) for k in sizes
        },
        maj=_over_problems([majority(v) for v in votes.values()], 1) if any(votes.values()) else None,
        maj_at=_majorities(votes, scored, sizes) if any(votes.values()) else {},
        instructions=strict[1] if strict else None,
        prompts_loose=loose[0] if loose else None,
        instructions_loose=loose[1] if loose else None,
        other_data=_other_data(asked),
        kinds={kind: kinds[kind] for kind in KINDS},
        tokens=_tokens(samples),
        cost=fsum(costs) if costs else None,
        by_category=_by_category(problems, scored),
    )


def _other_data(asked: BenchmarkAsked) -> str | None:
    named = asked.protocol.data.sha256
    if named in (None, asked.sha256):
        return None
    return f"the data ({asked.data_source}) are not the version that the protocol names: sha256 {asked.sha256}, not {named}"


def _average(answers: Iterable[Sequence[Sample]]) -> Estimate | None:
    groups = list(answers)
    means = [sum(a.status == "correct" for a in group) / len(group) for group in groups]
    return mean_of_problems(means, sum(map(len, groups)))


def _over_problems(values: list[float], draws: int) -> Estimate:
    """Of one value in [0, 1] for each problem. `draws`: of k answers, that all the answers make and share nothing."""
    estimate = mean_of_problems(values, max(draws, len(values)))
    assert estimate is not None
    return estimate


def _votes(scored: dict[str, list[Sample]]) -> dict[str, list[Vote]]:
    """Of each problem: only answers that were read vote, by their text with white space folded; a letter is the choice that
    it stood for in that sample."""
    return {
        problem: [(unshuffled(a.parsed, a.choice_order), a.status == "correct") for a in answers if votes_with(a)]
        for problem, answers in scored.items()
    }


def _majorities(
    votes: dict[str, list[Vote]], scored: dict[str, list[Sample]], sizes: Sequence[int]
) -> dict[int, Estimate]:
    if max(map(len, scored.values())) > MOST_ANSWERS:
        return {}
    earned = [majority_of(sizes, votes[problem], len(answers)) for problem, answers in scored.items()]
    given = sum(map(len, scored.values()))
    return {k: _over_problems([of_one[k] for of_one in earned], given // k) for k in sizes}


def _is_over(sample: Sample, budget: int | None) -> bool:
    return budget is not None and (sample.reasoning_tokens or 0) > budget + END_TOKENS


def votes_with(sample: Sample) -> bool:
    return sample.parsed is not None and sample.status in ("correct", "wrong")


def _tokens(samples: Sequence[Sample]) -> Tokens | None:
    counts = sorted(s.tokens for s in samples if s.tokens is not None)
    if not counts:
        return None
    reasoning = [s.reasoning_tokens for s in samples if s.reasoning_tokens is not None]
    prompts = [s.prompt_tokens for s in samples if s.prompt_tokens is not None]
    return Tokens(
        answers=len(counts),
        total=sum(counts),
        mean=sum(counts) / len(counts),
        median=float(median(counts)),
        p95=counts[ceil(0.95 * len(counts)) - 1],
        reasoning=sum(reasoning) if reasoning else None,
        reasoning_mean=sum(reasoning) / len(reasoning) if reasoning else None,
        prompt=sum(prompts) if prompts else None,
    )


def _by_category(problems: list[Problem], scored: dict[str, list[Sample]]) -> dict[str, Estimate]:
    groups: dict[str, list[list[Sample]]] = {}
    for problem in problems:
        if problem.id in scored:
            groups.setdefault(problem.category, []).append(scored[problem.id])
    if len(groups) < 2:
        return {}
    averages = {category: _average(groups[category]) for category in sorted(groups)}
    return {category: estimate for category, estimate in averages.items() if estimate is not None}


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return fsum(numbers) / len(numbers)
