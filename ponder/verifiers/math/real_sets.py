"""Sets of real numbers written as intervals, unions, inequalities or set-builders, compared by membership.

Both sets only change at their critical points (ends of intervals, roots of what is compared), which are found
exactly enough: linear, absolute linear and quadratic comparisons. So they are equal if they agree at each of these
points, between them, and beyond them.
"""

import itertools
from fractions import Fraction
from typing import Any

from ponder.verifiers.math import modular, numeric
from ponder.verifiers.math.tree import Node, symbols, walk

INEQUALITIES = ("<", "<=", ">", ">=", "!=")
VARIABLE = "the variable"
MAX_POINTS = 200
MAX_EXACT_ENDS = 40
NEAR = Fraction(1, 10**30)  # below this two ends may look alike in what follows


class NoSet(ValueError):
    """Not a set of real numbers that is understood here."""


def is_set_like(node: Node) -> bool:
    """Whether a node can only mean a set of reals: unions, half-open intervals, inequalities, set-builders."""
    if node.op in ("union", "inter", "minus", "builder", "both"):
        return True
    if node.op == "const":
        return node.args[0] in ("R", "empty")
    if node.op == "seq":
        return len(node.args) == 4 and node.args[:2] not in (("(", ")"), ("[", "]"))
    if node.op == "rel":
        return all(operator in INEQUALITIES for operator in node.args[0]) or node.args[0] == ("in",)
    if node.op == "alt":
        return any(item.op != "text" and is_set_like(item) for item in node.args)
    return False


def equal(a: Node, b: Node) -> bool:
    """Whether two sets of reals are equal. NoSet where one of them is not understood."""
    variables = [variable for variable in (_variable(a), _variable(b)) if variable is not None]
    if len(variables) == 2 and variables[0] != variables[1]:
        return False
    a, b = (_with_variable(node, variables[0]) if variables else node for node in (a, b))
    if any(x != y and abs(x - y) < NEAR for x in _exact_ends(a) for y in _exact_ends(b)):
        return False
    names = sorted((symbols(a) | symbols(b)) - {VARIABLE})
    agreeing = 0
    for point in range(8 if names else 1):
        context = numeric.Evaluation(names, point, False).environment
        try:
            ends = _ends(a, context) + _ends(b, context)
        except numeric.NotReal:
            continue
        if _has_empty_interval(a, context) or _has_empty_interval(b, context):
            if not names:
                raise NoSet("an interval that ends before it begins")
            continue
        if any(_member(a, x, context) != _member(b, x, context) for x in _probes(ends)):
            return False
        agreeing += 1
    if agreeing < (2 if names else 1):
        raise NoSet("too few points where both are defined")
    return True


def _variable(node: Node) -> Node | None:
    """What an inequality or a membership is about: the same symbol throughout; None where none is named."""
    found = set()
    for inner in _outer(node):
        if inner.op == "rel":
            found.add(_subject(inner))
    if len(found) > 1:
        raise NoSet("inequalities in several variables")
    return next(iter(found), None)


def _outer(node: Node) -> list[Node]:
    """The nodes outside set-builders, whose variable is their own."""
    if node.op == "builder":
        return []
    found = [node]
    if node.op in ("union", "inter", "minus", "alt", "both", "list"):
        for child in node.args:
            found += _outer(child) if isinstance(child, Node) else []
    if node.op == "rel" and node.args[0] == ("in",):
        return found
    return found


def _subject(relation: Node) -> Node:
    operators, operands = relation.args[0], relation.args[1:]
    if operators == ("in",):
        return operands[0]
    if not all(operator in (*INEQUALITIES, "=") for operator in operators):
        raise NoSet("not an inequality")
    free = {name for operand in operands for name in symbols(operand)}
    if len(free) == 1 and not any(operand.op == "apply" for operand in operands):
        return Node("sym", (next(iter(free)),))
    candidates = [operand for operand in operands if operand.op in ("sym", "apply")]
    if len(operands) == 3 and operands[1].op in ("sym", "apply"):
        return operands[1]
    if len(candidates) == 1 or (len(candidates) == 2 and operands[0].op == "sym" and len(operands) == 2):
        return candidates[0]
    raise NoSet("an inequality in several variables")


def _with_variable(node: Node, variable: Node) -> Node:
    if node == variable:
        return Node("sym", (VARIABLE,))
    if node.op == "builder":
        return node
    parts = []
    for argument in node.args:
        parts.append(_with_variable(argument, variable) if isinstance(argument, Node) else argument)
    return Node(node.op, tuple(parts))


def _inner(builder: Node) -> Node:
    """The condition of a set-builder, about the common variable."""
    variable, condition = builder.args
    if variable.op == "rel" and variable.args[0] == ("in",):
        if variable.args[2].args[0] != "R":
            raise NoSet("a set of what is not real")
        variable = variable.args[1]
    if variable.op != "sym":
        raise NoSet("a set of what is not a number")
    if condition.op == "list":
        condition = Node("both", condition.args)
    return _with_variable(condition, variable)


def _ends(node: Node, context: dict) -> list:
    """Critical points of a set."""
    op, args = node
    if op in ("union", "inter", "minus", "alt", "both"):
        return [end for child in args for end in _ends(child, context)]
    if op == "builder":
        return _ends(_inner(node), context)
    if op == "const" and args[0] in ("R", "empty"):
        return []
    if op == "seq" and len(args) == 4:
        return [numeric.real(end, context) for end in args[2:] if infinite(end) == 0]
    if op in ("set", "list"):
        return [numeric.real(element, context) for element in args]
    if op == "rel" and args[0] == ("in",):
        return _ends(args[2], context)
    if op == "rel" and all(operator in (*INEQUALITIES, "=") for operator in args[0]):
        found = []
        for left, right in itertools.pairwise(args[1:]):
            if not (infinite(left) or infinite(right)):
                found += _roots(left, right, context)
        return found
    raise NoSet(f"{op} is not a set of real numbers")


def _exact_ends(node: Node) -> list[Fraction]:
    """Ends that are written as rational numbers."""
    ends = [
        modular.rational(part)
        for inner in walk(node)
        if inner.op in ("seq", "rel", "set")
        for part in inner.args[1:]
        if isinstance(part, Node)
    ]
    return [end for end in ends if end is not None][:MAX_EXACT_ENDS]


def _roots(left: Node, right: Node, context: dict) -> list:
    """Where two sides are equal, if their difference is linear or quadratic, or so within an absolute value."""
    for side, other in ((left, right), (right, left)):
        if side.op == "call" and side.args[0] == "abs" and VARIABLE not in symbols(other):
            inner = side.args[1]
            bound = numeric.real(other, context)
            values = _samples(lambda x, inner=inner: numeric.real(inner, context | {VARIABLE: x}))
            shifted = ([value - sign * bound for value in values] for sign in (1, -1))
            return [root for sample in shifted for root in _polynomial_roots(sample)]

    def difference(x: Any) -> Any:
        here = context | {VARIABLE: x}
        return numeric.real(left, here) - numeric.real(right, here)

    return _polynomial_roots(_samples(difference))


def _samples(function: Any) -> list:
    """Values at -1, 0, 1, and at two odd points to check that they lie on a parabola."""
    mp = numeric.context()
    return [function(mp.mpf(x)) for x in ("-1", "0", "1", "1.7318", "-2.9173")]


def _polynomial_roots(values: list) -> list:
    mp = numeric.context()
    before, c, after = values[:3]
    a, b = (after + before) / 2 - c, (after - before) / 2
    for x, value in zip(("1.7318", "-2.9173"), values[3:], strict=True):
        x = mp.mpf(x)
        size = max(abs(a), abs(b), abs(c), abs(value), mp.mpf(10) ** -10)
        if abs(a * x * x + b * x + c - value) > size * mp.mpf(10) ** -40:
            raise NoSet("neither linear nor quadratic")
    size = max(abs(a), abs(b), abs(c)) * mp.mpf(10) ** -40
    if abs(a) <= size:
        return [-c / b] if abs(b) > size else []
    discriminant = b * b - 4 * a * c
    if discriminant < 0:
        return []
    root = mp.sqrt(discriminant)
    return [(-b - root) / (2 * a), (-b + root) / (2 * a)]


def _probes(ends: list) -> list:
    """The critical points, points between neighbours, and one beyond each side."""
    mp = numeric.context()
    distinct: list = []
    for end in sorted(ends):
        if not distinct or not _same(end, distinct[-1]):
            distinct.append(end)
    if len(distinct) > MAX_POINTS:
        raise NoSet(f"more than {MAX_POINTS} critical points")
    if not distinct:
        return [mp.mpf(0)]
    between = [(x + y) / 2 for x, y in itertools.pairwise(distinct)]
    span = 1 + abs(distinct[0]) + abs(distinct[-1])
    return [*distinct, *between, distinct[0] - span, distinct[-1] + span]


def _same(x: Any, y: Any) -> bool:
    mp = numeric.context()
    return bool(abs(x - y) <= max(1, abs(x), abs(y)) * mp.mpf(10) ** -35)


def _member(node: Node, x: Any, context: dict) -> bool:
    op, args = node
    if op in ("union", "alt"):
        return any(_member(child, x, context) for child in args)
    if op in ("inter", "both"):
        return all(_member(child, x, context) for child in args)
    if op == "minus":
        return _member(args[0], x, context) and not _member(args[1], x, context)
    if op == "builder":
        return _member(_inner(node), x, context)
    if op == "const":
        return args[0] == "R"
    if op == "seq":
        return _above(args[2], x, args[0] == "[", context) and _below(args[3], x, args[1] == "]", context)
    if op in ("set", "list"):
        return any(_same(numeric.real(element, context), x) for element in args)
    if op == "rel" and args[0] == ("in",):
        return _member(args[2], x, context)
    here = context | {VARIABLE: x}
    return all(
        _holds(operator, left, right, here) for operator, left, right in zip(args[0], args[1:-1], args[2:], strict=True)
    )


def _above(end: Node, x: Any, closed: bool, context: dict) -> bool:
    if side := infinite(end):
        return side < 0
    value = numeric.real(end, context)
    return closed if _same(value, x) else bool(x > value)


def _below(end: Node, x: Any, closed: bool, context: dict) -> bool:
    if side := infinite(end):
        return side > 0
    value = numeric.real(end, context)
    return closed if _same(value, x) else bool(x < value)


def _holds(operator: str, left: Node, right: Node, here: dict) -> bool:
    low, high = infinite(left), infinite(right)
    if low or high:
        return operator == "!=" or (low - high < 0 if operator in ("<", "<=") else low - high > 0)
    x, y = numeric.real(left, here), numeric.real(right, here)
    if _same(x, y):
        return operator in ("<=", ">=", "=")
    return {"<": x < y, "<=": x < y, ">": x > y, ">=": x > y, "!=": True, "=": False}[operator]


def _has_empty_interval(node: Node, context: dict) -> bool:
    for inner in walk(node):
        if inner.op == "seq" and len(inner.args) == 4 and not any(infinite(end) for end in inner.args[2:]):
            low, high = (numeric.real(end, context) for end in inner.args[2:])
            if low > high or (low == high and inner.args[:2] != ("[", "]")):
                return True
    return False


def infinite(node: Node) -> int:
    """1 for infinity, -1 for minus infinity, 0 for anything else."""
    if node == Node("const", ("inf",)):
        return 1
    if node.op == "mul" and len(node.args) == 2 and node.args[0].op == "num" and infinite(node.args[1]) == 1:
        return 1 if node.args[0].args[0] > 0 else -1
    return 0
