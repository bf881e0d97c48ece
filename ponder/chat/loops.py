"""Endless repetition, found while it is being sampled.

A sequence whose end is x x x x ... is a loop of period |x|. Reasoning models fall into them, mostly when sampled
greedily, and do not come out again; one of 10 tokens and one of 200 are equally common. Only exact repetition counts:
tables, lists and code that differ in a number or a name are no loops.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

MAX_PERIOD = 256


@dataclass(frozen=True)
class Repeat:
    """A loop. `period`: tokens after which it repeats; `covered`: how many it covers; `at`: tokens seen until found."""

    period: int
    covered: int
    at: int


def loop_length(period: int) -> int:
    """Tokens that a loop has to cover to be found: 8 repeats of a short period, 4 of a long one, and at least 200.

    | period | 1 | 10 | 25 | 40 | 64 | 100 | 128 | 256 |
    | --- | --- | --- | --- | --- | --- | --- | --- | --- |
    | tokens | 200 | 200 | 200 | 320 | 512 | 512 | 512 | 1024 |
    """
    return max(200, min(8 * period, max(512, 4 * period)))


# Tokens that have to equal the one a period before, by period: the first x of x x x x equals nothing.
_RUN = [0, *(loop_length(period) - period for period in range(1, MAX_PERIOD + 1))]


class RepeatDetector:
    """Finds a loop of up to MAX_PERIOD tokens as soon as it covers `loop_length` of its period.

    Holds the last 256 tokens; a token costs as many steps as it occurs among them.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._recent: deque[int] = deque()
        self._places: dict[int, deque[int]] = {}  # of each recent token, oldest first
        self._runs: dict[int, int] = {}  # by period: how many tokens at the end equal the one a period before

    def push(self, ids: Iterable[int]) -> Repeat | None:
        """The first loop that these ids complete, or None. A loop that goes on is found again with every push."""
        found = None
        for token in ids:
            repeat = self._step(token)
            found = found or repeat
        return found

    def _step(self, token: int) -> Repeat | None:
        places = self._places.setdefault(token, deque())
        # A period whose token now differs from the one before it is not among these, and its run has ended.
        runs = {self._seen - place: self._runs.get(self._seen - place, 0) + 1 for place in places}
        self._runs = runs
        places.append(self._seen)
        self._recent.append(token)
        self._seen += 1
        if len(self._recent) > MAX_PERIOD:
            self._forget(self._recent.popleft())
        loops = [period for period, run in runs.items() if run >= _RUN[period]]
        if not loops:
            return None
        period = min(loops)
        return Repeat(period, runs[period] + period, self._seen)

    def _forget(self, token: int) -> None:
        places = self._places[token]
        places.popleft()
        if not places:
            del self._places[token]
