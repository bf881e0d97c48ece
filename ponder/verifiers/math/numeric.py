"""Values of expressions at fixed points, with 60 digits, by mpmath.

Numbers keep their exponent as an integer, so 2^-99 and 2^-98 differ; what would need an exponent of more than 64 bits
is over budget. Each thread has its own mpmath context, because a context's precision is a setting of its own.
"""

import hashlib
import random
import threading
from functools import lru_cache
from typing import Any

from mpmath.ctx_mp import MPContext
from mpmath.libmp import NoConvergence

from ponder.verifiers.math.budget import NUMERIC_STEP, spend
from ponder.verifiers.math.modular import Undefined
from ponder.verifiers.math.special import MAX_BITS, NotReal, applied, raised
from ponder.verifiers.math.tree import Node, OverBudget, contains, symbols, walk

DIGITS = 60
GUARD = 25  # digits that two equal values may differ in by rounding
MAX_DIGITS = 60 * 2**6  # where still more would be needed, two values count as different
POINTS = 4
INTEGER_POINTS = 8
MAX_GAMMA_DIGITS = 240  # beyond them a factorial of what is no small integer takes seconds
MAX_TERMS = 2_000  # of a sum that is added up
_LOCAL = threading.local()


def context(digits: int = DIGITS) -> MPContext:
    """This thread's context of that precision."""
    name = f"context{digits}"
    found = getattr(_LOCAL, name, None)
    if found is None:
        found = MPContext()
        found.dps = digits
        setattr(_LOCAL, name, found)
    return found


def equal(a: Node, b: Node) -> bool:
    """Whether two expressions have the same value at every point. Undefined, OverBudget where that cannot be told."""
    names = sorted(symbols(a) | symbols(b))
    integers = _needs_integers(a) or _needs_integers(b)
    agreeing = 0
    for point in range(1 if not names else INTEGER_POINTS if integers else POINTS):
        one, two = Evaluation(names, point, integers), Evaluation(names, point, integers)
        try:
            x, y = one.value(a), two.value(b)
        except (Undefined, ZeroDivisionError):
            if not names:
                raise Undefined("a value that is not defined") from None
            continue
        if _agree(a, b, one, two, x, y):
            agreeing += 1
        elif not (one.left_reals and two.left_reals and names):
            return False
    if agreeing < (1 if not names else 2):
        raise Undefined("too few points where both are defined")
    return True


def constant(node: Node) -> Any:
    """Value of an expression without symbols, as an mpf or mpc of this thread's context."""
    return Evaluation([], 0, False).value(node)


def real(node: Node, names: dict[str, Any] | None = None) -> Any:
    """Real value of an expression; NotReal for a complex one. `names`: values of its symbols."""
    evaluation = Evaluation([], 0, False)
    evaluation.environment.update(names or {})
    x = evaluation.value(node)
    if isinstance(x, context().mpc):
        if abs(x.imag) > abs(x.real) * context().mpf(10) ** (GUARD - DIGITS):
            raise NotReal("a complex value where a real one is needed")
        x = x.real
    return x


def close(x: Any, y: Any, digits: int = DIGITS) -> bool:
    """Whether two values of so many digits are the same but for rounding."""
    size = max(abs(x), abs(y))
    return bool(abs(x - y) <= size * context(digits).mpf(10) ** (GUARD - digits))


def _agree(a: Node, b: Node, one: "Evaluation", two: "Evaluation", x: Any, y: Any) -> bool:
    """Whether two values are the same, also to so many digits more as small terms beside large ones need."""
    if not close(x, y) and abs(x - y) > context().mpf(10) ** (GUARD - DIGITS):
        return False
    low, high = min(one.low, two.low), max(one.high, two.high)
    needed = DIGITS + int(0.602 * (high - low))  # twice the digits between the smallest and the largest value
    digits = DIGITS
    while digits < needed:
        digits *= 2
    if digits > MAX_DIGITS:
        return False
    if digits == DIGITS and close(x, y):
        return True
    digits = max(digits, 2 * DIGITS)  # a tiny difference that is only rounding shrinks with more digits
    u, v = one.again(digits).value(a), two.again(digits).value(b)
    return close(u, v, digits) or bool(
        abs(u - v) <= context(digits).mpf(10) ** (2 * GUARD - digits) and abs(u - v) < abs(x - y)
    )


def _needs_integers(node: Node) -> bool:
    """Whether identities are meant for integers only: floors, signs that alternate."""
    for inner in walk(node):
        if inner.op == "call" and inner.args[0] in ("floor", "ceil"):
            return True
        if inner.op == "pow" and inner.args[0].op == "num" and inner.args[0].args[0] < 0 and symbols(inner.args[1]):
            return True
    return any(name.startswith("integer ") for name in symbols(node)) and contains(node, "call")


@lru_cache(maxsize=4096)
def _sample(name: str, index: int, point: int, integers: bool) -> tuple[int, int]:
    """A value for a symbol, as a fraction: positive at the first points, then every other symbol negative."""
    generator = random.Random(f"{name} {point}")
    if integers:
        return generator.randrange(2, 40 if point < 4 else 2_000), 1
    sign = -1 if point >= 2 and (index + point) % 2 == 0 else 1
    return sign * generator.randrange(10**8, 3 * 10**9), 10**9


class Evaluation:
    """Values at one point. `left_reals` is set when a root or logarithm of a negative number was taken."""

    def __init__(self, names: list[str], point: int, integers: bool, digits: int = DIGITS):
        self.mp = context(digits)
        self.cost = NUMERIC_STEP * (digits // DIGITS)
        self.cost_of_power = 2 * NUMERIC_STEP * int((digits // DIGITS) ** 1.5)  # logarithms slow down faster than sums
        self.point = (names, point, integers)
        self.low = self.high = 0  # exponents of the smallest and the largest value on the way, in bits
        self.left_reals = False
        self.environment: dict[str, Any] = {}
        for index, name in enumerate(names):
            over, under = _sample(name, index, point, integers)
            self.environment[name] = self.mp.mpf(over) / under

    def again(self, digits: int) -> "Evaluation":
        """The same point with more digits."""
        return Evaluation(*self.point, digits)

    def value(self, node: Node) -> Any:
        spend(self.cost)
        x = self._value(node)
        if isinstance(x, self.mp.mpc) and x.imag == 0:
            x = x.real
        if x != 0:
            magnitude = self.mp.mag(x)
            self.low, self.high = min(self.low, magnitude), max(self.high, magnitude)
        return x

    def _value(self, node: Node) -> Any:
        op, args = node
        if op == "num":
            return self.mp.mpf(args[0].numerator) / args[0].denominator
        if op == "sym":
            if args[0] not in self.environment:
                raise Undefined(f"{args[0]} has no value")
            return self.environment[args[0]]
        if op == "const":
            return self._constant(args[0])
        if op == "add":
            total = self.value(args[0])
            for term in args[1:]:
                total = total + self.value(term)
            return total
        if op == "mul":
            product = self.value(args[0])
            for factor in args[1:]:
                product = self._bounded(product * self.value(factor))
            return product
        if op == "div":
            over, under = self.value(args[0]), self.value(args[1])
            if under == 0:
                raise Undefined("a division by zero")
            return self._bounded(over / under)
        if op == "pow":
            return self._power(self.value(args[0]), args[1])
        if op == "percent":
            return self.value(args[0]) / 100
        if op == "degree":
            return self.value(args[0]) * self.mp.pi / 180
        if op == "call":
            return self._bounded(self._call(args[0], args[1:]))
        if op == "big" and args[0] in ("sum", "prod"):
            return self._added_up(node)
        return self._hashed(node)

    def _constant(self, name: str) -> Any:
        if name == "pi":
            return +self.mp.pi
        if name == "e":
            return +self.mp.e
        if name == "i":
            return self.mp.mpc(0, 1)
        raise Undefined(f"{name} is not a number")

    def _bounded(self, x: Any) -> Any:
        """The value, unless its exponent is so large that going on would take long."""
        for part in (x.real, x.imag) if isinstance(x, self.mp.mpc) else (x,):
            if self.mp.isnan(part) or self.mp.isinf(part):
                raise Undefined("a value that is not finite")
            if abs(part.man_exp[1]) > MAX_BITS:
                raise OverBudget("a number too large or too small")
        return x

    def _power(self, base: Any, exponent: Node) -> Any:
        spend(self.cost_of_power)
        power = self.value(exponent)
        if base == 0:
            if power == 0 or self._real(power) < 0:
                raise Undefined("zero to a power that is not positive")
            return base
        negative = not isinstance(base, self.mp.mpc) and base < 0
        if negative and not self.mp.isint(power):
            if exponent.op in ("num", "div") and (odd := _odd_root(exponent)):
                magnitude = raised(self.mp, -base, power)
                return -magnitude if odd % 2 else magnitude
            self.left_reals = True
        return self._bounded(raised(self.mp, base, power))

    def _real(self, x: Any) -> Any:
        return x.real if isinstance(x, self.mp.mpc) else x

    def _call(self, name: str, args: tuple[Node, ...]) -> Any:
        spend(self.cost_of_power)
        values = [self.value(argument) for argument in args]
        if (
            name in ("fact", "binom")
            and self.mp.dps > MAX_GAMMA_DIGITS
            and not all(map(self._is_small_integer, values))
        ):
            raise OverBudget(f"a gamma function to more than {MAX_GAMMA_DIGITS} digits")
        try:
            found = applied(self.mp, name, values)
        except (TypeError, NotImplementedError, NoConvergence) as error:  # what mpmath does not take, or cannot reach
            raise Undefined(f"{name} has no value there") from error
        if found is None:
            return self._hash_of(name, values)
        value, left_reals = found
        self.left_reals = self.left_reals or left_reals
        return value

    def _is_small_integer(self, x: Any) -> bool:
        return not isinstance(x, self.mp.mpc) and abs(x) < MAX_TERMS and self.mp.isint(x)

    def _added_up(self, node: Node) -> Any:
        """A sum or product whose limits are integers, term by term; else a hash."""
        name, body, *limits = node.args
        if len(limits) != 2 or limits[0].op != "rel" or limits[0].args[0] != ("=",) or limits[0].args[1].op != "sym":
            return self._hashed(node)
        try:
            first, last = (self.value(limit) for limit in (limits[0].args[2], limits[1]))
        except Undefined:
            return self._hashed(node)
        bounds = [x for x in (first, last) if not isinstance(x, self.mp.mpc) and self.mp.isint(x)]
        if len(bounds) < 2 or symbols(limits[0].args[2]) | symbols(limits[1]):
            return self._hashed(node)
        if last - first > MAX_TERMS:
            raise OverBudget(f"a sum of more than {MAX_TERMS:,} terms")
        variable = limits[0].args[1].args[0]
        outer = self.environment.get(variable)
        total = self.mp.mpf(0 if name == "sum" else 1)
        for k in range(int(first), int(last) + 1):
            self.environment[variable] = self.mp.mpf(k)
            term = self.value(body)
            total = total + term if name == "sum" else self._bounded(total * term)
        if outer is None:
            del self.environment[variable]
        else:
            self.environment[variable] = outer
        return total

    def _hashed(self, node: Node) -> Any:
        """An arbitrary value for what is not evaluated: equal for equal arguments."""
        values = [self.value(argument) for argument in node.args if isinstance(argument, Node)]
        plain = [str(argument) for argument in node.args if not isinstance(argument, Node)]
        return self._hash_of(" ".join([node.op, *plain]), values)

    def _hash_of(self, name: str, values: list[Any]) -> Any:
        key = name + " " + " ".join(self.mp.nstr(value, 25) for value in values)
        number = int.from_bytes(hashlib.blake2b(key.encode(errors="replace"), digest_size=16).digest())
        return self.mp.mpf(number) / 2**128 + 1


def _odd_root(exponent: Node) -> int | None:
    """Numerator of a rational exponent with an odd denominator; None for another."""
    if exponent.op == "num":
        value = exponent.args[0]
    elif all(part.op == "num" for part in exponent.args) and exponent.args[1].args[0]:
        value = exponent.args[0].args[0] / exponent.args[1].args[0]
    else:
        return None
    return value.numerator if value.denominator % 2 else None
