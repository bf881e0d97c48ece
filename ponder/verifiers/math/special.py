"""Values of the known functions at one point, by mpmath; what is not defined, or too large, is said so."""

import math
from typing import Any

from ponder.verifiers.math.modular import Undefined
from ponder.verifiers.math.tree import OverBudget

PERIODIC = ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth")
INVERSE = ("arcsin", "arccos", "arctan", "arccot", "arcsec", "arccsc", "arcsinh", "arccosh", "arctanh")
MAX_ANGLE = 10**9
MAX_GAMMA = 10**12
MAX_INTEGER = 10**50
MAX_BITS = 2**40  # of the exponent of a value
MAX_POWER_BITS = 10_000  # of a power: mpmath writes whole ones out, however large
NEARLY = 35  # digits to which a value must be an integer to be taken for one

Found = tuple[Any, bool]  # a value, and whether it left the reals: the root or logarithm of a negative number


class NotReal(ValueError):
    """A complex value where a real one is needed."""


def applied(mp: Any, name: str, values: list[Any]) -> Found | None:
    """The function's value; None for a function that is not known, or not of so many arguments."""
    x = values[0]
    if name in ("log", "ln", "lg"):
        return _logarithm(mp, name, values)
    if name in ("root", "cbrt"):
        return _root(mp, x, values[1] if len(values) > 1 else mp.mpf(3 if name == "cbrt" else 2))
    if len(values) == 1:
        return _of_one(mp, name, x)
    if name == "binom" and len(values) == 2:
        if max(abs(value) for value in values) > MAX_GAMMA:
            raise OverBudget("a binomial too large")
        return mp.binomial(*values), False
    if any(isinstance(value, mp.mpc) for value in values):
        return None
    if name in ("max", "min"):
        return (max if name == "max" else min)(values), False
    if name in ("gcd", "lcm") and all(mp.isint(value) and abs(value) < MAX_INTEGER for value in values):
        return mp.mpf(getattr(math, name)(*(int(value) for value in values))), False
    return None


def _of_one(mp: Any, name: str, x: Any) -> Found | None:
    if name in PERIODIC:
        if abs(x) > MAX_ANGLE:
            raise OverBudget("the sine of a number too large")
        return getattr(mp, name)(x), False
    if name in INVERSE:
        y = getattr(mp, name.replace("arc", "a"))(x)
        return y, isinstance(y, mp.mpc) and not isinstance(x, mp.mpc)
    if name in ("abs", "norm"):
        return abs(x), False
    if name in ("floor", "ceil"):
        return getattr(mp, name)(_nearest(mp, x)), False
    if name == "fact":
        if abs(x) > MAX_GAMMA:
            raise OverBudget("a factorial too large")
        if not isinstance(x, mp.mpc) and mp.isint(x) and x < 0:
            raise Undefined("the factorial of a negative number")
        return mp.factorial(x), False
    if name in ("Re", "Im", "sign"):
        return getattr(mp, name.lower())(x), False
    return None


def _nearest(mp: Any, x: Any) -> Any:
    """The integer that a value is but for rounding, else the value."""
    if isinstance(x, mp.mpc):
        raise NotReal("the floor of a complex value")
    nearest = mp.nint(x)
    return nearest if abs(x - nearest) < mp.mpf(10) ** -NEARLY * max(1, abs(x)) else x


def _root(mp: Any, x: Any, degree: Any) -> Found:
    """A root; that of odd degree of a negative number is real."""
    if degree == 0:
        raise Undefined("a root of degree zero")
    if x == 0:
        return x, False
    if isinstance(x, mp.mpc) or x > 0:
        return raised(mp, x, 1 / degree), False
    if abs(degree) < MAX_INTEGER and mp.isint(degree) and int(degree) % 2:
        return -raised(mp, -x, 1 / degree), False
    return raised(mp, x, 1 / degree), True


def raised(mp: Any, base: Any, power: Any) -> Any:
    """A power of a base that is not 0. OverBudget where the value, or the power itself, would take long to write out."""
    if mp.mag(power) > MAX_POWER_BITS or abs(mp.log(abs(base), 2) * abs(power)) > MAX_BITS:
        raise OverBudget("a power too large")
    return mp.power(base, power)


def _logarithm(mp: Any, name: str, values: list[Any]) -> Found:
    x, base = values[0], values[1] if len(values) > 1 else None
    if x == 0 or base in (0, 1):
        raise Undefined("a logarithm of zero, or to the base 0 or 1")
    y = mp.log(x)
    if base is not None or name == "lg":
        y = y / mp.log(10 if base is None else base)
    return y, not isinstance(x, mp.mpc) and x < 0
