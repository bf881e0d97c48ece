"""The tags in a model's language: as tokens of their own, or as text."""

from dataclasses import dataclass

from tokenizers import Tokenizer

THINK, THINK_END = "<think>", "</think>"
CALL_TAGS = ("<tool_call>", "</tool_call>")  # Hermes', which Qwen writes


@dataclass(frozen=True)
class Markers:
    """Token ids of the tags around thoughts, tool calls and tool results; None where the tokenizer has no such token.

    The tags of a pair are both there or both None.
    """

    think: int | None = None
    think_end: int | None = None
    tool_call: int | None = None
    tool_call_end: int | None = None
    tool_response: int | None = None
    tool_response_end: int | None = None

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Markers":
        markers: list[int | None] = []
        for name in ("think", "tool_call", "tool_response"):
            pair = tokenizer.token_to_id(f"<{name}>"), tokenizer.token_to_id(f"</{name}>")
            markers += (None, None) if None in pair else pair
        return cls(*markers)

    @property
    def written(self) -> tuple[str, ...]:
        """The tags that a model of this tokenizer writes as text, letter by letter: those of thoughts, or none."""
        return (THINK, THINK_END) if self.think is None else ()
