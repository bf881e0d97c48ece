"""What a check of one instruction says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Checked:
    """Whether a text follows an instruction, and why: what was counted or found, and what was asked for."""

    followed: bool
    reason: str


def compared(count: int, what: str, relation: str, wanted: float) -> Checked:
    """A count against IFEval's two relations: `less than`, and for anything else `at least`."""
    followed = count < wanted if relation == "less than" else count >= wanted
    return Checked(followed, f"{count} {what}, asked for {relation} {wanted:g}")


def exactly(count: int, what: str, wanted: float) -> Checked:
    return Checked(count == wanted, f"{count} {what}, asked for exactly {wanted:g}")


def quoted(text: str, length: int = 60) -> str:
    """The beginning of a text in quotes, on one line, with what cannot be written escaped."""
    return repr(text) if len(text) <= length else repr(text[:length]) + "..."
