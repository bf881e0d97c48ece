"""The verdict: what a verifier says about a response. Not a number (law 3)."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

Status = Literal["correct", "wrong", "unparseable", "truncated", "timeout", "error"]


@dataclass(frozen=True)
class Verdict:
    """What a verifier says about one response.

    status       score   meaning
    correct      1.0     the answer is right
    wrong        [0, 1)  the answer was read and is not right; some reasoning-gym scorers give part of the score
    unparseable  0.0     the response states no answer that can be read
    truncated    0.0     the response was cut off by the token limit
    timeout      None    the verifier ran past its deadline and was killed
    error        None    the verifier itself failed; its rollout leaves the loss

    `parsed` is the answer as it was read, `reference` what it was compared with. `parts` are the verdicts that this one
    is composed of, where it is: those of the instructions of one task, or of a recipe's `reward`.
    """

    status: Status
    score: float | None
    reason: str
    parsed: str | None = None
    reference: str | None = None
    parts: tuple["Part", ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the verifier failed on the answer (error, timeout), so that nothing was said of it."""
        return self.score is None

    def __post_init__(self) -> None:
        assert self.status in get_args(Status), self.status
        if self.status in ("timeout", "error"):
            assert self.score is None, f"{self.status} has no score, not {self.score}"
        elif self.status == "correct":
            assert self.score == 1.0, self.score
        elif self.status == "wrong":
            assert self.score is not None and 0.0 <= self.score < 1.0, self.score
        else:
            assert self.score == 0.0, self.score


@dataclass(frozen=True)
class Part:
    """A verdict inside another. `name` says what was verified; `weight` is its share of a weighted sum, else None."""

    name: str
    verdict: Verdict
    weight: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The part as records and scripts read it."""
        verdict = self.verdict
        row = {"name": self.name, "status": verdict.status, "score": verdict.score, "reason": verdict.reason}
        return row if self.weight is None else row | {"weight": self.weight}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Part":
        """The inverse of `to_json`."""
        return cls(row["name"], Verdict(row["status"], row["score"], row["reason"]), row.get("weight"))
