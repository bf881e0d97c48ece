"""Which pairs of texts a worker may compare: references with integrals, limits, derivatives or infinite sums.

A worker's math-verify leaves out what it does not understand, and then takes a fragment of an answer for all of it. So
only what it is known to read completely goes there: one expression a side, of known commands, without words.
"""

import re

MAX_LENGTH = 200  # characters of a side
OPERATIONS = re.compile(r"\\(?:int\s*_|(?:lim|sum|prod)(?![A-Za-z]))|\\frac\s*\{\s*d\s*\}\s*\{\s*d\s*[a-z]\s*\}")
COMMANDS = {"int", "lim", "sum", "prod", "frac", "dfrac", "tfrac", "sqrt", "infty", "to", "rightarrow", "cdot", "times"}
COMMANDS |= {"left", "right", "displaystyle", "limits", ",", ";", "!", "quad", "pi", "alpha", "beta", "gamma", "theta"}
COMMANDS |= {"lambda", "sin", "cos", "tan", "ln", "log", "arcsin", "arccos", "arctan"}
COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
PLAIN = re.compile(r"[A-Za-z0-9\s{}()+\-*/^_=.]*")  # outside commands
WORD = re.compile(r"[A-Za-z]{3,}|(?!d)[A-Za-z]{2}")  # dx is no word
LIMITS = re.compile(r"[_^]\s*\{[^{}]*\}|\\to|\\rightarrow")
# What would take long to write out: powers of powers, long numbers.
HUGE = re.compile(r"\^\s*\{[^{}]*\^|\^\s*\{?\s*-?\d{3,}|\d{16,}|\^[^{]\s*\^|\{\s*\{")


def may_be_asked(answer: str, reference: str) -> bool:
    """Whether a worker may compare the two.

    Only for a reference with such an operation: else an answer could make the worker run out of time, and by that take
    its rollout out of the loss.
    """
    if not OPERATIONS.search(reference):
        return False
    return _is_read_completely(answer) and _is_read_completely(reference)


def _is_read_completely(text: str) -> bool:
    text = text.strip().strip("$")
    if (
        len(text) > MAX_LENGTH
        or "..." in text
        or HUGE.search(text)
        or any(c not in COMMANDS for c in COMMAND.findall(text))
    ):
        return False
    rest = COMMAND.sub(" ", text)
    return bool(PLAIN.fullmatch(rest)) and not WORD.search(rest) and "=" not in LIMITS.sub(" ", text)
