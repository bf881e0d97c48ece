"""Which block of the cache holds what: the free ones, those of running sequences, and kept prefixes (paged attention's
block manager: Kwon et al. 2023, arXiv:2309.06180). Numbers only; the keys and values lie in `engine/kv_cache.py`.

A block that a sequence has filled gets a name (`SequenceState.names`), by which sequences that begin alike find it and
share it (prefix caching). When its last user leaves, it is kept, until the memory is needed: the least recently used go
first, ends before beginnings.
"""

import heapq
import itertools
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence


class Blocks:
    """
    Args:
        count: how many there are
        keep: whether filled blocks are named, shared and kept. Only where the names carry the version of the weights
    """

    def __init__(self, count: int, keep: bool = False):
        self.count, self.keep = count, keep
        self.untouched = 0  # this one and those above have never been used
        self.returned: list[int] = []  # a heap: low numbers are used first, so that what is in use lies together
        self.users: Counter[int] = Counter()
        self.named: dict[bytes, int] = {}
        self.name_of: dict[int, bytes] = {}
        self.kept: OrderedDict[int, None] = OrderedDict()  # named, without a user; least recently used first
        self.queries = self.hits = 0  # tokens looked up, tokens found

    @property
    def available(self) -> int:
        """Blocks that can be taken, kept ones included."""
        return self.count - self.used

    @property
    def used(self) -> int:
        """Blocks of running sequences."""
        return self.untouched - len(self.returned) - len(self.kept)

    def take(self, count: int) -> list[int]:
        """New blocks for one sequence; the caller has looked that they are available."""
        assert count <= self.available
        numbers = [self._next() for _ in range(count)]
        for number in numbers:
            self.users[number] = 1
        return numbers

    def find(self, names: Sequence[bytes]) -> list[int]:
        """The blocks of the longest beginning that is known; nobody is let in by this."""
        return [self.named[name] for name in itertools.takewhile(self.named.__contains__, names)]

    def unused(self, numbers: Iterable[int]) -> int:
        """How many of them are kept without a user, and so count as available until they are shared."""
        return sum(number in self.kept for number in numbers)

    def share(self, numbers: Sequence[int]) -> None:
        """One more sequence uses them."""
        for number in numbers:
            self.users[number] += 1
            self.kept.pop(number, None)

    def name(self, names: Sequence[bytes], numbers: Sequence[int]) -> None:
        """Make blocks known that are filled: the first with a name stays the one that is found."""
        if not self.keep:
            return
        for name, number in zip(names, numbers, strict=False):
            if name not in self.named and number not in self.name_of:
                self.named[name] = number
                self.name_of[number] = name

    def release(self, numbers: Sequence[int]) -> None:
        """A sequence leaves its blocks."""
        for number in reversed(numbers):  # so that a beginning is always newer than what hangs on it
            self.users[number] -= 1
            if self.users[number]:
                continue
            del self.users[number]
            if number in self.name_of:
                self.kept[number] = None
            else:
                heapq.heappush(self.returned, number)

    def forget(self) -> None:
        """Drop what is kept. Blocks of running sequences stay theirs, and are found no more."""
        self.named.clear()
        self.name_of.clear()
        for number in self.kept:
            heapq.heappush(self.returned, number)
        self.kept.clear()
        if not self.users:
            self.untouched = 0
            self.returned.clear()

    def _next(self) -> int:
        if self.returned:
            return heapq.heappop(self.returned)
        if self.untouched < self.count:
            self.untouched += 1
            return self.untouched - 1
        number, _ = self.kept.popitem(last=False)
        del self.named[self.name_of.pop(number)]
        return number
