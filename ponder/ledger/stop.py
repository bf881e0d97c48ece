"""Why the policy stopped."""

from enum import StrEnum


class StopReason(StrEnum):
    """The end of a turn, by the engine's word for it (which is also OpenAI's `finish_reason`, but for `aborted`)."""

    STOP = "stop"
    LENGTH = "length"
    ABORTED = "aborted"

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    StopReason.STOP: "The policy ended its turn itself, with an end-of-turn token.",
    StopReason.LENGTH: "The answer reached max_tokens and was cut off.",
    StopReason.ABORTED: "Sampling was given up: the caller left, a grammar could not go on, or a tool was broken.",
}
