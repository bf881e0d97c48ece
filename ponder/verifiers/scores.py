"""What a function of somebody else's says of a response, as a verdict: a number, true or false, or an object."""

from collections.abc import Mapping
from numbers import Real
from reprlib import Repr
from typing import Any

from ponder.verifiers.verdict import Verdict

EXPECTED = 'return a number from 0 to 1, True or False, or {"score": ..., "reason": ...}'
FIELDS = ("score", "status", "reason", "parsed")
STATUS_SCORES = {"correct": 1.0, "wrong": 0.0, "unparseable": 0.0, "error": None}  # where no score is said
MAX_TEXT = 2_000  # characters of a reason or an answer

_SHOWN = Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 80


def verdict_from(value: Any, name: str) -> Verdict:
    """The verdict that a value means; `name` says who returned it, in the reason.

    A number is the score: 1 is `correct`, less is `wrong`. True and False are 1 and 0. An object has "score" or "status"
    (correct, wrong, unparseable, error) or both, and if wanted "reason" and "parsed", texts. NumPy's and torch's numbers
    are read like Python's. ValueError, with what to return instead, for anything else: never a score of 0.

    >>> verdict_from(True, "f").status, verdict_from(0.25, "f").score, verdict_from({"status": "error"}, "f").score
    ('correct', 0.25, None)
    """
    if isinstance(value, Verdict):
        return value
    if not isinstance(value, Mapping):
        score = _score(value)
        return Verdict("correct" if score == 1.0 else "wrong", score, f"{score:g} by {name}")
    if unknown := [key for key in value if key not in FIELDS]:
        raise ValueError(f"returned an object with {shown(unknown[0])}; its fields may be {', '.join(FIELDS)}")
    if "status" not in value and "score" not in value:
        raise ValueError("returned an object with neither score nor status")
    score = None if value.get("score") is None else _score(value["score"])
    if score is None and "status" not in value:
        raise ValueError(f"returned an object whose score is None; {EXPECTED}")
    status = value.get("status", "correct" if score == 1.0 else "wrong")
    if not isinstance(status, str) or status not in STATUS_SCORES:
        raise ValueError(f"returned the status {shown(status)}; there are {', '.join(STATUS_SCORES)}")
    if score is None:
        score = STATUS_SCORES[status]
    elif (status == "wrong" and score == 1.0) or (status != "wrong" and score != STATUS_SCORES[status]):
        raise ValueError(f"returned the status {status} with the score {score:g}, which contradict each other")
    reason, parsed = (_text(value.get(key), key) for key in ("reason", "parsed"))
    said = f"{status} by {name}" if score is None else f"{score:g} by {name}"
    return Verdict(status, score, reason or said, parsed)


def shown(value: Any) -> str:
    """A value as a reason shows it: short, and never an error, whatever its own representation does."""
    try:
        return _writable(_SHOWN.repr(value))[:300]
    except BaseException:  # the object is a stranger's
        return f"an object of type {type(value).__name__}"


def told(error: BaseException) -> str:
    """An exception as a reason tells it: its type and what it says, short, and never an error itself."""
    try:
        return _writable(f"{type(error).__name__}: {error}".strip(": "))[:MAX_TEXT]
    except BaseException:  # the exception is a stranger's
        return type(error).__name__


def _score(value: Any) -> float:
    if value is None:
        raise ValueError(f"returned None (is a `return` missing?); {EXPECTED}")
    if not isinstance(value, Real) and hasattr(value, "item") and getattr(value, "shape", None) in ((), (1,)):
        value = value.item()  # a NumPy or torch number
    if not isinstance(value, Real):
        raise ValueError(f"returned {shown(value)}, of type {type(value).__name__}; {EXPECTED}")
    if not 0 <= value <= 1:
        raise ValueError(f"returned {shown(value)}, and a score is a number from 0 to 1")
    return abs(float(value))  # no -0.0


def _text(value: Any, field: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"returned {shown(value)} as {field}, which must be a text")
    return None if value is None else _writable(value[:MAX_TEXT])


def _writable(text: str) -> str:
    """Without lone surrogates, which no file takes."""
    return text.encode("utf-8", "replace").decode()
