"""Chains of equations of which only the last member can be read: it is what they arrive at."""

import re

OTHER_RELATIONS = re.compile(
    r"[<>,;]|\\(?:leq?|geq?|lt|gt|neq?|ne|in|notin|not|or|and|to|approx|sim|equiv|begin|end)(?![A-Za-z])|\\\\|!=|:="
)
WORD = re.compile(r"(?<![\\A-Za-z])[a-z]{2,}")
INVISIBLE = re.compile(r"\\[hv]?phantom(?![A-Za-z])")


def last_member(text: str) -> str | None:
    """What stands behind the last equals sign outside brackets; None if the text is no plain chain of equations.

    >>> last_member("x = \\\\zzz = 0"), last_member("x < \\\\zzz = 0")
    ('0', None)
    """
    depth, last = 0, None
    for position, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth < 0:
                return None
        elif character == "=" and depth == 0:
            last = position
    if last is None or depth != 0 or INVISIBLE.search(text):
        return None
    before, member = text[:last], text[last + 1 :].strip()
    if not before.strip() or not member or WORD.search(before):  # words may say that it is not the answer
        return None
    outside = _outside_brackets(before)
    return None if OTHER_RELATIONS.search(outside) or OTHER_RELATIONS.search(member) else member


def _outside_brackets(text: str) -> str:
    kept, depth = [], 0
    for character in text:
        depth -= character in ")]}"
        if depth == 0:
            kept.append(character)
        depth += character in "([{"
    return "".join(kept)
