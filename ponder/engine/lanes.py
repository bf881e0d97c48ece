"""The running sequences by their length (length bucketing): each lane has a KV cache of its own, a rectangle.

In one rectangle a long sequence makes every row long, in memory and in the work of each step. A sequence stands in the
lane that its present length fits, and moves up to the next when it outgrows it: its row is copied, so nothing changes.
"""

import bisect
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from ponder.engine.attention import Decode
from ponder.engine.kernels import LENGTH_BUCKET, Forms, round_up
from ponder.engine.kv_cache import KVCache, Slot
from ponder.engine.protocol import Completion

FIRST_BOUND = 256  # tokens; each further lane is twice as long


def bounds_up_to(longest: int) -> list[int]:
    """Of the lanes for sequences of up to `longest` tokens."""
    bounds = [FIRST_BOUND]
    while bounds[-1] < longest:
        bounds.append(2 * bounds[-1])
    return bounds


class Reservation:
    """Tokens of keys and values, in whole buckets, for sequences that grow as long as they may. Each counts with the
    longest row of its last lane, and makes the rows as long as it needs in every lane that it passes."""

    def __init__(self, bounds: Sequence[int], spans: Iterable[tuple[int, int]] = ()):
        """spans: the tokens of each sequence at first, one after its prompt, and when it is longest"""
        self.bounds, self.rows = bounds, 0
        self.by_lane = [(0, 0)] * len(bounds)  # rows, longest
        for first, most in spans:
            self.add(first, most)

    def add(self, first: int, most: int) -> None:
        last = bisect.bisect_left(self.bounds, most)
        for lane in range(bisect.bisect_left(self.bounds, first), last + 1):
            rows, longest = self.by_lane[lane]
            self.by_lane[lane] = (rows + (lane == last), max(longest, min(most, self.bounds[lane])))
        self.rows += 1

    @property
    def tokens(self) -> int:
        return sum(rows * round_up(longest, LENGTH_BUCKET) for rows, longest in self.by_lane)


class Lanes:
    """Rows without gaps in each lane, and in `running` one lane after the other.

    Args:
        bounds: most tokens of a sequence of each lane, ascending
        make_cache: of one lane
        fitted: each rectangle is as long as its sequences may become in it, and at most a third larger than they need.
            Else there is one lane, whose caller reserves room for sequences, and which keeps what it has until `release`
    """

    def __init__(self, bounds: Sequence[int], make_cache: Callable[[], KVCache], forms: Forms, fitted: bool = True):
        self.bounds, self.forms, self.fitted = list(bounds), forms, fitted
        self.caches = [make_cache() for _ in bounds]
        self.counts = [0] * len(bounds)
        self.running: list[Completion] = []

    def lane_of(self, tokens: int) -> int:
        return bisect.bisect_left(self.bounds, tokens)

    def append(self, completions: Sequence[Completion], lane: int = 0) -> int:
        """Gives them the next rows of a lane; returns the first."""
        first = self.counts[lane]
        place = sum(self.counts[: lane + 1])
        self.running[place:place] = completions
        self.counts[lane] += len(completions)
        return first

    def slot_of(self, place: int) -> tuple[int, int]:
        """Lane and row of a place in `running`."""
        for lane, count in enumerate(self.counts):
            if place < count:
                return lane, place
            place -= count
        raise IndexError(place)

    def remove(self, place: int) -> None:
        """Free a row: the lane's last one moves into it. A lane without rows holds no memory."""
        lane, row = self.slot_of(place)
        self.counts[lane] -= 1
        last = self.running.pop(place - row + self.counts[lane])
        if row < self.counts[lane]:
            self.caches[lane].copy_row(self.caches[lane], self.counts[lane], row, _cached(last))
            self.running[place] = last
        if self.fitted:
            self._fit(lane)

    def allocate(self, completions: Sequence[Completion]) -> list[Slot]:
        """Rows for new sequences, in the lanes where their first tokens fit."""
        lanes = [self.lane_of(first_tokens(completion)) for completion in completions]
        rows = [self.append([completion], lane) for completion, lane in zip(completions, lanes, strict=True)]
        for lane in set(lanes):
            self._fit(lane)
        return [(self.caches[lane], row) for lane, row in zip(lanes, rows, strict=True)]

    def insert(self, completion: Completion, cache: KVCache) -> None:
        """Take in a sequence whose prompt has been computed in the first row of a cache of its own, which is emptied."""
        lane = self.lane_of(first_tokens(completion))
        self.append([completion], lane)
        self._fit(lane, cache)

    def _fit(self, lane: int, inserted: KVCache | None = None) -> None:
        """Make a lane's rectangle large enough, or smaller. Sequences come and go one at a time, so there is an eighth
        of the rows to spare, and up to a third more than is needed stays. What is inserted becomes the last row."""
        cache, rows, end = self.caches[lane], self.counts[lane], sum(self.counts[: lane + 1])
        inside = self.running[end - rows : end]
        most = max((min(most_tokens(completion), self.bounds[lane]) for completion in inside), default=0)
        length = round_up(most, LENGTH_BUCKET)
        if rows <= cache.rows and length <= cache.length and 3 * cache.rows * cache.length <= 4 * rows * length:
            size = (cache.rows, cache.length)
        else:
            size = (rows * 9 // 8, length)
        if inserted:
            cache.resize(*size, inserted, rows - 1, _cached(inside[-1]))
        elif size != (cache.rows, cache.length):
            cache.resize(*size)

    def move_up(self) -> bool:
        """Move the sequences whose next token does not fit their lane any more; whether there were any."""
        outgrown = [
            place
            for place, completion in enumerate(self.running)
            if _cached(completion) + 1 > self.bounds[self.slot_of(place)[0]]
        ]
        for place in reversed(outgrown):
            completion, (lane, row) = self.running[place], self.slot_of(place)
            higher = self.lane_of(_cached(completion) + 1)
            target = self.append([completion], higher)  # a place behind
            self._fit(higher)
            self.caches[higher].copy_row(self.caches[lane], row, target, _cached(completion))
            self.remove(place)
        return bool(outgrown)

    def decode(self, positions: Tensor, longest: int, limit: int) -> "Decode | DecodeLanes":
        """How the next token of each running sequence attends.

        Args:
            positions: # [running, padded], where it stands; longest bounds positions + 1
            limit: the longest that any sequence may become
        """
        if not self.fitted:
            self.caches[0].reserve(len(self.running), longest, limit)
            return Decode(self.caches[0], positions, longest, self.forms)
        parts, begin = [], 0
        for lane, count in enumerate(self.counts):
            if count:
                end = begin + count
                needed = max(_cached(completion) + 1 for completion in self.running[begin:end])
                parts.append((slice(begin, end), Decode(self.caches[lane], positions[begin:end], needed, self.forms)))
                begin = end
        return DecodeLanes(parts)

    def release(self) -> None:
        self.running.clear()
        self.counts = [0] * len(self.bounds)
        for cache in self.caches:
            cache.release()


class DecodeLanes:
    """One new token for each row of several lanes, each lane over its own rectangle."""

    def __init__(self, parts: Sequence[tuple[slice, Decode]]):
        self.parts = parts

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out = torch.zeros(len(q), q.shape[1] * q.shape[2], device=q.device, dtype=q.dtype)  # padding sees nothing
        for rows, decode in self.parts:
            out[rows] = decode(layer, q[rows], k[rows], v[rows])
        return out


def first_tokens(completion: Completion) -> int:
    """With the first that is sampled."""
    return len(completion.request.prompt) + 1


def most_tokens(completion: Completion) -> int:
    return len(completion.request.prompt) + completion.request.params.max_tokens


def _cached(completion: Completion) -> int:
    """Tokens that have been through the decoder: all but the last sampled one."""
    return len(completion.request.prompt) + max(len(completion.ids) - 1, 0)
