"""Arithmetic, for models that are bad at it."""

import ast
import math
import operator
from collections.abc import Callable

from ponder.agents.tools.functions import FunctionTool
from ponder.agents.tools.tool import ToolError

MOST_CHARACTERS = 1_000
MOST_BITS = 100_000  # of a whole number: more takes seconds to compute, or to write down
_BINARY: dict[type[ast.operator], Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: dict[type[ast.unaryop], Callable] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_NAMES = {"pi": math.pi, "e": math.e}
_FUNCTIONS: dict[str, Callable] = {
    **{
        name: getattr(math, name) for name in ("sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "gcd", "lcm")
    },
    **{"abs": abs, "round": round, "min": min, "max": max, "floor": math.floor, "ceil": math.ceil},
}


def calculator(expression: str) -> str:
    """Computes an arithmetic expression, such as (3 + 4) * 12 / 5 or sqrt(2) ** 3, and returns its value.

    Args:
        expression: numbers, + - * / // % **, parentheses, pi, e, sqrt, exp, log, sin, cos, tan, gcd, lcm, abs, round, min, max, floor, ceil
    """
    if len(expression) > MOST_CHARACTERS:
        raise ToolError(f"the expression has {len(expression):,} characters; at most {MOST_CHARACTERS:,} are taken")
    try:
        tree = ast.parse(expression.strip().replace("^", "**"), mode="eval")
        return str(_value(tree.body))
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ToolError(f"this is no arithmetic expression: {expression}") from error
    except (ArithmeticError, ValueError, TypeError) as error:
        raise ToolError(str(error)) from error


def calculator_tool() -> FunctionTool:
    return FunctionTool(calculator)


def _value(node: ast.expr) -> int | float:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded(value)
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _bounded(_BINARY[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _bounded(_FUNCTIONS[name](*map(_value, arguments)))
    raise ToolError(f"{ast.unparse(node)} is nothing that a calculator knows")


def _power(base: int | float, exponent: int | float) -> int | float:
    if isinstance(base, int) and isinstance(exponent, int) and abs(base).bit_length() * abs(exponent) > MOST_BITS:
        raise ToolError(f"{base} ** {exponent} is too large")
    value = base**exponent
    if isinstance(value, complex):
        raise ToolError(f"{base} ** {exponent} is no real number")
    return value


def _bounded(value: int | float) -> int | float:
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise ToolError("the number is too large")
    return value
