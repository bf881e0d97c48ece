"""Comparison by math-verify of what this package cannot read itself. Runs in worker processes only: it may hang.

math-verify (https://github.com/huggingface/Math-Verify) parses LaTeX and compares with sympy. Its own time limits are
alarm signals, which fail off the main thread; here they are off, because the pool is the deadline. Spellings that it
is known to misread are rewritten first, and a yes between numbers is checked again exactly.
"""

import logging
import re
from functools import lru_cache

import sympy
from math_verify import LatexExtractionConfig, parse, verify

logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that the time limits are off, as intended

LATEX = (LatexExtractionConfig(boxed_match_priority=0),)
REWRITES = (
    (re.compile(r"\\(?:left|right)(?![a-z])"), ""),
    (re.compile(r"\\frac\s*(\{[^{}]*\})\s*([A-Za-z0-9])"), r"\\frac\1{\2}"),
)


def compare(job: dict) -> dict:
    """Result for {"reference", "answer"}, both short LaTeX or text."""
    golds, candidates = _parse_reference(job["reference"]), _parse(job["answer"])
    if not golds:
        return {"status": "error", "score": None, "reason": f"the reference cannot be read: {job['reference'][:200]}"}
    if not candidates:
        return _result("unparseable", "the answer cannot be read as mathematics")
    golds, candidates = [_with_imaginary_unit(g) for g in golds], [_with_imaginary_unit(c) for c in candidates]
    equal = verify(golds, candidates, allow_set_relation_comp=True, timeout_seconds=None)
    if equal and not _different_numbers(golds[0], candidates[0]):
        return _result("correct", "equal by math-verify")
    return _result("wrong", "not equal by math-verify")


def _result(status: str, reason: str) -> dict:
    return {"status": status, "score": 1.0 if status == "correct" else 0.0, "reason": reason}


@lru_cache(maxsize=4096)
def _parse_reference(reference: str) -> tuple:
    return _parse(reference)


def _parse(latex: str) -> tuple:
    """Candidates for the meaning of a short expression: sympy objects first, its text last. Empty if there is none."""
    latex = latex.strip().strip("$")
    for pattern, replacement in REWRITES:
        latex = pattern.sub(replacement, latex)
    return tuple(parse(f"${latex}$", LATEX, fallback_mode="no_fallback", parsing_timeout=None))


def _with_imaginary_unit(value: object) -> object:
    """math-verify reads `i` as a variable in most places."""
    if not isinstance(value, sympy.Expr):
        return value
    return value.subs({symbol: sympy.I for symbol in value.free_symbols if symbol.name == "i"})


def _different_numbers(a: object, b: object) -> bool:
    """math-verify rounds to six decimals, so it takes 2**-99 for 2**-98: compare what is rational exactly, and tiny
    numbers by their ratio."""
    if not (isinstance(a, sympy.Expr) and isinstance(b, sympy.Expr) and a.is_number and b.is_number):
        return False
    difference = (a - b).doit()
    if difference.is_Rational and not (a.has(sympy.Float) or b.has(sympy.Float)):
        return difference != 0
    a, b = sympy.N(a, 30), sympy.N(b, 30)
    return bool(0 < abs(a) < 1e-3 and abs(a - b) > 1e-9 * abs(a))
