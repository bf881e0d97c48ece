"""General solutions: a + b k for all integers k, however a and k are chosen."""

from itertools import pairwise

from ponder.verifiers.math import numeric
from ponder.verifiers.math.tree import Node, num, substituted, symbols

INDICES = ("k", "n", "m", "l", "t", "j", "N", "K")


def same_general(reference: Node, answer: Node) -> bool:
    """Whether two expressions, linear in an integer of which it was said that it is one, take the same values.

    Where only the reference says so, an index of the answer that it does not have otherwise is meant as one.
    """
    index = _index(reference)
    if index is None and _index(answer):  # the answer says which symbol is an integer
        index = next((Node("sym", (name,)) for name in INDICES if name in symbols(reference) - symbols(answer)), None)
    if index is None:
        return False
    other = _index(answer) or next(
        (Node("sym", (name,)) for name in INDICES if name in symbols(answer) - symbols(reference)), None
    )
    if other is None or symbols(reference) - {index.args[0]} or symbols(answer) - {other.args[0]}:
        return False
    wanted, given = _line(reference, index), _line(answer, other)
    if wanted is None or given is None or wanted[1] == 0 or not numeric.close(abs(wanted[1]), abs(given[1])):
        return False
    steps = (given[0] - wanted[0]) / wanted[1]
    return bool(
        numeric.close(steps + 1, numeric.context().nint(steps) + 1)
        or numeric.close(steps, numeric.context().nint(steps))
    )


def _index(node: Node) -> Node | None:
    found = [name for name in symbols(node) if name.startswith("integer ")]
    return Node("sym", (found[0],)) if len(found) == 1 else None


def _line(node: Node, index: Node) -> tuple | None:
    """Its value at 0 and its step; None if the steps differ."""
    values = [numeric.real(substituted(node, index, num(k))) for k in range(4)]
    steps = [after - before for before, after in pairwise(values)]
    if not all(numeric.close(step, steps[0]) for step in steps):
        return None
    return values[0], steps[0]
