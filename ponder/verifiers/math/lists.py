"""Lists and sets of values: which items belong to which, and when their names and their order count."""

import re
from collections.abc import Callable

from ponder.verifiers.math.relations import is_equation, is_name, value_of_name
from ponder.verifiers.math.tree import Node, is_undefined

Same = Callable[[Node, Node], bool]
COORDINATES = [Node("sym", (name,)) for name in "xyz"]


def same_items(wanted: list[Node], given: list[Node], same: Same) -> bool:
    """Whether two lists hold the same items, in any order.

    Names count where both sides give them, unless they only number the items (x_1, x_2). Bare values for items of
    several names must stand in their order.
    """
    if len(wanted) != len(given):
        return False
    names, others = _names(wanted), _names(given)
    if names and len(names) > 1 and not _numbered(names) and not any(is_equation(item) for item in given):
        return all(same(nameless(item), other) for item, other in zip(wanted, given, strict=True))
    keep_names = bool(names and others and not _numbered(names | others) and not _number_the_values(names, others))
    wanted, given = list(wanted), list(given)
    for item in tuple(wanted):  # items that are written alike
        if item in given and not is_undefined(item):
            wanted.remove(item)
            given.remove(item)
    for item in wanted:
        matches = (k for k, other in enumerate(given) if _same_item(item, other, keep_names, same))
        found = next(matches, None)
        if found is None:
            return False
        given.pop(found)
    return True


def _same_item(item: Node, other: Node, keep_names: bool, same: Same) -> bool:
    """Items with their names, or where only one has a name, their values; -x = 2 is an equation, no name of 2."""
    if keep_names or not all(_has_name(node) or not is_equation(node) for node in (item, other)):
        return same(item, other)
    return same(nameless(item), nameless(other))


def _has_name(node: Node) -> bool:
    return is_equation(node) and is_name(node.args[1])


def _names(items: list[Node]) -> set[str] | None:
    """Names of the items; None where not every item has one."""
    if not items or not all(_has_name(item) for item in items):
        return None
    return {str(item.args[1].args[0]) for item in items}


def _numbered(names: set[str]) -> bool:
    """Whether names differ by a subscript only."""
    return len({re.sub(r"_\w+$", "", name) for name in names}) == 1 and all("_" in name for name in names)


def _number_the_values(names: set[str], others: set[str]) -> bool:
    """Whether one side numbers the values of the other's only name: x_1 = 2, x_2 = 3 and x = 2, x = 3."""
    return any(
        len(one) == 1 < len(several) and _numbered(several) and {re.sub(r"_\w+$", "", name) for name in several} == one
        for one, several in ((names, others), (others, names))
    )


def nameless(item: Node) -> Node:
    """The value of a named item: 5 for x = 5."""
    if is_equation(item) and (value := value_of_name(item)) is not None:
        return value
    return item


def by_name(items: tuple[Node, ...]) -> list[Node]:
    """Named coordinates in the order x, y, z; other items as they stand."""
    if all(is_equation(item) and item.args[1] in COORDINATES for item in items):
        return sorted(items, key=lambda item: item.args[1].args[0])
    return list(items)


def distinct(items: list[Node], same: Same) -> list[Node]:
    """The items without repetitions."""
    kept: list[Node] = []
    for item in items:
        if not any(same(item, other) for other in kept):
            kept.append(item)
    return kept
