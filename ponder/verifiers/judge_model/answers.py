"""What a judge has said, read strictly: one JSON object at the very end, and nothing is ever guessed.

An answer may think first (`<think>...</think>`, or in plain text), and may fence the object as Markdown does. The object
holds what was asked for and no more; whatever else an answer is, is `Unreadable`, in a sentence that quotes its end.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

from ponder.verifiers.response import split_response

BEST = 10  # the highest grade; the lowest is 0
PREFERENCES = ("A", "B", "tie")
MOST_CHARACTERS = 10_000  # of the object
QUOTED = 160  # characters of an answer in a complaint


class Unreadable(ValueError):
    """A judge's answer that is not in the form that it was asked for."""


def read_grades(text: str, names: Sequence[str]) -> dict[str, float]:
    """The grade of each name, from 0 to BEST, in the order of the names.

    >>> read_grades('It is fine.\\n```json\\n{"brief": 7}\\n```', ["brief"])
    {'brief': 7}

    Raises:
        Unreadable: it is anything but a number for each of the names, and for nothing else.
    """
    given = _last_object(text)
    if missing := [name for name in names if name not in given]:
        raise Unreadable(f"it gives no grade for {missing[0]!r}: {_end(text)}")
    if unknown := [name for name in given if name not in names]:
        raise Unreadable(f"it grades {unknown[0][:40]!r}, which it was not asked for: {_end(text)}")
    for name in names:
        grade = given[name]
        if type(grade) not in (int, float) or not math.isfinite(grade) or not 0 <= grade <= BEST:
            raise Unreadable(f"its grade for {name!r} is no number from 0 to {BEST}: {_end(text)}")
    return {name: given[name] + 0 for name in names}


def read_preference(text: str) -> str:
    """One of PREFERENCES, from an object such as {"better": "A"}. Raises Unreadable."""
    given = _last_object(text)
    if list(given) != ["better"] or given["better"] not in PREFERENCES:
        raise Unreadable(f'it does not end with {{"better": "A"}}, "B" or "tie": {_end(text)}')
    return given["better"]


def words_before(text: str) -> str:
    """What an answer says before its object, for people: the end of it on one line."""
    said = split_response(text).content
    return _shown(said[: max(0, said.rfind("{"))].strip().removesuffix("json").rstrip("`\n "))


def _last_object(text: str) -> dict[str, Any]:
    """The object at the end of an answer; what stands before it is not looked at."""
    answer = split_response(text)
    if not answer.thinking_closed:
        raise Unreadable(f"its thinking never ended: {_end(text)}")
    said = answer.content.rstrip()
    if said.endswith("```"):
        said = said.rstrip("`").rstrip()
    begin = said.rfind("{")  # the object has none inside
    if begin < 0 or not said.endswith("}") or len(said) - begin > MOST_CHARACTERS:
        raise Unreadable(f"it does not end with a JSON object: {_end(text)}")
    try:
        return json.loads(said[begin:], object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it ends with what is no JSON object ({_shown(str(error))}): {_end(text)}") from None


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    given = dict(pairs)
    if len(given) < len(pairs):
        raise ValueError("a name stands twice in it")
    return given


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON's")


def _end(text: str) -> str:
    return repr(_shown(text)) if text.strip() else "it is empty"


def _shown(text: str) -> str:
    """The end of a text, on one line, printable."""
    line = " ".join(text[-4 * QUOTED :].split())[-QUOTED:]
    return "".join(c if c.isprintable() else "?" for c in line)
