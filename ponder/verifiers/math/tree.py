"""The tree that an answer is read into: plain data, of bounded size, that nothing ever evaluates as code."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple


class Unreadable(ValueError):
    """The text is not mathematics as this package reads it."""


class OverBudget(ValueError):
    """Reading or comparing would take more work than is allowed."""


class Node(NamedTuple):
    """One node of an expression.

    op                       args
    num                      value (Fraction), digits after the point (None where written without a point)
    sym, const, text, dots   name; const is one of pi, e, i, inf, R, Z, Q, N, C, empty
    add, mul, div, pow       nodes
    call                     name of a known function, then nodes; apply: name of an unknown function, then nodes
    pm                       node, "+-" or "-+"
    percent, degree          node
    unit                     node, name of the unit
    based                    digits, base: a number with its base as a subscript
    seq                      the two brackets, then nodes: a tuple, a point or an interval
    list, set, alt, both     nodes: joined by commas, in braces, joined by "or", inequalities joined by "and"
    builder                  variable, condition
    union, inter, minus      two nodes
    logic                    "land" or "lor", then nodes: statements joined by the signs of logic
    rel                      operators (strings), then one node more than operators
    ratio                    nodes
    matrix, cases            rows, each a tuple of nodes
    big                      sum, prod, int or lim, then nodes
    """

    op: str
    args: tuple[Any, ...]


def num(value: int | Fraction, decimals: int | None = None) -> Node:
    return Node("num", (Fraction(value), decimals))


ONE = num(1)
MINUS_ONE = num(-1)
PI = Node("const", ("pi",))


def children(node: Node) -> Iterator[Node]:
    for argument in node.args:
        if isinstance(argument, Node):
            yield argument
        elif isinstance(argument, tuple):
            yield from (cell for cell in argument if isinstance(cell, Node))


def walk(node: Node) -> Iterator[Node]:
    """The node and all nodes below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def mapped(node: Node, change: Any) -> Node:
    """The node with `change` applied to each child."""
    return Node(node.op, tuple(_mapped(argument, change) for argument in node.args))


def _mapped(argument: Any, change: Any) -> Any:
    if isinstance(argument, Node):
        return change(argument)
    if isinstance(argument, tuple) and argument and isinstance(argument[0], Node):
        return tuple(change(cell) for cell in argument)
    return argument


def substituted(tree: Node, old: Node, new: Node) -> Node:
    """The tree with one node in place of another, wherever it stands."""
    return new if tree == old else mapped(tree, lambda child: substituted(child, old, new))


def contains(node: Node, *ops: str) -> bool:
    return any(inner.op in ops for inner in walk(node))


def symbols(node: Node) -> set[str]:
    """Names of the symbols in the node."""
    return {inner.args[0] for inner in walk(node) if inner.op == "sym"}


def negated(node: Node) -> Node:
    if node.op == "num":
        return Node("num", (-node.args[0], node.args[1]))
    if node.op in ("unit", "percent", "degree"):
        return Node(node.op, (negated(node.args[0]), *node.args[1:]))
    return Node("mul", (MINUS_ONE, node))


def is_undefined(node: Node) -> bool:
    """Whether a tree divides by zero, or takes infinity from infinity."""
    for inner in walk(node):
        if inner.op == "div" and inner.args[1].op == "num" and inner.args[1].args[0] == 0:
            return True
        if inner.op in ("add", "mul", "div", "pow", "call") and contains(inner, "const"):
            infinities = sum(part == Node("const", ("inf",)) for part in walk(inner))
            if infinities > 1 or (infinities and inner.op in ("div", "pow", "call")):
                return True
    return False
