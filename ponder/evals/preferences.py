"""How well a reward model's scores tell the preferred of two answers: by category, against its own confidence, and against length."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import exp, fsum
from typing import Any

import numpy as np

from ponder.runs.results import wilson_interval
from ponder.tasks.preferences import Pair
from ponder.verifiers.reward_model.model import RewardModel

BINS = 10  # of the probability of the answer that the model prefers, from 0.5 to 1


@dataclass(frozen=True)
class JudgedPair:
    """The scores of both sides of a pair, and the tokens of both answers."""

    category: str
    chosen: float
    rejected: float
    chosen_tokens: int
    rejected_tokens: int

    @property
    def correct(self) -> float:
        """1 where the preferred answer has the higher score, 0.5 where both have the same."""
        return 0.5 if self.chosen == self.rejected else float(self.chosen > self.rejected)

    @property
    def confidence(self) -> float:
        """The probability that the model gives the answer that it prefers (Bradley-Terry), in [0.5, 1]."""
        return 1 / (1 + exp(-min(abs(self.chosen - self.rejected), 700.0)))


def judge_pairs(model: RewardModel, pairs: Sequence[Pair]) -> list[JudgedPair]:
    """ValueError for a side that the model's template refuses, or that is longer than its context."""
    sides = [
        model.ids([*pair.messages, answer], pair.tools) for pair in pairs for answer in (pair.chosen, pair.rejected)
    ]
    scores = model.scores(sides)
    judged = []
    for number, pair in enumerate(pairs):
        chosen, rejected = sides[2 * number : 2 * number + 2]
        prompt = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(chosen, rejected, strict=False)))
        lengths = len(chosen) - prompt, len(rejected) - prompt
        judged.append(JudgedPair(pair.category, *scores[2 * number : 2 * number + 2], *lengths))
    return judged


def summary(pairs: Sequence[JudgedPair]) -> dict[str, Any]:
    """What a report shows of some pairs, as plain data; at least one."""
    categories = sorted({pair.category for pair in pairs})
    return {
        **accuracy(pairs),
        "margin": fsum(pair.chosen - pair.rejected for pair in pairs) / len(pairs),
        "by_category": {name: accuracy([p for p in pairs if p.category == name]) for name in categories},
        "calibration": calibration(pairs),
        "length": length_bias(pairs),
    }


def accuracy(pairs: Sequence[JudgedPair]) -> dict[str, Any]:
    """Share of pairs whose preferred answer has the higher score, with its 95% interval; None of no pairs."""
    right = fsum(pair.correct for pair in pairs)
    value = right / len(pairs) if pairs else None
    return {"accuracy": value, "interval": list(wilson_interval(right, len(pairs))), "pairs": len(pairs)}


def calibration(pairs: Sequence[JudgedPair]) -> dict[str, Any]:
    """Whether of the pairs that the model is 80% sure of 80% are right: by bins of equal width, and the expected calibration error
    (Naeini et al. 2015; Guo et al. 2017, arXiv:1706.04599), the mean distance of the two over all pairs."""
    bins: list[list[JudgedPair]] = [[] for _ in range(BINS)]
    for pair in pairs:
        bins[min(BINS - 1, int((pair.confidence - 0.5) * 2 * BINS))].append(pair)
    rows, error = [], 0.0
    for number, members in enumerate(bins):
        if not members:
            continue
        predicted = fsum(pair.confidence for pair in members) / len(members)
        found = accuracy(members)
        error += abs(found["accuracy"] - predicted) * len(members) / len(pairs)
        low = 0.5 + number / (2 * BINS)
        rows.append({"low": low, "high": low + 1 / (2 * BINS), "predicted": predicted, **found})
    return {"expected_error": error, "bins": rows}


def length_bias(pairs: Sequence[JudgedPair]) -> dict[str, Any]:
    """Correlation (Pearson) of score with length over all answers, and over pairs of the difference of scores with that of lengths, in
    which prompts have no part; None where one of the two is the same everywhere. Accuracy where the preferred answer is the
    shorter one, and where it is the longer one."""
    scores = [score for pair in pairs for score in (pair.chosen, pair.rejected)]
    tokens = [count for pair in pairs for count in (pair.chosen_tokens, pair.rejected_tokens)]
    return {
        "correlation": _correlation(scores, tokens),
        "correlation_in_pairs": _correlation(
            [pair.chosen - pair.rejected for pair in pairs],
            [pair.chosen_tokens - pair.rejected_tokens for pair in pairs],
        ),
        "chosen_shorter": accuracy([pair for pair in pairs if pair.chosen_tokens < pair.rejected_tokens]),
        "chosen_longer": accuracy([pair for pair in pairs if pair.chosen_tokens > pair.rejected_tokens]),
    }


def _correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64))[0, 1])
