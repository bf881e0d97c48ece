"""Whether two expressions have the same value: exactly, or by the rules for percents, degrees, and rounded decimals."""

from fractions import Fraction

from ponder.verifiers.math import modular, numeric, real_sets
from ponder.verifiers.math.plain_numbers import FLOAT_DIGITS, is_finite_decimal, is_rounded
from ponder.verifiers.math.tree import MINUS_ONE, Node, contains, mapped, substituted, symbols, walk

CONSTANTS = {"C", "c", "C_1", "C_2", "C_3", "c_1", "c_2", "c_3"}


def same_value(reference: Node, answer: Node) -> bool:
    """Whether two expressions have the same value, exactly or by the rules for percents, degrees and decimals."""
    if both_infinite(reference, answer):
        return True
    answer = _with_constants_of(reference, answer)
    if reference.op == "percent" and answer.op != "percent":
        bare = reference.args[0]
        return _equal(reference, answer) or _equal(bare, answer) or _rounds(reference, answer) or _rounds(bare, answer)
    if answer.op == "percent" and reference.op != "percent":
        return _equal(reference, answer) or (_is_large(reference) and _equal(reference, answer.args[0]))
    if reference.op == answer.op == "percent":
        return same_value(reference.args[0], answer.args[0])
    if _equal(reference, answer) or _rounds(reference, answer):
        return True
    if contains(reference, "degree") != contains(answer, "degree"):
        bare = [_without_degrees(node) for node in (reference, answer)]
        return _equal(*bare) or _rounds(*bare)
    if _base_of_log(reference) != _base_of_log(answer):
        return _equal(*(_common_logarithms(node) for node in (reference, answer)))
    return False


def _with_constants_of(reference: Node, answer: Node) -> Node:
    """The answer with its constants of integration named as the reference names them: x^2 + c for x^2 + C."""
    wanted, given = symbols(reference), symbols(answer)
    for name in CONSTANTS & (wanted - given):
        others = [other for other in _other_names(name) if other in given - wanted]
        if len(others) == 1:
            answer = substituted(answer, Node("sym", (others[0],)), Node("sym", (name,)))
    return answer


def _other_names(constant: str) -> tuple[str, ...]:
    letter, _, number = constant.partition("_")
    return tuple(f"{other}_{number}" if number else other for other in "CcKk" if other != letter)


def _is_large(reference: Node) -> bool:
    """Whether a bare number may be a number of percents: 28 may, 0.4 is a share."""
    value = modular.rational(reference)
    return value is not None and abs(value) >= 1


def both_infinite(x: Node, y: Node) -> bool:
    """Whether both are infinity, of the same sign."""
    return real_sets.infinite(x) == real_sets.infinite(y) != 0


def _equal(reference: Node, answer: Node) -> bool:
    verdict = modular.equal(reference, answer)
    if verdict is None:
        verdict = numeric.equal(reference, answer)
    return verdict


def _decimals(node: Node) -> int | None:
    """Digits after the point of a decimal literal; None for anything else."""
    if node.op == "num":
        return node.args[1]
    if node.op == "percent":
        digits = _decimals(node.args[0])
        return None if digits is None else digits + 2
    if node.op == "mul" and node.args[0] == MINUS_ONE and len(node.args) == 2:
        return _decimals(node.args[1])
    if node.op == "mul" and len(node.args) == 2 and node.args[0].op == "num":  # scientific notation
        mantissa, power = node.args
        if power.op == "pow" and power.args[0] == Node("num", (Fraction(10), None)) and mantissa.args[1] is not None:
            exponent = modular.integer(power.args[1])
            return None if exponent is None else max(0, mantissa.args[1] - exponent)
    return None


def _literal(node: Node) -> Fraction:
    """The value of a decimal literal; 0 for anything else."""
    x = modular.rational(node)
    return Fraction(0) if x is None else x


def _has_decimals(node: Node) -> bool:
    return any(inner.op == "num" and inner.args[1] is not None for inner in walk(node))


def _rounds(reference: Node, answer: Node) -> bool:
    """Whether the reference is a decimal that the answer, an exact value, rounds to.

    Or the answer a decimal of 15 digits or more, as programs print it, of a reference whose decimals do not end.
    """
    if symbols(reference) or symbols(answer):
        return False
    decimals = _decimals(reference)
    if is_rounded(_literal(reference), decimals) and not _has_decimals(answer):
        return _within(reference, answer, decimals, 0)
    decimals = _decimals(answer)
    if decimals and not _has_decimals(reference) and not _is_finite_decimal(reference):
        value = numeric.real(answer)
        digits = decimals + (0 if value == 0 else int(numeric.context().floor(numeric.context().log10(abs(value)))) + 1)
        return digits >= FLOAT_DIGITS and _within(answer, reference, decimals, 1)
    return False


def _is_finite_decimal(node: Node) -> bool:
    """Whether a value is rational with an end to its decimals, so that they can be given exactly."""
    value = modular.rational(node)
    return value is not None and is_finite_decimal(value)


def _within(decimal: Node, exact: Node, decimals: int, slack: int) -> bool:
    """Whether the exact value rounds to the decimal; with slack, also where the last digit is off by one or two."""
    mp = numeric.context()
    difference = abs(numeric.real(decimal) - numeric.real(exact))
    half = mp.mpf(10) ** -decimals / 2
    return bool(difference <= half * (1 + 3 * slack) * (1 + mp.mpf(10) ** -30))


def _without_degrees(node: Node) -> Node:
    """The tree with degrees as bare numbers, except within functions, where a bare number is in radians."""
    if node.op == "call":
        return node
    inner = mapped(node, _without_degrees)
    return inner.args[0] if node.op == "degree" else inner


def _base_of_log(node: Node) -> bool:
    """Whether a logarithm to the base 10 is written with its base."""
    return any(
        inner.op == "call" and (inner.args[0] == "lg" or (inner.args[0] == "log" and len(inner.args) == 3))
        for inner in walk(node)
    )


def _common_logarithms(node: Node) -> Node:
    """The tree with `log` without a base read as the logarithm to the base 10."""
    inner = mapped(node, _common_logarithms)
    return (
        Node("call", ("lg", inner.args[1]))
        if node.op == "call" and node.args[0] == "log" and len(node.args) == 2
        else inner
    )
