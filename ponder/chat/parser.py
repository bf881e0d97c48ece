"""What a model wrote, told apart by token ids: reasoning, content and tool calls, while it is still writing.

Tags are found by id, never in text. Where thinking begins is known from the renderer, not guessed. The texts of all
deltas, with the markers between them, are the decoded output; only separators are left out, and these are

- stop ids, wherever they stand (tags, where a model stops at them, stay tags);
- a `<think>` before any other output: the model repeats what the prompt has opened, or opens the thought itself;
- newlines directly after `<think>`, `</think>` and a tool call, and those directly before a tool call;
- newlines at the start where the prompt has opened the thought, since they directly follow its `<think>`.

Every other tag out of its place is plain text. So is a tool call that is malformed or never closed, and, for now, one
inside the reasoning: models draft calls while thinking, and a draft must not be carried out.
"""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from ponder.chat.renderer import Renderer
from ponder.chat.tool_calls import ToolCall, parse_tool_call

__all__ = ["Delta", "OutputParser", "ParsedOutput", "ToolCall", "parse_output"]


@dataclass(frozen=True)
class Delta:
    """The next piece of output. `tool_call` is set, and `text` empty, where `kind` is "tool_call"."""

    kind: Literal["reasoning", "content", "tool_call"]
    text: str = ""
    tool_call: ToolCall | None = None


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


def parse_output(ids: Iterable[int], renderer: Renderer, thinking_open: bool) -> ParsedOutput:
    """The parts of a finished output. `thinking_open` is that of the prompt (`Prompt.thinking_open`)."""
    parser = OutputParser(renderer, thinking_open)
    deltas = parser.push(ids) + parser.finish()
    return ParsedOutput(
        reasoning="".join(delta.text for delta in deltas if delta.kind == "reasoning"),
        content="".join(delta.text for delta in deltas if delta.kind == "content"),
        tool_calls=tuple(delta.tool_call for delta in deltas if delta.tool_call),
        thinking_closed=not parser.thinking,
        reasoning_tokens=parser.reasoning_tokens,
    )


class OutputParser:
    """Parses one output: `push` ids as they are sampled, in pieces of any size, then `finish` once.

    `thinking`: whether the output is inside a thought now. `reasoning_tokens`: as in `ParsedOutput`, so far.
    """

    def __init__(self, renderer: Renderer, thinking_open: bool):
        self.thinking = thinking_open
        self.reasoning_tokens = 0
        self._renderer = renderer
        self._markers = renderer.markers
        self._marker_ids = {
            self._markers.think: "<think>",
            self._markers.think_end: "</think>",
            self._markers.tool_call: "<tool_call>",
            self._markers.tool_call_end: "</tool_call>",
        }
        self._unshown = renderer.stop_ids - self._marker_ids.keys()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._untouched = True  # nothing has been written yet: the place for the model's own <think>
        self._after_tag = thinking_open  # newlines that come now are separators
        self._newlines = 0  # at the end of the content, held back: a tool call may follow
        self._block: list[list[str]] | None = None  # an open tool call, cut at further <tool_call> tags in it
        self._pieces: list[Delta] = []

    def push(self, ids: Iterable[int]) -> list[Delta]:
        """What has become certain with these ids: complete characters and complete tool calls, in order."""
        for token in ids:
            if token in self._unshown:
                continue
            was_thinking = self.thinking
            if token in self._marker_ids:
                self._write(self._utf8.decode(b"", final=True))  # a character cut by a tag never completes
                self._tag(token)
            else:
                self._write(self._utf8.decode(self._renderer.token_bytes(token)))
            self.reasoning_tokens += was_thinking or self.thinking
        return self._take()

    def finish(self) -> list[Delta]:
        """The rest: what was held back, U+FFFD for an incomplete character, an unclosed tool call as content."""
        self._write(self._utf8.decode(b"", final=True))
        if self._block is not None:
            self._write_block(self._block)
        self._emit("\n" * self._newlines)
        self._newlines = 0
        return self._take()

    def _tag(self, token: int) -> None:
        markers, untouched = self._markers, self._untouched
        self._untouched = False
        if self._block is not None and token == markers.tool_call:
            self._block.append([])
        elif self._block is not None and token == markers.tool_call_end:
            self._close_block(self._block)
        elif self._block is None and token == markers.think and untouched:
            self.thinking = self._after_tag = True
        elif self.thinking and token == markers.think_end:
            self.thinking, self._after_tag = False, True
        elif self._block is None and not self.thinking and token == markers.tool_call:
            self._block = [[]]
        else:
            self._write(self._marker_ids[token])

    def _write(self, text: str) -> None:
        if self._block is not None:
            self._block[-1].append(text)
            return
        if self._after_tag:
            text = text.lstrip("\n")
        if not text:
            return
        self._untouched = self._after_tag = False
        if self.thinking:
            self._emit(text)
            return
        shown = text.rstrip("\n")
        if shown:
            self._emit("\n" * self._newlines + shown)
            self._newlines = 0
        self._newlines += len(text) - len(shown)

    def _close_block(self, block: list[list[str]]) -> None:
        """A tool call where the block is one; else where its last opening begins one; else all of it is content."""
        texts = ["".join(pieces) for pieces in block]
        if call := parse_tool_call("<tool_call>".join(texts)):
            self._emit_call(call)
        elif call := parse_tool_call(texts[-1]):
            self._write_block(block[:-1])
            self._emit_call(call)
        else:
            self._write_block(block)
            self._write("</tool_call>")

    def _write_block(self, block: list[list[str]]) -> None:
        self._block = None
        self._write("".join("<tool_call>" + "".join(pieces) for pieces in block))

    def _emit_call(self, call: ToolCall) -> None:
        self._block, self._newlines, self._after_tag = None, 0, True
        self._pieces.append(Delta("tool_call", tool_call=call))

    def _emit(self, text: str) -> None:
        if text:
            self._pieces.append(Delta("reasoning" if self.thinking else "content", text))

    def _take(self) -> list[Delta]:
        """The deltas since the last call, neighbours of one kind joined."""
        taken: list[Delta] = []
        for kind, neighbours in groupby(self._pieces, key=lambda piece: piece.kind):
            pieces = list(neighbours)
            taken += pieces if kind == "tool_call" else [Delta(kind, "".join(piece.text for piece in pieces))]
        self._pieces = []
        return taken
