"""What a parser makes of an output: the deltas of a stream, and the whole that they add up to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ponder.chat.tool_calls import ToolCall

DeltaKind = Literal["reasoning", "content", "tool_call_start", "tool_call_arguments", "tool_call_end"]


@dataclass(frozen=True)
class Delta:
    """The next piece of output.

    | kind | fields |
    | --- | --- |
    | reasoning, content | `text` |
    | tool_call_start | `index` of the call, from 0, and the function's `name` |
    | tool_call_arguments | `index`, and in `text` the next piece of the arguments' JSON, as the model writes it |
    | tool_call_end | `index`, and the whole `tool_call`: its `arguments_text` is the pieces, joined |

    One call is told at a time: nothing else stands between its start and its end.
    """

    kind: DeltaKind
    text: str = ""
    index: int | None = None
    name: str | None = None
    tool_call: ToolCall | None = None


@dataclass(frozen=True)
class ToolCallError:
    """An attempt at a call that failed. It became text, or is the broken call of number `index`, since its beginning had
    been told."""

    reason: str
    name: str | None = None
    index: int | None = None


@dataclass(frozen=True)
class ParsedOutput:
    """A whole output. `thinking_closed` is False exactly when it ended inside a thought, before any answer.

    `reasoning_tokens`: ids from the start up to and including `</think>`, stop ids not counted.
    """

    reasoning: str
    content: str
    tool_calls: tuple[ToolCall, ...]
    thinking_closed: bool
    reasoning_tokens: int
    tool_call_errors: tuple[ToolCallError, ...] = ()


def joined_neighbours(deltas: Iterable[Delta]) -> list[Delta]:
    """The same deltas, with neighbours joined where their texts continue each other."""
    joined: list[Delta] = []
    texts: list[str] = []
    for delta in deltas:
        same = bool(joined) and (joined[-1].kind, joined[-1].index) == (delta.kind, delta.index)
        if same and delta.kind in ("reasoning", "content", "tool_call_arguments"):
            texts.append(delta.text)
            continue
        _complete(joined, texts)
        joined.append(delta)
        texts = [delta.text]
    _complete(joined, texts)
    return joined


def text_of(deltas: Iterable[Delta], kind: DeltaKind) -> str:
    return "".join(delta.text for delta in deltas if delta.kind == kind)


def _complete(joined: list[Delta], texts: Sequence[str]) -> None:
    if len(texts) > 1:
        joined[-1] = Delta(joined[-1].kind, "".join(texts), joined[-1].index)
