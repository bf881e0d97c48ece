"""Commas that group digits: which of them do depends on where they stand, and on what stands around them."""

import re
from typing import Literal

Thousands = Literal["nowhere", "outside", "everywhere"]
GROUPED = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?!\d|,\d)")
ARGUMENT = re.compile(r"(?:[\^_}\]]|\\[A-Za-z]+)\s*$")
MAX_COMMAND = 20  # characters before a brace in which its command stands
# What shows that commas between brackets group digits: 10,050; 1,000,000; (1,200, 3,400); 5(1,200).
EVIDENCE = re.compile(
    r",0\d\d(?!\d)|\d,\d{3},\d{3}(?!\d)|\d,\d{3}(?:\.\d+)?\s*[,;]\s+|[,;]\s+-?\d{1,3},\d{3}(?!\d)|[\w)}]\s*\(\s*\d{1,3},\d{3}\s*\)"
)


def readings(text: str) -> tuple[Thousands, ...]:
    """The ways to read the commas of a text that are worth trying; the likeliest first."""
    if not GROUPED.search(text):
        return ("outside",)
    return ("outside", "everywhere", "nowhere") if EVIDENCE.search(text) else ("outside", "nowhere")


def without_grouping(text: str, thousands: Thousands) -> str:
    """The text without the commas that group digits.

    "outside": those that stand in no bracket, and in arguments of commands, as in \\\\frac{20,000}{3}. "everywhere": all that
    can. "nowhere": none, "10,000" is a list.

    >>> without_grouping("10,000", "outside"), without_grouping("(1,200)", "outside"), without_grouping("e^{1,000}", "outside")
    ('10000', '(1,200)', 'e^{1000}')
    """
    if thousands == "nowhere" or not GROUPED.search(text):
        return text
    pieces: list[str] = []
    brackets: list[bool] = []  # those that are open: whether a comma in them may separate
    start = 0
    for match in GROUPED.finditer(text):
        _follow(text, start, match.start(), brackets)
        free = thousands == "everywhere" or not brackets or not brackets[-1]
        pieces += [text[start : match.start()], match[0].replace(",", "") if free else match[0]]
        start = match.end()
    return "".join(pieces) + text[start:]


def _follow(text: str, start: int, end: int, brackets: list[bool]) -> None:
    """Opens and closes the brackets between two places."""
    for position in range(start, end):
        character = text[position]
        if character in "([":
            brackets.append(True)
        elif character == "{":
            argument = not text[:position].endswith("\\") and ARGUMENT.search(
                text[max(0, position - MAX_COMMAND) : position]
            )
            brackets.append(not argument)
        elif character in ")]}" and brackets:
            brackets.pop()
