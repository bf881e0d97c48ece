"""Verdicts on many labelled pairs, one after the other, and what they amount to: agreement, faults, speed."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ponder.verifiers.files.rows import LabelledPair
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verification import Verification

HANG_S = 5.0  # a verdict that takes longer is a hang


@dataclass(frozen=True)
class Judged:
    pair: LabelledPair
    verdict: Verdict
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether the verdict is the label; a pair labelled "any", or not at all, only has to get a verdict."""
        if self.verdict.failed:
            return False
        return not isinstance(self.pair.label, bool) or (self.verdict.status == "correct") == self.pair.label


@dataclass(frozen=True)
class Measure:
    """What verdicts on labelled pairs amount to. Rates are over the pairs that have a label of true or false."""

    pairs: int
    labelled: int
    agreement: float
    false_positives: int  # wrong answers that were judged correct
    false_negatives: int  # right answers that were not
    errors: int
    hangs: int  # verdicts of more than 5 s, or none within the verifier's deadline
    pairs_per_s: float
    p99_ms: float


def verify_pairs(
    verification: Verification,
    pairs: Iterable[LabelledPair],
    progress: Callable[[Judged], object],
    at_a_time: int = 1,
) -> list[Judged]:
    """A verdict on each pair, timed alone unless several are judged at a time; `progress` is called with each."""
    judged, waiting = [], deque()

    def finish() -> None:
        pair, started, verdict = waiting.popleft()
        judged.append(Judged(pair, verdict.result(), time.perf_counter() - started))
        progress(judged[-1])

    for pair in pairs:
        waiting.append((pair, time.perf_counter(), verification.submit(pair.task, pair.response)))
        if len(waiting) == at_a_time:
            finish()
    while waiting:
        finish()
    return judged


def measure(judged: Sequence[Judged]) -> Measure:
    """Figures of at least one pair."""
    labelled = [j for j in judged if isinstance(j.pair.label, bool)]
    seconds = sorted(j.seconds for j in judged)
    return Measure(
        pairs=len(judged),
        labelled=len(labelled),
        agreement=sum(j.agrees for j in labelled) / max(len(labelled), 1),
        false_positives=sum(j.verdict.status == "correct" and not j.pair.label for j in labelled),
        false_negatives=sum(j.verdict.status != "correct" and bool(j.pair.label) for j in labelled),
        errors=sum(j.verdict.status == "error" for j in judged),
        hangs=sum(j.verdict.status == "timeout" or j.seconds > HANG_S for j in judged),
        pairs_per_s=len(seconds) / max(sum(seconds), 1e-9),
        p99_ms=1000 * seconds[min(len(seconds) - 1, int(0.99 * len(seconds)))],
    )
