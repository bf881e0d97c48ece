"""Voting: what the most frequent of several answers earns, for all the answers there are and for k drawn from them.

A tie rule: where several answers are equally frequent, the mean over them, which is what drawing one of them earns on
average. Who has no vote (an answer that could not be read) still takes up a place among the k.
"""

from collections import Counter
from collections.abc import Sequence
from math import comb, fsum

import numpy as np

Vote = tuple[str, bool]  # an answer, and whether it is correct
MOST_ANSWERS = 1024  # to a problem; of more, numbers of subsets are larger than a float can be
_SCALE = 1e-20  # so that sums over the leaders of subsets stay below that too


def majority(votes: Sequence[Vote]) -> float:
    """What the most frequent answer earns, given all that vote. 0 where nobody votes."""
    counts, correct = _counted(votes)
    if not counts:
        return 0.0
    most = max(counts.values())
    leaders = [answer for answer, count in counts.items() if count == most]
    return fsum(correct[answer] / most for answer in leaders) / len(leaders)


def majority_of(sizes: Sequence[int], votes: Sequence[Vote], answers: int) -> dict[int, float]:
    """{k: what the most frequent of k answers earns, on average over all subsets of k of the `answers`}, for each k of `sizes`.
    Exact but for rounding; no subset is drawn.

    `votes` come from some of the answers, at most MOST_ANSWERS; the others are silent.
    """
    assert all(1 <= k <= answers for k in sizes) and len(votes) <= answers <= MOST_ANSWERS, (sizes, len(votes), answers)
    return _averages(sizes, votes, answers) if votes else dict.fromkeys(sizes, 0.0)


def _counted(votes: Sequence[Vote]) -> tuple[Counter[str], Counter[str]]:
    return Counter(answer for answer, _ in votes), Counter(answer for answer, right in votes if right)


def _averages(sizes: Sequence[int], votes: Sequence[Vote], answers: int) -> dict[int, float]:
    """By the count t of whoever leads: those who voted less often than t in all can never lead, and are one pool.

    `ways[d, s]` counts the subsets of d answers in which s leaders have t votes each and no one has more; `earned[d, s]`
    is the sum over these subsets of what all their leaders earn. All terms are positive, so nothing cancels.
    """
    counts, correct = _counted(votes)
    share = {answer: correct[answer] / count for answer, count in counts.items()}
    most = max(sizes)
    whole = dict.fromkeys(sizes, 0.0)
    for t in range(1, min(most, max(counts.values())) + 1):
        able = sorted((count, share[answer]) for answer, count in counts.items() if count >= t)
        pool = answers - sum(count for count, _ in able)
        leaders = min(len(able), most // t)
        ways = np.zeros((most + 1, leaders + 1))
        ways[:, 0] = [_SCALE * comb(pool, drawn) for drawn in range(most + 1)]
        earned = np.zeros_like(ways)
        for count, right in able:
            more_ways, more_earned = np.zeros_like(ways), np.zeros_like(ways)
            for taken in range(min(t, most + 1)):  # fewer than t: no leader
                times = float(comb(count, taken))
                more_ways[taken:] += times * ways[: most + 1 - taken]
                more_earned[taken:] += times * earned[: most + 1 - taken]
            times = float(comb(count, t))
            more_ways[t:, 1:] += times * ways[: most + 1 - t, :-1]
            more_earned[t:, 1:] += times * (earned[: most + 1 - t, :-1] + right * ways[: most + 1 - t, :-1])
            ways, earned = more_ways, more_earned
        for k in sizes:
            whole[k] += fsum(earned[k, s] / s for s in range(1, leaders + 1))
    return {k: min(1.0, total / (_SCALE * comb(answers, k))) for k, total in whole.items()}
