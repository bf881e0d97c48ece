"""Equations and inequalities: what names a value, what is one equation in two forms."""

from collections.abc import Callable

from ponder.verifiers.math import modular, numeric, real_sets
from ponder.verifiers.math.modular import Undefined
from ponder.verifiers.math.tree import MINUS_ONE, Node, substituted, symbols, walk

Same = Callable[[Node, Node], bool]
REVERSED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
SYMMETRIC = ("=", "!=", "~", "===", "<=>", "cong")
ONE_WAY = ("in", "notin", "===", "->", "=>", "subset", "propto", "cong")


def is_equation(node: Node) -> bool:
    return node.op == "rel" and all(operator == "=" for operator in node.args[0])


def is_name(node: Node) -> bool:
    """Whether a node is a name that a value may be given to: x, f(x), AB, (p, q), V_1 : V_2."""
    if node.op in ("sym", "apply"):
        return True
    if node.op == "const":
        return node.args[0] in ("e", "i", "R", "N", "C", "Q", "Z")
    if node.op == "mul":  # the segment AB, the angle ABC
        angle = any(part.op == "sym" and "angle" in part.args[0] for part in node.args)
        return all(_is_letter(part, angle) for part in node.args)
    if node.op == "seq":
        return all(is_name(part) for part in node.args[2:])
    if node.op == "ratio":
        return all(is_name(part) for part in node.args)
    return node.op == "call" and node.args[0] not in ("abs", "fact") and all(is_name(part) for part in node.args[1:])


def _is_letter(part: Node, angle: bool) -> bool:
    """Whether a factor may be a letter of a name such as AB; of an angle, also its sign and its measure m."""
    if part.op == "const":
        return part.args[0] in ("R", "N", "C", "Q", "Z")
    return part.op == "sym" and (part.args[0].isupper() or (angle and ("angle" in part.args[0] or part.args[0] == "m")))


def value_of_name(equation: Node) -> Node | None:
    """The value in "name = value", also where a chain repeats it; None where the left side is no name."""
    first, *others = equation.args[1:]
    if is_name(first) and all(is_name(other) for other in others[:-1]):
        return others[-1]
    if len(others) == 1 and is_name(others[0]) and not symbols(first):
        return first
    if is_name(first):
        return others[-1]
    return None


def rightmost_value(equation: Node) -> Node | None:
    """The value that an equation or a chain of them arrives at; None where it states none."""
    operands = list(equation.args[1:])
    if len(operands) == 2 and not symbols(operands[0]) and is_name(operands[1]) and operands[0].op != "apply":
        operands.reverse()
    value = operands[-1]
    if operands[0].op == "add" and value.op == "num" and value.args[0] == 0:
        return None  # an equation such as x + y = 0, not a statement of a value
    if len(operands) == 2 and _is_to_be_solved(operands[0]):
        return None
    return value


def _is_to_be_solved(side: Node) -> bool:
    """Whether one side of an equation is a variable with numbers beside it: 2x = 5 says what x is, not 5."""
    names = symbols(side)
    return (
        side.op in ("add", "mul", "div")
        and len(names) == 1
        and next(iter(names)).islower()
        and all(inner.op in ("add", "mul", "div", "num", "sym") for inner in walk(side))
    )


def value_of_quantity(equation: Node) -> Node | None:
    """The value in "expression = value", where what is left of it is made of named quantities: AB/CD, |AB|, f(1)+f(2).

    None where it has variables in it, as an equation to be solved has.
    """
    sides = equation.args[1:]
    if symbols(sides[-1]) or not all(_is_quantity(side) for side in sides[:-1]):
        return None
    return sides[-1]


def _is_quantity(node: Node) -> bool:
    if node.op in ("sym", "const"):
        return node.op == "sym" and node.args[0][0].isupper() and "_" in node.args[0]
    if node.op == "apply" or (node.op == "mul" and len(node.args) > 1 and all(map(_is_point, node.args))):
        return True
    if node.op == "call":
        return all(_is_quantity(part) or (is_name(part) and _is_capital(part)) for part in node.args[1:])
    if node.op == "pow":
        return _is_quantity(node.args[0])
    if node.op in ("add", "mul", "div"):
        return all(part == MINUS_ONE or _is_quantity(part) for part in node.args)
    return False


def _is_point(node: Node) -> bool:
    """Whether a factor is a letter of a segment, with its power: B in AB^2."""
    base = node.args[0] if node.op == "pow" and node.args[1].op == "num" else node
    return _is_letter(base, angle=False)


def _is_capital(node: Node) -> bool:
    return all(name[0].isupper() for name in symbols(node))


def same_relation(reference: Node, answer: Node, same: Same) -> bool | None:
    """Whether two relations say the same; None where they are sets of reals, to be compared as such."""
    if is_equation(reference) and is_equation(answer):
        return _same_equation(reference, answer, same)
    operators, others = reference.args[0], answer.args[0]
    forms = [(operators, reference.args[1:])]
    if all(operator in (*REVERSED, *SYMMETRIC) for operator in operators):
        forms.append((_turned(operators), reference.args[:0:-1]))
    for chain, sides in forms:
        if chain == others and len(sides) == len(answer.args) - 1:
            pairs = zip(sides, answer.args[1:], strict=True)
            if all(_same_side(x, y, same) for x, y in pairs):
                return True
    if any(operator in (*ONE_WAY, "=") for operator in (*operators, *others)):
        return None if operators == ("in",) or others == ("in",) else False
    try:
        return real_sets.equal(reference, answer)
    except (real_sets.NoSet, numeric.NotReal, Undefined):
        return _same_inequality(reference, answer)


def _same_side(x: Node, y: Node, same: Same) -> bool:
    try:
        return same(x, y)
    except (Undefined, real_sets.NoSet, numeric.NotReal):
        return False


def _turned(operators: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(REVERSED.get(operator, operator) for operator in reversed(operators))


def _same_equation(reference: Node, answer: Node, same: Same) -> bool:
    value, other = value_of_name(reference), value_of_name(answer)
    name, given = reference.args[1], answer.args[1]
    if value is not None and other is not None:
        if name == given:
            return same(value, other)
        if name.op == given.op == "apply" and len(name.args) == len(given.args) and name.args[0] == given.args[0]:
            renamed = other
            for new, old in zip(name.args[1:], given.args[1:], strict=True):
                if new == old:
                    continue
                if new.op != "sym" or old.op != "sym" or not (new.args[0].islower() and old.args[0].islower()):
                    return False  # P(A) and P(B) are two things, f(x) and f(t) one
                if new.args[0] in symbols(renamed):
                    return False
                renamed = substituted(renamed, old, new)
            return same(value, renamed)
        if _is_written_out(name, given) or _is_written_out(given, name):
            return same(value, other)
    if len(reference.args) != 3 or len(answer.args) != 3:
        return False
    sides = (reference.args[1:], answer.args[1:])
    if any(side.op not in ARITHMETIC for pair in sides for side in pair):
        return len(sides[0]) == len(sides[1]) and (
            all(_same_side(x, y, same) for x, y in zip(*sides, strict=True))
            or all(_same_side(x, y, same) for x, y in zip(sides[0], reversed(sides[1]), strict=True))
        )
    verdict = modular.proportional(*sides)
    return _proportional(*sides, signed=False) if verdict is None else verdict


ARITHMETIC = ("num", "sym", "const", "add", "mul", "div", "pow", "call", "apply", "percent", "degree")


def _is_written_out(name: Node, given: Node) -> bool:
    """Whether one is f(x) where the other is y: both only name the value of a function."""
    return name.op == "apply" and given == Node("sym", ("y",)) and all(part.op == "sym" for part in name.args[1:])


def _same_inequality(reference: Node, answer: Node) -> bool:
    """Inequalities in several variables: the same but for a positive factor."""
    if len(reference.args) != 3 or len(answer.args) != 3:
        return False
    sides = []
    kinds = []
    for relation in (reference, answer):
        (operator,), left, right = relation.args
        sides.append((left, right) if operator in ("<", "<=", "!=") else (right, left))
        kinds.append(operator if operator in ("<", "<=", "!=") else REVERSED[operator])
    if any(side.op not in ARITHMETIC for pair in sides for side in pair):
        return False
    return kinds[0] == kinds[1] and _proportional(*sides, signed=kinds[0] != "!=")


def _proportional(a: tuple[Node, Node], b: tuple[Node, Node], signed: bool) -> bool:
    """Whether a[0] - a[1] is a nonzero (if signed: positive) number times b[0] - b[1], at all points."""
    names = sorted(set().union(*(symbols(side) for side in (*a, *b))))
    if not names:
        return False
    ratios = []
    for point in range(numeric.POINTS):
        evaluation = numeric.Evaluation(names, point, False)
        x, y = (evaluation.value(pair[0]) - evaluation.value(pair[1]) for pair in (a, b))
        if x == 0 or y == 0:
            return False
        ratios.append(x / y)
    if signed and not all(numeric.context().im(ratio) == 0 and numeric.context().re(ratio) > 0 for ratio in ratios):
        return False
    return all(numeric.close(ratio, ratios[0]) for ratio in ratios)
