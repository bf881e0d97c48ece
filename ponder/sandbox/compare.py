"""Does an output or a result agree with what is expected? On data only: texts, and values as JSON has them."""

import math
from collections import Counter
from collections.abc import Hashable

from ponder.sandbox.job import Comparison


def same_text(got: str, expected: str, rule: Comparison, tolerance: float) -> bool:
    """Printed text against expected text. Line ends, trailing white space and trailing empty lines never count.

    More than twice what is expected, and 256 KB, is not looked at: the server compares for all its clients.

    >>> same_text("1 \\n2\\n", "1\\n2", "exact", 0), same_text("0.30000001", "0.3", "numeric", 1e-6)
    (True, True)
    """
    if len(got) > 2 * len(expected) + (256 << 10):
        return False
    match rule:
        case "exact":
            return _lines(got) == _lines(expected)
        case "tokens":
            return got.split() == expected.split()
        case "numeric":
            mine, wanted = got.split(), expected.split()
            return len(mine) == len(wanted) and all(
                _same_word(a, b, tolerance) for a, b in zip(mine, wanted, strict=True)
            )
        case "unordered":
            return Counter(_lines(got)) == Counter(_lines(expected))


def same_value(got: object, expected: object, rule: Comparison, tolerance: float) -> bool:
    """A result against the expected one, both JSON values: 1 equals 1.0, but true is not 1.

    >>> same_value([2, 1], [1, 2], "unordered", 0), same_value([1.0000001], [1], "numeric", 1e-6)
    (True, True)
    """
    try:
        return _same(got, expected, rule, tolerance)
    except RecursionError:
        return False


def _same(got: object, expected: object, rule: Comparison, tolerance: float) -> bool:
    match rule:
        case "exact":
            return _equal(got, expected, None, str.__eq__)
        case "tokens":
            return _equal(got, expected, None, lambda a, b: a.split() == b.split())
        case "numeric":
            return _equal(got, expected, tolerance, str.__eq__)
        case "unordered":
            if isinstance(got, list) and isinstance(expected, list):
                return Counter(map(_canonical, got)) == Counter(map(_canonical, expected))
            return _equal(got, expected, None, str.__eq__)


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _same_word(a: str, b: str, tolerance: float) -> bool:
    if a == b:
        return True
    try:
        return "_" not in a and _close(float(a), float(b), tolerance)
    except ValueError:
        return False


def _close(a: float, b: float, tolerance: float) -> bool:
    return math.isclose(a, b, rel_tol=min(tolerance, 1.0), abs_tol=tolerance)


def _equal(a: object, b: object, tolerance: float | None, same_string) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_equal(x, y, tolerance, same_string) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key], tolerance, same_string) for key in a)
    if isinstance(a, str) and isinstance(b, str):
        return same_string(a, b)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        if a == b:
            return True
        try:
            return tolerance is not None and _close(float(a), float(b), tolerance)
        except OverflowError:  # an integer that no float can hold is close to nothing but itself
            return False
    return a is None and b is None


def _canonical(value: object) -> Hashable:
    """Equal for equal JSON values, and only for these: numbers as numbers, everything else by its kind."""
    if isinstance(value, list):
        return "list", tuple(map(_canonical, value))
    if isinstance(value, dict):
        return "dict", frozenset((key, _canonical(item)) for key, item in value.items())
    if isinstance(value, bool):
        return "bool", value
    return value
