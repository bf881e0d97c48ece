"""Exact comparison of expressions over the rational functions, modulo a prime, at random points.

Two rational functions that differ agree at a random point modulo a prime of 127 bits with a chance of about 1e-36
(Schwartz-Zippel), and no number ever grows. What is not rational (roots, sines, infinite powers) is replaced by a hash
of its arguments: then equality is still proof of equality, but inequality is not.
"""

import hashlib
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from ponder.verifiers.math.budget import spend
from ponder.verifiers.math.tree import Node

PRIME = 2**127 - 39  # 1 modulo 4, so that -1 has a square root
MAX_EXPONENT = 2**64
MAX_FACTORIAL = 5_000
MAX_BITS = 512  # of a number that is written out


class Undefined(ValueError):
    """A division by zero, or an infinity."""


class Residue(NamedTuple):
    over: int
    under: int
    exact: bool  # nothing in it was replaced by a hash


def equal(a: Node, b: Node) -> bool | None:
    """Whether two expressions are equal as rational functions; None where that cannot be told here."""
    x, y = Evaluation(0).residue(a), Evaluation(0).residue(b)
    if (x.over * y.under - y.over * x.under) % PRIME == 0:
        return True
    return False if x.exact and y.exact else None


def proportional(a: tuple[Node, Node], b: tuple[Node, Node]) -> bool | None:
    """Whether a[0] - a[1] is a nonzero number times b[0] - b[1], denominators cleared; None where it cannot be told."""
    ratios: dict[str, set[int]] = {"value": set(), "numerator": set()}
    exact = True
    for point in range(3):
        evaluation = Evaluation(point)
        x, y = (evaluation.difference(*pair) for pair in (a, b))
        exact = exact and x.exact and y.exact
        if x.over == 0 or y.over == 0:
            return x.over == y.over and a == b
        inverse = pow(y.over, -1, PRIME)
        ratios["numerator"].add(x.over * inverse % PRIME)
        ratios["value"].add(x.over * inverse * y.under * pow(x.under, -1, PRIME) % PRIME)
    if any(len(found) == 1 for found in ratios.values()):
        return True
    return False if exact else None


@lru_cache(maxsize=4096)
def _random(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(errors="replace"), digest_size=16).digest()) % PRIME


IMAGINARY = next(
    root for root in (pow(base, (PRIME - 1) // 4, PRIME) for base in range(2, 50)) if root * root % PRIME == PRIME - 1
)


class Evaluation:
    """Values at one point; every symbol has a random value there that depends on its name only."""

    def __init__(self, point: int):
        self.point = point

    def difference(self, a: Node, b: Node) -> Residue:
        return _sum(self.residue(a), self.residue(b), -1)

    def residue(self, node: Node) -> Residue:
        spend(1)
        op, args = node
        if op == "num":
            return Residue(args[0].numerator % PRIME, args[0].denominator % PRIME, True)
        if op == "sym":
            return Residue(_random(f"{self.point} {args[0]}"), 1, True)
        if op == "const":
            return self._constant(args[0])
        if op == "add":
            total = self.residue(args[0])
            for term in args[1:]:
                total = _sum(total, self.residue(term), 1)
            return total
        if op == "mul":
            over, under, exact = self.residue(args[0])
            for factor in args[1:]:
                x = self.residue(factor)
                over, under, exact = over * x.over % PRIME, under * x.under % PRIME, exact and x.exact
            return Residue(over, under, exact)
        if op == "div":
            x, y = self.residue(args[0]), self.residue(args[1])
            if y.over == 0:
                raise Undefined("a division by zero")
            return Residue(x.over * y.under % PRIME, x.under * y.over % PRIME, x.exact and y.exact)
        if op == "pow":
            return self._power(*args)
        if op == "percent":
            x = self.residue(args[0])
            return Residue(x.over, x.under * 100 % PRIME, x.exact)
        if op == "degree":
            x = self.residue(args[0])
            return Residue(x.over * _random(f"{self.point} const pi") % PRIME, x.under * 180 % PRIME, x.exact)
        if op == "call" and args[0] == "fact" and (n := integer(args[1])) is not None and 0 <= n <= MAX_FACTORIAL:
            return Residue(_factorial(n), 1, True)
        if op == "call" and args[0] == "binom" and (binomial := _binomial(*args[1:])) is not None:
            return binomial
        return self._hashed(node)

    def _constant(self, name: str) -> Residue:
        if name == "i":
            return Residue(IMAGINARY, 1, True)
        if name in ("inf", "R", "Z", "Q", "N", "C", "empty"):
            raise Undefined(f"{name} is not a number")
        return Residue(_random(f"{self.point} const {name}"), 1, True)

    def _power(self, base: Node, exponent: Node) -> Residue:
        power = integer(exponent)
        if power is None or abs(power) > MAX_EXPONENT:
            return self._general_power(base, exponent)
        x = self.residue(base)
        over, under = (x.over, x.under) if power >= 0 else (x.under, x.over)
        if under == 0:
            raise Undefined("a division by zero")
        if power == 0 and over == 0:
            raise Undefined("zero to the power of zero")
        return Residue(pow(over, abs(power), PRIME), pow(under, abs(power), PRIME), x.exact)

    def _general_power(self, base: Node, exponent: Node) -> Residue:
        """Split b^(m+k) into b^m b^k for an integer k, so that 2^(n-2) equals 2^n/4."""
        if exponent.op == "add":
            whole = [integer(term) for term in exponent.args]
            shift = sum(k for k in whole if k is not None)
            rest = tuple(term for term, k in zip(exponent.args, whole, strict=True) if k is None)
            if shift and rest and abs(shift) < 10_000:
                left = Node("pow", (base, rest[0] if len(rest) == 1 else Node("add", rest)))
                x, y = self._hashed(left), self._power(base, Node("num", (shift, None)))
                return Residue(x.over * y.over % PRIME, x.under * y.under % PRIME, False)
        return self._hashed(Node("pow", (base, exponent)))

    def _hashed(self, node: Node) -> Residue:
        parts = [node.op]
        for argument in node.args:
            if isinstance(argument, Node):
                x = self.residue(argument)
                parts.append(str(x.over * pow(x.under, -1, PRIME) % PRIME) if x.under else "none")
            else:
                parts.append(repr(argument))
        return Residue(_random(f"{self.point} hash {' '.join(parts)}"), 1, False)


def integer(node: Node) -> int | None:
    """The integer that a small expression of numbers is; None if it is not one."""
    value = rational(node)
    return int(value) if value is not None and value.denominator == 1 else None


def rational(node: Node) -> Fraction | None:
    """The exact value of a small expression of numbers; None for anything else."""
    if node.op == "num":
        return node.args[0]
    if node.op == "percent":
        part = rational(node.args[0])
        return None if part is None else part / 100
    if node.op in ("mul", "add", "div", "pow"):
        parts = []
        for argument in node.args:
            part = rational(argument)
            if part is None:
                return None
            parts.append(part)
        return _combined(node.op, parts)
    return None


def _combined(op: str, parts: list[Fraction]) -> Fraction | None:
    if op == "pow":
        return _small_power(*parts)
    if op == "div":
        return parts[0] / parts[1] if parts[1] else None
    result = parts[0]
    for part in parts[1:]:
        result = result + part if op == "add" else result * part
        if max(abs(result.numerator), result.denominator) > 2**MAX_BITS:
            return None
    return result


def _small_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1 or (base == 0 and exponent <= 0):
        return None
    size = max(abs(base.numerator), base.denominator).bit_length()
    return base ** int(exponent) if size * abs(exponent) <= MAX_BITS else None


def _binomial(upper: Node, lower: Node) -> Residue | None:
    n, k = integer(upper), integer(lower)
    if n is None or k is None or not 0 <= k <= n <= MAX_FACTORIAL:
        return None
    return Residue(_factorial(n), _factorial(k) * _factorial(n - k) % PRIME, True)


@lru_cache(maxsize=256)
def _factorial(n: int) -> int:
    result = 1
    for k in range(2, n + 1):
        result = result * k % PRIME
    return result


def _sum(x: Residue, y: Residue, sign: int) -> Residue:
    if x.under == y.under:
        return Residue((x.over + sign * y.over) % PRIME, x.under, x.exact and y.exact)
    over = (x.over * y.under + sign * y.over * x.under) % PRIME
    return Residue(over, x.under * y.under % PRIME, x.exact and y.exact)
