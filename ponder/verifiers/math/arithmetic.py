"""From tokens to the tree of one expression: sums, products, powers, functions, matrices."""

import re
from fractions import Fraction
from math import prod

from ponder.verifiers.math import parse
from ponder.verifiers.math.cursor import Cursor
from ponder.verifiers.math.functions import derivative, parse_big_operator, parse_function, parse_matrix
from ponder.verifiers.math.symbols import BASES, number, parse_script, parse_symbol, repeating, subscripted
from ponder.verifiers.math.tokens import Token
from ponder.verifiers.math.tree import Node, OverBudget, Unreadable, negated, num

ACCENTS = (
    "bar",
    "hat",
    "vec",
    "tilde",
    "dot",
    "widehat",
    "overrightarrow",
    "underline",
    "overarc",
    "ddot",
    "widetilde",
)
BIG = ("sum", "prod", "int", "lim", "iint", "oint")
STARTS = ("num", "sym", "const", "fn", "cmd", "begin", "dots")
MAX_MARKS = 25
MAX_DOUBLE_FACTORIAL = 100
TRANSPOSED = [Node("sym", (name,)) for name in ("T", "top", "intercal")]
POSTFIX = ("^", "!", "%", "_", "'", "pmod", "mod")
ORDINALS = ("st", "nd", "rd", "th")
MONEY = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yuan", "₹": "rupees"}
HALF = num(Fraction(1, 2))


def parse_sum(cursor: Cursor) -> Node:
    terms = []
    sign = cursor.take("+", "-", "+-", "-+")
    while True:
        term = parse_product(cursor)
        if sign == "-":
            term = negated(term)
        elif sign in ("+-", "-+"):
            term = Node("pm", (term, sign))
        terms.append(term)
        sign = cursor.take("+", "-", "+-", "-+")
        if sign is None:
            return terms[0] if len(terms) == 1 else Node("add", tuple(terms))
        if sign == "-" and cursor.sees("-"):  # a sign of its own for the next term
            cursor.next()
            sign = "+"


def parse_product(cursor: Cursor) -> Node:
    node, last_is_number = _signed_factor(cursor)
    factors = [node]
    quotients = 0
    while True:
        operator = cursor.take("*", "/")
        if operator is None and not starts_factor(cursor):
            break
        first_token = cursor.peek()
        factor, is_number = _signed_factor(cursor) if operator else parse_factor(cursor)
        if operator == "/":
            quotients += 1
            if quotients > MAX_MARKS:
                raise OverBudget(f"more than {MAX_MARKS} divisions in one product")
            over = factors[0] if len(factors) == 1 else Node("mul", tuple(factors))
            factors = [Node("div", (over, factor))]
        elif operator is None and last_is_number and (mixed := _mixed(cursor, factors[-1], factor, first_token)):
            factors[-1] = mixed
            last_is_number = False
            continue
        elif operator is None and last_is_number and first_token[0] == "num":
            raise Unreadable("two numbers stand side by side")
        else:
            factors.append(factor)
        last_is_number = is_number
    return factors[0] if len(factors) == 1 else Node("mul", tuple(factors))


def _signed_factor(cursor: Cursor) -> tuple[Node, bool]:
    sign = cursor.take("+", "-", "+-", "-+")
    node, is_number = parse_factor(cursor)
    if sign == "-":
        return negated(node), is_number
    return (Node("pm", (node, sign)), False) if sign in ("+-", "-+") else (node, is_number)


def _mixed(cursor: Cursor, whole: Node, factor: Node, token: Token) -> Node | None:
    """A mixed number such as 1 1/2 or 2\\frac{1}{2}; digits in groups, 1 000; None for a product."""
    if whole.op != "num" or whole.args[1] is not None:
        return None
    value = whole.args[0]
    sign = -1 if value < 0 else 1
    if factor.op == "num" and token[0] == "num":
        if cursor.take("/"):
            under, _ = parse_factor(cursor)
            factor = Node("div", (factor, under))
        elif re.fullmatch(r"\d{3}(\.\d+)?", token[1]) and abs(value) < 1000:
            part = factor.args[0]
            return num(sign * (abs(value) * 1000 + part), factor.args[1])
    if token != ("cmd", "frac") and token[0] != "num":
        return None
    if factor.op == "degree":
        mixed = _mixed(cursor, whole, factor.args[0], token)
        return mixed and Node("degree", (mixed,))
    if factor.op != "div" or any(part.op != "num" or part.args[1] is not None for part in factor.args):
        return None
    over, under = (part.args[0] for part in factor.args)
    return num(sign * (abs(value) + over / under)) if 0 < over < under else None


def starts_factor(cursor: Cursor) -> bool:
    kind, value = cursor.peek()
    if kind in STARTS:
        return True
    return kind == "op" and (
        value in ("(", "[", "{", "lfloor", "lceil", "||") or (value == "|" and not cursor.bar_closes)
    )


def parse_factor(cursor: Cursor) -> tuple[Node, bool]:
    """A factor with its powers, and whether it is a bare number."""
    token = cursor.peek()
    node = _atom(cursor)
    bare = token[0] == "num" and node.op == "num"
    marks = 0
    while cursor.sees(*POSTFIX):
        marks += 1
        if marks > MAX_MARKS:
            raise OverBudget(f"more than {MAX_MARKS} marks on one factor")
        if cursor.take("^"):
            node = _power(cursor, node)
        elif cursor.sees("!") and cursor.peek(1) != ("op", "="):
            cursor.next()
            node = _double_factorial(node) if cursor.take("!") else Node("call", ("fact", node))
        elif cursor.take("%"):
            node = Node("percent", (node,))
        elif cursor.sees("_") and node.op in ("num", "seq", "set"):
            cursor.next()
            node = _based(node, parse_argument(cursor), token)
        elif cursor.take("'"):
            node = Node("apply", ("prime", node))
        elif cursor.take("pmod", "mod"):
            node = Node("apply", ("mod", node, parse_argument(cursor, digits=True)))
        else:
            break
        bare = False
    return node, bare


def _power(cursor: Cursor, base: Node) -> Node:
    """What a raised mark does to the base: a degree sign, an ordinal, a prime, a power."""
    kind, value = cursor.peek()
    if (kind, value) == ("sym", "circ"):
        cursor.next()
        if cursor.peek() in (("sym", "C"), ("sym", "F"), ("const", "C")):
            return Node("unit", (base, "degrees " + cursor.next()[1]))
        return Node("degree", (base,))
    if (kind, value) == ("op", "{"):
        inside = cursor.tokens[cursor.at + 1 : cursor.at + 4]
        if len(inside) >= 2 and inside[1] == ("op", "}"):
            if inside[0] == ("sym", "prime"):
                cursor.at += 3
                return Node("apply", ("prime", base))
            if inside[0] == ("op", "*"):
                cursor.at += 3
                return Node("apply", ("star", base))
            if inside[0][0] == "text" and inside[0][1] in ORDINALS:
                cursor.at += 3
                return base
        if "".join(value for _, value in inside) in [f"{o}}}" for o in ORDINALS]:
            cursor.at += 4
            return base
    if kind == "text" and value in ORDINALS:
        cursor.next()
        return base
    if (kind, value) in (("sym", "prime"), ("op", "*")):
        cursor.next()
        return Node("apply", ("prime" if kind == "sym" else "star", base))
    sign = cursor.take("-", "+")
    exponent = parse_argument(cursor, digits=True)
    if base.op == "seq" and exponent in TRANSPOSED:
        return Node("matrix", tuple((cell,) for cell in base.args[2:]))
    if cursor.take("^"):
        with cursor.nested(cursor.bar_closes):
            exponent = _power(cursor, exponent)
    elif cursor.sees("!"):
        cursor.next()
        exponent = Node("call", ("fact", exponent))
    return Node("pow", (base, negated(exponent) if sign == "-" else exponent))


def _double_factorial(node: Node) -> Node:
    """7!! = 7 * 5 * 3 * 1, of a small number that is written out."""
    if node.op != "num" or node.args[0].denominator != 1 or not 0 <= node.args[0] <= MAX_DOUBLE_FACTORIAL:
        raise Unreadable("a double factorial of what is no small whole number")
    return num(prod(range(int(node.args[0]), 0, -2)))


def _based(node: Node, base: Node, token: Token) -> Node:
    """A number with its base, such as 52_8."""
    if base.op == "text" and base.args[0] in BASES:
        base = num(BASES.index(base.args[0]) + 2)
    if node.op != "num" or base.op != "num" or token[0] != "num" or not token[1].isdigit():
        raise Unreadable("a subscript on what is no symbol")
    value = base.args[0]
    if value.denominator != 1 or not 2 <= value <= 36:
        raise Unreadable(f"{value} is no base of a number system")
    return Node("based", (token[1].lstrip("0"), int(value)))


def parse_argument(cursor: Cursor, digits: bool = False) -> Node:
    """What a command or a script mark takes: a group or one atom. Of a number one digit only, or all with `digits`."""
    kind, value = cursor.peek()
    if kind == "num" and not digits and len(value) > 1 and value.isdigit():
        cursor.tokens[cursor.at] = ("num", value[1:])
        return num(int(value[0]))
    if kind == "num":
        return _atom(cursor)
    with cursor.nested(cursor.bar_closes):
        return parse.parse_group(cursor) if (kind, value) == ("op", "{") else _atom(cursor)


def _atom(cursor: Cursor) -> Node:
    kind, value = cursor.peek()
    if kind == "num":
        cursor.next()
        return repeating(cursor, value) or number(value)
    if kind == "sym":
        return parse_symbol(cursor)
    if kind == "const":
        cursor.next()
        return subscripted(cursor, Node("const", (value,)))
    if kind == "fn":
        return parse_function(cursor)
    if kind == "cmd":
        return _command(cursor)
    if kind == "begin":
        return parse_matrix(cursor)
    if kind == "dots":
        cursor.next()
        return Node("dots", ())
    if kind == "op":
        if value in ("(", "[", "\\{"):
            return parse.parse_bracket(cursor)
        if value == "{":
            return parse.parse_group(cursor)
        if value in ("|", "||"):
            cursor.next()
            with cursor.nested(bar_closes=True):
                inner = parse_sum(cursor)
            cursor.expect(value)
            return Node("call", ("abs" if value == "|" else "norm", inner))
        if value in ("lfloor", "lceil"):
            cursor.next()
            with cursor.nested():
                inner = parse_sum(cursor)
            cursor.expect("r" + value[1:])
            return Node("call", (value[1:], inner))
        if value in MONEY:
            cursor.next()
            return Node("unit", (parse_factor(cursor)[0], MONEY[value]))
    raise Unreadable(f"{value!r} stands where a number or a symbol was expected" if value else "it ends too soon")


def _command(cursor: Cursor) -> Node:
    name = cursor.next()[1]
    if name == "frac":
        over, under = parse_argument(cursor), parse_argument(cursor)
        return derivative(over, under) or Node("div", (over, under))
    if name == "binom":
        if cursor.sees("("):
            upper, lower = (*parse.parse_bracket(cursor).args[2:], None, None)[:2]
            if not isinstance(upper, Node) or not isinstance(lower, Node):
                raise Unreadable("a binomial without its lower part")
            return Node("call", ("binom", upper, lower))
        upper = parse_argument(cursor)
        return Node("call", ("binom", upper, parse_argument(cursor)))
    if name == "sqrt":
        if cursor.sees("["):
            cursor.next()
            with cursor.nested():
                degree = parse_sum(cursor)
            cursor.expect("]")
            return Node("call", ("root", parse_argument(cursor), degree))
        return Node("pow", (parse_argument(cursor, digits=True), HALF))
    if name in BIG:
        return parse_big_operator(cursor, name)
    start = cursor.at  # an accent, or a line over letters
    parse_script(cursor)
    inside = "".join(value for _, value in cursor.tokens[start : cursor.at] if value not in ("{", "}"))
    return subscripted(cursor, Node("sym", (f"{name}({inside})",)))
