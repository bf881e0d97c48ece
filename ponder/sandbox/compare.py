"""Does an output or a result agree with what is expected? On data only: texts, and values as JSON has them."""

import math
from collections import Counter
from collections.abc import Hashable
from decimal import Decimal, InvalidOperation

from ponder.sandbox.job import Comparison

LONGEST_NUMBER = 8_000  # characters of two words that are read as numbers


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
        case "lines":
            mine, wanted = _stripped_lines(got), _stripped_lines(expected)
            return len(mine) == len(wanted) and all(map(_same_line, mine, wanted))


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
        case "lines":
            return got == expected  # of what JSON has: no object of a program's own is here


def _stripped_lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


def _same_line(got: str, expected: str) -> bool:
    """By the words' exact values where all words are numbers."""
    if got == expected:
        return True
    mine, wanted = got.split(), expected.split()
    try:
        return len(mine) == len(wanted) and all(Decimal(a) == Decimal(b) for a, b in zip(mine, wanted, strict=True))
    except InvalidOperation:
        return False


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _same_word(a: str, b: str, tolerance: float) -> bool:
    """Two words as numbers; whole ones as integers, since a float holds no more than 15 digits."""
    if a == b:
        return True
    if "_" in a or len(a) + len(b) > LONGEST_NUMBER:
        return False
    for kind in (int, float):
        try:
            return _close(kind(a), kind(b), tolerance)
        except ValueError:
            continue
    return False


def _close(a: float, b: float, tolerance: float) -> bool:
    """Within the tolerance, absolute or relative; integers exactly where there is none."""
    if isinstance(a, int) and isinstance(b, int) and not tolerance:
        return a == b
    try:
        return math.isclose(a, b, rel_tol=min(tolerance, 1.0), abs_tol=tolerance)
    except OverflowError:  # an integer that no float can hold is close to nothing but itself
        return a == b


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
        return a == b or (tolerance is not None and _close(a, b, tolerance))
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
