"""From tokens to the smallest parts of a tree: number literals, symbols with their subscripts, units."""

import re
from fractions import Fraction

from ponder.verifiers.math import arithmetic, parse
from ponder.verifiers.math.cursor import Cursor
from ponder.verifiers.math.tree import Node, OverBudget, Unreadable, num
from ponder.verifiers.math.units import COMPARATIVES, DOUBTS, SMALLER, is_operation, scaled, unit_name

BASES = [
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
]

MAX_PERIODIC = 60  # digits in which a period is looked for
MAX_EXPONENT = 1_000  # of a number in scientific notation
FUNCTION_LETTERS = ("f", "g", "h", "F", "G")


def number(text: str) -> Node:
    """The exact value of a literal, such as 1250, .5 or 2.5e-3."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, part = mantissa.partition(".")
    power = int(exponent) if exponent else 0
    if abs(power) > MAX_EXPONENT:
        raise OverBudget(f"an exponent of more than {MAX_EXPONENT:,}")
    value = Fraction(int(whole + part or "0"), 10 ** len(part)) * Fraction(10) ** power
    return num(value, max(0, len(part) - power) if part or exponent else None)


def repeating(cursor: Cursor, text: str) -> Node | None:
    """A decimal whose last digits repeat: 0.1\\overline{6}, 0.\\dot{3}, 0.1(6), 0.333...; None for any other number."""
    if "." not in text:
        return None
    if cursor.peek()[0] == "dots":
        period = _period(text.partition(".")[2])
        if period:
            cursor.next()
            return _recurring(text[: len(text) - len(text.partition(".")[2]) + period[0]], period[1])
        return None
    saved = cursor.at
    if cursor.peek() in (("cmd", "overline"), ("cmd", "bar"), ("cmd", "dot")):
        period = _marked(cursor)
    elif cursor.take("(") and cursor.peek()[0] == "num" and cursor.peek()[1].isdigit():
        period = cursor.next()[1]
        if not cursor.take(")") or not (cursor.closes() or cursor.peek()[0] == "op"):
            period = ""
    else:
        period = ""
    if not period:
        cursor.at = saved
        return None
    return _recurring(text, period)


def _marked(cursor: Cursor) -> str:
    """The digits under a line, or from a first to a last digit with a dot on it; "" where they are none."""
    name, digits = cursor.next()[1], _digits(cursor)
    if name != "dot" or len(digits) != 1:
        return digits
    saved = cursor.at
    between = cursor.next()[1] if cursor.peek()[0] == "num" and cursor.peek()[1].isdigit() else ""
    if cursor.peek() == ("cmd", "dot"):
        cursor.next()
        if len(last := _digits(cursor)) == 1:
            return digits + between + last
    cursor.at = saved
    return digits


def _digits(cursor: Cursor) -> str:
    """Digits in braces, or one digit; "" for anything else."""
    if cursor.take("{"):
        digits = cursor.next()[1]
        return digits if digits.isdigit() and cursor.take("}") else ""
    kind, value = cursor.peek()
    if kind != "num" or not value.isdigit():
        return ""
    if len(value) > 1:
        cursor.tokens[cursor.at] = ("num", value[1:])
    else:
        cursor.next()
    return value[0]


def _period(digits: str) -> tuple[int, str] | None:
    """Where digits begin to repeat, and what: (1, "6") of 1666. None unless it stands there twice, one digit thrice."""
    digits = digits[:MAX_PERIODIC]
    for start in range(min(len(digits), 10)):
        tail = digits[start:]
        for length in range(1, len(tail) // 2 + 1):
            if len(tail) >= 3 and all(tail[k] == tail[k - length] for k in range(length, len(tail))):
                return start, tail[:length]
    return None


def _recurring(text: str, period: str) -> Node:
    places = len(text.partition(".")[2])
    return num(number(text).args[0] + Fraction(int(period), (10 ** len(period) - 1) * 10**places))


def parse_symbol(cursor: Cursor) -> Node:
    """A symbol with its subscript, primes, and arguments if it is the name of a function."""
    name = cursor.next()[1]
    node = subscripted(cursor, Node("sym", (name,)))
    primes = ""
    while cursor.take("'"):
        primes += "'"
    if primes:
        node = Node("sym", (node.args[0] + primes,))
    if name in FUNCTION_LETTERS:
        inverse = [("op", "^"), ("op", "{"), ("op", "-"), ("num", "1"), ("op", "}"), ("op", "(")]
        if cursor.tokens[cursor.at : cursor.at + 6] == inverse:
            cursor.at += 5
            node = Node("sym", (node.args[0] + "^-1",))
        if cursor.sees("("):
            return _applied(cursor, node)
    if cursor.sees("(") and cursor.peek(1)[0] == "num" and cursor.peek(2) == ("op", ")"):
        return _applied(cursor, node)  # an initial value such as I(0)
    return node


def _applied(cursor: Cursor, function: Node) -> Node:
    arguments = parse.parse_bracket(cursor)
    items = arguments.args[2:] if arguments.op == "seq" else (arguments,)
    return Node("apply", (function.args[0], *items))


def subscripted(cursor: Cursor, node: Node) -> Node:
    """The symbol with what stands below it as part of its name: `v_0` and `v_{0}` are one symbol."""
    if not cursor.take("_"):
        return node
    start = cursor.at
    parse_script(cursor)
    script = "".join(value for kind, value in cursor.tokens[start : cursor.at] if value not in ("{", "}"))
    return Node("sym", (f"{node.args[0]}_{script}",))


def parse_script(cursor: Cursor) -> None:
    """Past a subscript, whatever it says."""
    if cursor.sees("{"):
        cursor.next()
        cursor.at = cursor.until(("}",))
        cursor.expect("}")
    elif cursor.peek()[0] == "num" and len(cursor.peek()[1]) > 1 and cursor.peek()[1].isdigit():
        digits = cursor.peek()[1]
        cursor.tokens[cursor.at : cursor.at + 1] = [("num", digits[0]), ("num", digits[1:])]
        cursor.next()
    elif cursor.next()[0] == "end":
        raise Unreadable("it ends too soon")


def parse_head(cursor: Cursor, relations: tuple[str, ...]) -> Node | None:
    """The left side of a definition such as P(x) = ..., which anywhere else would be a product. None if it is none."""
    kind, _ = cursor.peek()
    if kind != "sym":
        return None
    end = cursor.at + 1
    if cursor.peek(1) == ("op", "_"):
        saved, cursor.at = cursor.at, cursor.at + 2
        end = cursor.until(("}",)) + 1 if cursor.sees("{") and cursor.next() else cursor.at + 1
        cursor.at = saved
    if end >= len(cursor.tokens) or cursor.tokens[end] != ("op", "("):
        return None
    saved, cursor.at = cursor.at, end + 1
    close = cursor.until((")",))
    cursor.at = saved
    if close + 1 >= len(cursor.tokens) or cursor.tokens[close + 1] not in [("op", "="), ("op", "~")]:
        return None
    return _applied(cursor, _symbol_only(cursor))


def named_point(node: Node) -> Node:
    """A capital letter before coordinates as the name of a point: A(1, 2) is A = (1, 2). Any other node as it is."""
    if node.op == "mul" and len(node.args) == 2:
        name, point = node.args
        if name.op == "sym" and name.args[0][0].isupper() and _is_point(point):
            return Node("rel", (("=",), name, point))
    if node.op == "apply" and node.args[0] in ("F", "G") and len(node.args) > 2:
        return Node("rel", (("=",), Node("sym", (node.args[0],)), Node("seq", ("(", ")", *node.args[1:]))))
    return node


def _is_point(node: Node) -> bool:
    return node.op == "seq" and node.args[:2] == ("(", ")") and len(node.args) in (4, 5)


def _symbol_only(cursor: Cursor) -> Node:
    return subscripted(cursor, Node("sym", (cursor.next()[1],)))


def refuse_doubt(words: str) -> None:
    """Unreadable for words that take an answer back, or make a bound of it."""
    listed = words.split()
    doubts = DOUBTS & set(listed)
    bound = listed[:2] if listed[:1] in (["at"], ["no"], ["or"], ["and"], ["not"]) else listed[:1]
    if doubts - COMPARATIVES or doubts & set(bound):
        raise Unreadable(f"{words!r} says that this is not the answer")


def parse_unit(cursor: Cursor, node: Node) -> Node:
    """The node with the unit behind it, by its common name: words, with what is raised, and what is divided by.

    Unreadable for words that make another number of it, but "million" and the like are read.
    """
    words = ""
    while True:
        kind, value = cursor.peek()
        if kind == "text":
            refuse_doubt(value)
            words += " " + value
        elif (kind, value) == ("op", "^"):
            raised = re.sub(r"[{}]", "", "".join(v for _, v in cursor.tokens[cursor.at + 1 : cursor.at + 4]))[:1]
            if raised not in ("2", "3", "-"):
                raise Unreadable("an odd power of a unit")
            words += "^" + raised
            cursor.next()
            arithmetic.parse_argument(cursor)
            continue
        elif (kind, value) in (("op", "/"), ("op", "*")) and cursor.peek(1)[0] == "text":
            words += value
        else:
            break
        cursor.next()
    power, words = scaled(words)
    if is_operation(words):
        raise Unreadable(f"{words!r} makes another number of it")
    if power:
        node = Node("mul", (node, num(10**power)))
    return Node("unit", (node, unit_name(words))) if words else node


def with_smaller_unit(cursor: Cursor, node: Node) -> Node:
    """The node with what follows in a smaller unit, all in that: 2 hours 5 minutes is 125 minutes."""
    at = cursor.at + cursor.sees("and")
    if at + 1 >= len(cursor.tokens) or cursor.tokens[at][0] != "num" or cursor.tokens[at + 1][0] != "text":
        return node
    smaller = unit_name(cursor.tokens[at + 1][1])
    many = SMALLER.get((node.args[1], smaller))
    if many is None:
        return node
    rest = number(cursor.tokens[at][1])
    cursor.at = at + 2
    return Node("unit", (Node("add", (Node("mul", (node.args[0], num(many))), rest)), smaller))
