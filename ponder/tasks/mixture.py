"""Weighted mixtures without state: the k-th task is a pure function of (seed, k)."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import blake2b
from math import floor, isfinite

from ponder.tasks.task import Task


class Mixture:
    """An endless sequence of tasks drawn from several sources by weight.

    Which source gives the k-th task is decided by exact counting rather than by chance: among the first k tasks,
    each source has its share to within a few tasks (at most one per source before it), so each step has the mixture's
    make-up. Within a source, tasks come in a seeded order without replacement; a new epoch has a new order.
    The only state is the caller's integer cursor.

    `sources` are (name, weight, tasks). ValueError for a weight that is not a positive number, an empty source, or a
    name given twice.
    """

    def __init__(self, sources: Sequence[tuple[str, float, Sequence[Task]]], seed: int):
        if not sources:
            raise ValueError("A mixture needs at least one source")
        names = [name for name, _, _ in sources]
        for name, weight, tasks in sources:
            if not (isinstance(weight, int | float) and isfinite(weight) and weight > 0):
                raise ValueError(f"Weight of source {name!r} is {weight!r}: it must be a positive number")
            if len(tasks) == 0:
                raise ValueError(f"Source {name!r} holds no tasks")
            if names.count(name) > 1:
                raise ValueError(f"Source {name!r} is named twice: add up its weights, or give one another name")
        self.names = names
        self._sources = list(sources)
        self._tasks = [tasks for _, _, tasks in sources]
        self._seed = seed
        weights = [Fraction(weight) for _, weight, _ in sources]
        # Source i takes its share of what the sources before it have left.
        self._shares = [weight / sum(weights[i:]) for i, weight in enumerate(weights)]
        self._phases = [Fraction(keyed_number((seed, "phase", name), 2**32), 2**32) for name in names]

    def with_shares(self, shares: Mapping[str, float]) -> "Mixture":
        """The sources that `shares` names, in these shares. ValueError as for a mixture."""
        named = {name: tasks for name, _, tasks in self._sources}
        return Mixture([(name, shares[name], named[name]) for name in self.names if name in shares], self._seed)

    def place(self, k: int) -> tuple[int, int]:
        """(source, how many tasks it has given before) of the k-th task, k >= 0."""
        for i, (share, phase) in enumerate(zip(self._shares, self._phases, strict=True)):
            taken = floor(k * share + phase)
            if floor((k + 1) * share + phase) > taken:
                return i, taken
            k -= taken
        raise AssertionError("the last source takes all that is left")

    def draw(self, cursor: int, n: int) -> list[Task]:
        """Tasks number cursor .. cursor + n - 1."""
        return [self._task(k) for k in range(cursor, cursor + n)]

    def _task(self, k: int) -> Task:
        source, count = self.place(k)
        tasks = self._tasks[source]
        epoch, position = divmod(count, len(tasks))
        return tasks[permuted(position, len(tasks), (self._seed, self.names[source], epoch))]


def keyed_number(key: tuple, below: int) -> int:
    """A number in [0, below) that depends on `key` only (BLAKE2b of its repr; the bias is under below / 2**128)."""
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=16).digest()) % below


def permuted(position: int, length: int, key: tuple) -> int:
    """Where a keyed permutation of range(length) sends `position`, without making the permutation.

    A four-round Feistel network (Luby & Rackoff 1988) permutes the next power of four above `length`; walking along
    its cycle until a value below `length` restricts it to range(length) (Black & Rogaway, "Ciphers with Arbitrary
    Finite Domains", 2002). Four steps are expected at most.
    """
    assert 0 <= position < length
    half = max(1, ((length - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = position >> half, position & mask
        for number in range(4):
            left, right = right, left ^ keyed_number((key, number, right), mask + 1)
        position = left << half | right
        if position < length:
            return position
