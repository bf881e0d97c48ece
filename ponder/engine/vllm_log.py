"""Why a vLLM did not start, out of its log.

It is several processes. The one that fails logs its traceback as an error; those above it end with tracebacks of their own,
which say no more than that something below has failed, and come last. So what counts is the first exception of a child,
and where no child has failed the first one of the last chain.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

PARENT = "APIServer"
MOST_LINES, MOST_LETTERS = 12, 1500  # of an exception's message
MOST_LOG_LINES = 50_000
_PREFIX = re.compile(
    r"^\((?P<process>[\w.-]+) pid=\d+\) ?"
    r"(?:(?P<level>[A-Z]+) \d\d-\d\d \d\d:\d\d:\d\d \[(?P<place>[^\]]*)\] ?)?(?P<text>.*)$"
)
_BEGIN = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:: |$)")
_CHAINED = ("The above exception was the direct cause", "During handling of the above exception")
# Exceptions that only say that there was another one.
_POINTERS = ("See root cause above", "See stack trace for root cause", "See stack trace above for the root cause")


@dataclass(frozen=True)
class Speaker:
    """Who wrote a line: the process and, where it is a line of the log, its level and the place in the code."""

    process: str = ""
    level: str = ""
    place: str = ""


@dataclass(frozen=True)
class Raised:
    """An exception as its traceback ends. `chained`: it came of the one before it."""

    process: str
    level: str
    message: str
    chained: bool


def root_cause(log: str) -> str | None:
    """The exception that began it all, with its message; None where there is no traceback in the log."""
    raised = [one for one in exceptions(log.splitlines()) if not any(sign in one.message for sign in _POINTERS)]
    if not raised:
        return None
    in_children = [one for one in raised if one.level == "ERROR" and one.process != PARENT]
    if in_children:
        return in_children[0].message
    first = len(raised) - 1
    while first > 0 and raised[first].chained:
        first -= 1
    return raised[first].message


def exceptions(lines: Iterable[str]) -> Iterator[Raised]:
    """All that tracebacks end with, in the order of the log. Lines of several processes may be mixed."""
    inside: set[Speaker] = set()  # whose traceback is open
    chained: set[Speaker] = set()
    message: list[str] = []
    speaker: Speaker | None = None  # whose exception's message may go on
    for line in islice(lines, MOST_LOG_LINES):
        who, text = _read(line)
        if speaker is not None:
            # Of what has no prefix only indented lines: anybody may have written the others.
            goes_on = who == speaker and text.strip() and text != _BEGIN and (text[0].isspace() or who.level)
            if goes_on and len(message) < MOST_LINES:
                message.append(text)
                continue
            yield _raised(speaker, message, chained)
            speaker = None
        if text == _BEGIN:
            inside.add(who)
        elif any(text.startswith(sign) for sign in _CHAINED):
            chained.add(who)
        elif who in inside and _EXCEPTION.match(text):
            inside.discard(who)
            speaker, message = who, [text]
    if speaker is not None:
        yield _raised(speaker, message, chained)


def _read(line: str) -> tuple[Speaker, str]:
    matched = _PREFIX.match(line)
    if matched is None:
        return Speaker(), line
    return Speaker(matched["process"], matched["level"] or "", matched["place"] or ""), matched["text"]


def _raised(who: Speaker, message: list[str], chained: set[Speaker]) -> Raised:
    after_another = who in chained
    chained.discard(who)
    return Raised(who.process, who.level, "\n".join(message)[:MOST_LETTERS], after_another)
