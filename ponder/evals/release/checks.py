"""What is said of one check of a release."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "not checked"]


@dataclass(frozen=True)
class Check:
    """`said`: of one that passed, what was seen; of one that failed, what is wrong and what to do; of one that could not be
    made, why."""

    name: str
    status: Status
    said: str


def outcome(name: str, complaints: list[str] | tuple[str, ...], seen: str) -> Check:
    """Failed with all of the complaints, or passed with what was seen."""
    return Check(name, "failed", "; ".join(complaints)) if complaints else Check(name, "passed", seen)


def one_line(said: object, most: int = 400) -> str:
    """What a library's error says: on one line, not without end, and nothing that steers a terminal."""
    words = " ".join(str(said).split()) or type(said).__name__
    text = "".join(letter for letter in words if letter.isprintable())
    return text if len(text) <= most else text[:most] + "..."
