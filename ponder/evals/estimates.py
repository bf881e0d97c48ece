"""Estimates with their intervals, and the counts behind pass@k and pass^k.

The observations are problems: the answers to one are no independent evidence about others. The interval is Wilson's with
an effective number of observations, p (1 - p) / (variance of the problem means / problems): the design effect of a cluster
sample (L. Kish, 1965, "Survey Sampling"). With one answer to each problem it is Wilson's own interval; where every
problem was answered equally well it is never narrower than that of as many independent answers; at 0 and 1, where the
variance says nothing, it is that of one answer to each problem. No random number is drawn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb, fsum

from ponder.runs.results import wilson_interval


@dataclass(frozen=True)
class Estimate:
    """A mean of shares in [0, 1], and the ends of its 95% interval."""

    value: float
    low: float
    high: float


def mean_of_problems(means: Sequence[float], answers: int) -> Estimate | None:
    """`means`: the share of correct answers to each problem, each of at least one; `answers`: to all of them together. None
    without problems."""
    if not means:
        return None
    count = len(means)
    mean = min(1.0, max(0.0, fsum(means) / count))
    variance = fsum((m - mean) ** 2 for m in means) / count
    if mean in (0.0, 1.0):
        effective = count
    elif variance == 0:
        effective = answers
    else:
        effective = max(1, min(answers, round(mean * (1 - mean) / variance * count)))
    return Estimate(mean, *wilson_interval(mean * effective, effective))


def bounds(answers: Iterable[tuple[int, int]], asked: int) -> tuple[float, float]:
    """Where the mean over problems lies, whatever the answers that are missing were: if all of them are wrong, and if all are
    correct. `answers`: (how many have a score, how many of these are correct) of each problem; `asked`: of each."""
    counts = [(known, correct, max(asked, known)) for known, correct in answers]
    low = fsum(correct / whole for _, correct, whole in counts) / len(counts)
    return low, min(1.0, low + fsum((whole - known) / whole for known, _, whole in counts) / len(counts))


def pass_at(k: int, answers: int, correct: int) -> float:
    """The chance that one of `k` answers drawn from `answers` is correct: unbiased for k <= answers (Chen et al., 2021,
    "Evaluating Large Language Models Trained on Code", equation 1)."""
    assert 1 <= k <= answers and 0 <= correct <= answers, (k, answers, correct)
    return 1.0 - comb(answers - correct, k) / comb(answers, k)


def all_of(k: int, answers: int, correct: int) -> float:
    """The chance that all of `k` answers drawn from `answers` are correct (pass^k of tau-bench, Yao et al., 2024)."""
    assert 1 <= k <= answers and 0 <= correct <= answers, (k, answers, correct)
    return comb(correct, k) / comb(answers, k)
