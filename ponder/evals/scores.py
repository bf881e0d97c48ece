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

from ponder.evals.estimates import Estimate, all_of, bounds, majority, mean_of_problems, pass_at
from ponder.evals.records import BenchmarkAsked, Problem, Sample
from ponder.evals.store import Evaluation
from ponder.verifiers.table import VERIFIERS
from ponder.verifiers.verdict import Status

KINDS: tuple[str, ...] = get_args(Status)
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
    prompt: int | None


@dataclass(frozen=True)
class BenchmarkScore:
    """
    name: with all that must stand beside the number (window, fewer problems, other settings)
    problems: asked; problems_scored: with at least one answer that has a score
    samples: answers asked for, to each problem; missing: of all of them, those without a score
    avg: mean over problems of the share of correct answers (avg@samples, the estimate of pass@1)
    mean_score: the same of the verdicts' scores, which some verifiers give in part
    bounds: of avg, if all missing answers were wrong, and if all were correct; None where none is missing
    pass_at, pass_all: pass@k and pass^k by k = 1, 2, 4, ... up to the fewest scored answers of any scored problem
    maj: maj@samples; None with one answer each, and where answers are no short texts
    instructions: share of single instructions followed; None but for instruction following
    kinds: answers by verdict, all kinds; an answer that was never got is an error
    by_category: avg of each of the benchmark's own categories; {} with fewer than two
    """

    bench: str
    name: str
    title: str
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
    instructions: Estimate | None
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


def scores_json(evaluation: Evaluation) -> dict[str, Any]:
    """The scores as a JSON value, with the model, the engine and what was asked, so that the file stands alone."""
    manifest = evaluation.manifest.to_json()
    return {
        **{key: manifest[key] for key in ("model", "engine", "seed", "started", "ponder", "processor")},
        "scores": [_json(s) | {"asked": manifest["benchmarks"][s.bench]} for s in scores(evaluation)],
    }


def _json(score: BenchmarkScore) -> dict[str, Any]:
    return asdict(score) | {
        "thin": score.thin,
        "pass_at": {str(k): asdict(v) for k, v in score.pass_at.items()},
        "pass_all": {str(k): asdict(v) for k, v in score.pass_all.items()},
        "bounds": None if score.bounds is None else list(score.bounds),
    }


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
    powers = [2**i for i in range(fewest.bit_length())]
    kinds = Counter(s.status for s in samples)
    kinds["error"] += max(0, n * len(problems) - len(samples))
    missing = kinds["error"] + kinds["timeout"]
    means = [_mean(a.score or 0.0 for a in answers) for answers in scored.values()]
    costs = [s.cost for s in samples if s.cost is not None]
    return BenchmarkScore(
        bench=bench,
        name=asked.name,
        title=asked.protocol.title,
        problems=len(problems),
        problems_scored=len(scored),
        samples=n,
        missing=missing,
        avg=_average(scored.values()),
        mean_score=_mean(means) if means else None,
        bounds=bounds([(len(row), correct.get(p, 0)) for p, row in by_problem.items()], n)
        if missing and problems
        else None,
        pass_at={k: _over_problems([pass_at(k, len(scored[p]), correct[p]) for p in scored]) for k in powers},
        pass_all={k: _over_problems([all_of(k, len(scored[p]), correct[p]) for p in scored]) for k in powers},
        # No two programs, texts or calls are one answer by their text.
        maj=_majority(scored) if n > 1 and not VERIFIERS[asked.protocol.verifier].structured else None,
        instructions=_instructions(problems, scored),
        kinds={kind: kinds[kind] for kind in KINDS},
        tokens=_tokens(samples),
        cost=fsum(costs) if costs else None,
        by_category=_by_category(problems, scored),
    )


def _average(answers: Iterable[Sequence[Sample]]) -> Estimate | None:
    groups = list(answers)
    means = [sum(a.status == "correct" for a in group) / len(group) for group in groups]
    return mean_of_problems(means, sum(map(len, groups)))


def _over_problems(values: list[float]) -> Estimate:
    """Of one value in [0, 1] for each problem; Wilson's interval, which is wide enough for values between 0 and 1."""
    estimate = mean_of_problems(values, len(values))
    assert estimate is not None
    return estimate


def _majority(scored: dict[str, list[Sample]]) -> Estimate | None:
    """Only answers that were read vote, by their text with white space folded. None where none votes at all."""
    votes = [
        [(" ".join(a.parsed.split()), a.status == "correct") for a in answers if votes_with(a)]
        for answers in scored.values()
    ]
    return _over_problems([majority(v) for v in votes]) if any(votes) else None


def votes_with(sample: Sample) -> bool:
    return sample.parsed is not None and sample.status in ("correct", "wrong")


def _instructions(problems: list[Problem], scored: dict[str, list[Sample]]) -> Estimate | None:
    """Share of all instructions of all answers. An answer without parts (nothing was said, or it was cut off) has followed
    none of them; the interval is over prompts, whose instructions are answered together."""
    followed, given, prompts = 0, 0, 0
    for problem in problems:
        answers = scored.get(problem.id, [])
        count = _instruction_count(problem)
        if answers and count:
            prompts += 1
            followed += sum(part.get("status") == "correct" for a in answers for part in a.parts)
            given += count * len(answers)
    if not given:
        return None
    share = min(1.0, followed / given)
    return mean_of_problems([share] * prompts, prompts)


def _instruction_count(problem: Problem) -> int:
    """How many instructions are to be followed; 0 where a problem is none of following instructions."""
    reference = problem.reference if isinstance(problem.reference, dict) else {}
    return len(reference.get("instruction_id_list", ()))


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
