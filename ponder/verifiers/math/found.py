"""An answer as it was found in a response, and where."""

from typing import NamedTuple

MAX_SHOWN = 80  # characters of the place that are told


class Found(NamedTuple):
    """`answer` is short LaTeX or text; `where` the words or the box that it was taken from, on one line, for people."""

    answer: str
    where: str


def boxed(answer: str) -> Found:
    return Found(answer, shortened(f"\\boxed{{{answer}}}"))


def stated(answer: str, words: str) -> Found:
    return Found(answer, f'"{shortened(words)}"')


def shortened(text: str) -> str:
    """The text on one line, without its middle where it is long."""
    line = " ".join(text[: 40 * MAX_SHOWN].split())
    half = MAX_SHOWN // 2 - 2
    return line if len(line) <= MAX_SHOWN else f"{line[:half]} ... {line[-half:]}"
