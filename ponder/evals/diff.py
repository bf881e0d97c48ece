"""Two evaluations, problem by problem: what regressed, what improved, and whether the difference can be chance.

With one answer to each problem the test is McNemar's, exact (Q. McNemar, 1947, "Note on the sampling error of the difference
between correlated proportions"); with more it is a sign-flip permutation of the problems' differences, complete up to
2**16 flips and else 20,000 drawn with a fixed seed, so that equal files give equal numbers.
"""

from dataclasses import dataclass
from itertools import product
from math import comb, fsum, sqrt
from typing import Any

import numpy as np

from ponder.evals.records import BenchmarkAsked
from ponder.evals.scores import samples_asked
from ponder.evals.store import Evaluation

_COMPLETE = 16  # differences that are not zero, up to which all sign flips are counted
_FLIPS = 20_000
_BLOCK = 1_000  # flips held at once
_Z = 1.959963984540054


class NotComparable(ValueError):
    """The evaluations differ in more than the model; the message says in what."""


@dataclass(frozen=True)
class ProblemChange:
    """`before`, `after`: shares of correct answers."""

    problem: str
    question: str
    before: float
    after: float


@dataclass(frozen=True)
class BenchmarkDiff:
    """
    problems: that have a scored answer in both; left_out: the others
    difference: after - before, of the means over these problems; low, high: its 95% interval, over problems
    p_value: of two-sided `test` ("exact McNemar test" or "paired permutation test")
    """

    bench: str
    name: str
    problems: int
    left_out: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    test: str
    p_value: float
    regressed: tuple[ProblemChange, ...]
    improved: tuple[ProblemChange, ...]
    same: int


def diff(before: Evaluation, after: Evaluation) -> list[BenchmarkDiff]:
    """Of the benchmarks that both have, in the order of `before`.

    Raises:
        NotComparable: they share no benchmark, or ask one in different ways or on different data.
    """
    a, b = before.manifest.benchmarks, after.manifest.benchmarks
    shared = [name for name in a if name in b]
    if not shared:
        raise NotComparable(
            f"the two evaluations share no benchmark: {', '.join(a) or 'none'} in the first, {', '.join(b) or 'none'} in the "
            "second. Evaluate both models on the same --bench."
        )
    for name in shared:
        _refuse_different(name, a[name], b[name])
    return [_diff(name, a[name], before, after) for name in shared]


def _refuse_different(bench: str, a: BenchmarkAsked, b: BenchmarkAsked) -> None:
    differing = [f"{what}: {_short(x)} against {_short(y)}" for what, (x, y) in _asked_differently(a, b).items()]
    if differing:
        raise NotComparable(
            f"{bench} was not asked in the same way, so a difference would not be the models': {'; '.join(differing)}. "
            "Repeat one of the two as the other was made."
        )


def _asked_differently(a: BenchmarkAsked, b: BenchmarkAsked) -> dict[str, tuple[Any, Any]]:
    """What differs, by name: fields of the protocol as they were used, and the data."""
    one, other = settings(a), settings(b)
    return {key: (one.get(key), other.get(key)) for key in {**one, **other} if one.get(key) != other.get(key)}


def settings(asked: BenchmarkAsked) -> dict[str, Any]:
    """Everything on which a number depends but the model, flat: the protocol with its changes, and the data."""
    protocol = asked.protocol.model_dump(mode="json")
    sampling = protocol.pop("sampling")
    left_out = {"title", "source", "data", "variant", "name"}  # words about it; the data counts by its hash
    plain = {key: value for key, value in protocol.items() if key not in left_out}
    data = {"sha256 of the data": asked.sha256, "problems asked": asked.rows}
    return plain | sampling | {key: now for key, (_, now) in asked.changed.items()} | data


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _diff(bench: str, asked: BenchmarkAsked, before: Evaluation, after: Evaluation) -> BenchmarkDiff:
    one, other = _shares(bench, before), _shares(bench, after)
    both = sorted(one.keys() & other.keys())
    questions = {p.id: _question(p.messages) for p in before.problems if p.bench == bench}
    changes = [ProblemChange(p, questions.get(p, ""), one[p], other[p]) for p in both]
    deltas = [c.after - c.before for c in changes]
    single = samples_asked(asked) == 1
    low, high = _interval(deltas)
    return BenchmarkDiff(
        bench=bench,
        name=asked.name,
        problems=len(both),
        left_out=len(questions.keys() | {p.id for p in after.problems if p.bench == bench}) - len(both),
        before=fsum(one[p] for p in both) / len(both) if both else 0.0,
        after=fsum(other[p] for p in both) / len(both) if both else 0.0,
        difference=fsum(deltas) / len(deltas) if deltas else 0.0,
        low=low,
        high=high,
        test="exact McNemar test" if single else "paired permutation test",
        p_value=mcnemar(sum(d > 0 for d in deltas), sum(d < 0 for d in deltas)) if single else permutation(deltas),
        regressed=tuple(
            sorted((c for c in changes if c.after < c.before), key=lambda c: (c.after - c.before, c.problem))
        ),
        improved=tuple(
            sorted((c for c in changes if c.after > c.before), key=lambda c: (c.before - c.after, c.problem))
        ),
        same=sum(d == 0 for d in deltas),
    )


def _shares(bench: str, evaluation: Evaluation) -> dict[str, float]:
    """Share of correct answers by problem, of those whose score is known."""
    answers: dict[str, list[bool]] = {}
    for sample in evaluation.samples:
        if sample.bench == bench and sample.score is not None:
            answers.setdefault(sample.problem, []).append(sample.status == "correct")
    return {problem: sum(row) / len(row) for problem, row in answers.items()}


def _question(messages: tuple[dict, ...]) -> str:
    content = next((m.get("content") for m in reversed(messages) if m.get("role") == "user"), "")
    return content if isinstance(content, str) else str(content)


def mcnemar(improved: int, regressed: int) -> float:
    """Two-sided p-value: how often a fair coin splits the changed problems at least as unevenly."""
    n = improved + regressed
    tail = sum(comb(n, i) for i in range(min(improved, regressed) + 1))
    return min(1.0, 2 * tail / 2**n)


def permutation(deltas: list[float]) -> float:
    """Two-sided p-value: how often flipping the signs of the problems' differences at random gives a sum as far from 0."""
    moved = np.array(sorted(abs(d) for d in deltas if d))
    observed = abs(fsum(deltas)) - 1e-9  # a sum that differs by rounding alone is as far
    if not len(moved):
        return 1.0
    if len(moved) <= _COMPLETE:
        signs = np.array(list(product((1.0, -1.0), repeat=len(moved))))
        return float((np.abs(signs @ moved) >= observed).mean())
    draw, far = np.random.default_rng(0), 0
    for _ in range(_FLIPS // _BLOCK):
        signs = draw.integers(0, 2, (_BLOCK, len(moved)), dtype=np.int8) * 2.0 - 1.0
        far += int((np.abs(signs @ moved) >= observed).sum())
    return (1 + far) / (1 + _FLIPS)


def _interval(deltas: list[float]) -> tuple[float, float]:
    """Mean +- 1.96 standard errors, with two pseudo-problems (one better, one worse) so that all-equal differences are no
    certainty (Agresti and Min, 2005, "Simple improved confidence intervals for comparing matched proportions")."""
    padded = [*deltas, 1.0, -1.0]
    n = len(padded)
    mean = fsum(padded) / n
    error = sqrt(fsum((d - mean) ** 2 for d in padded) / n / n)
    return max(-1.0, mean - _Z * error), min(1.0, mean + _Z * error)
