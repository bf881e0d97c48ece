"""What a model wrote, told apart by token ids: reasoning, content and tool calls, while it is still writing.

Tags are found by id. Where the tokenizer has no tokens for those of thoughts they are found in the text, to the same
effect (ponder.chat.elements). Where thinking begins is known from the renderer, not guessed. The texts of all deltas,
with the markers between them, are the decoded output; only separators are left out, and these are

- stop ids, wherever they stand (tags, where a model stops at them, stay tags);
- a `<think>` before which there is nothing but white space, and that: the model repeats what the prompt has opened, or
  opens the thought itself. It opens one nowhere else: a later `<think>` is talk about the tag;
- newlines directly after `<think>`, `</think>` and a tool call, and those directly before a tool call in the answer;
- newlines at the start where the prompt has opened the thought, since they directly follow its `<think>`.

A thought ends with its first `</think>`, in quotation marks or not. Every other tag out of its place is plain text.

**Tool calls in the answer** are told as they are written: a call begins when its name is complete and one of `tools`, and
its arguments follow piece by piece. Where it turns out later that it is no call (broken JSON, no `</tool_call>`), it
ends with an error and its text follows as content. So the deltas, taken together, say the same however the ids were
cut: the whole output has the text as content, a note in `tool_call_errors`, and no call; the error is for those who
have seen the beginning already. What breaks before its name is known and allowed is content without ever having begun.
Where an unclosed call is followed by a good one, the good one survives.

**Tool calls inside the thought**: models draft calls while thinking, and a draft must not be carried out; but some
make their calls there and stop. With `tool_mode="strict"` all of them are reasoning. With "act", a `<tool_call>` that
begins a line opens a candidate. One that is well-formed, of a known name and with all required arguments is held back,
and so is what follows it, until it is certain: where `</think>` comes later they were drafts and become reasoning;
where the output ends first they become calls. `</think>` ends the thought wherever it stands, even in a candidate.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ponder.chat.deltas import Delta, ParsedOutput, ToolCallError, joined_neighbours, text_of
from ponder.chat.elements import Element, ElementReader
from ponder.chat.renderer import Renderer
from ponder.chat.tool_calls import ToolCall, ToolCallReader, required_arguments

__all__ = ["Delta", "OutputParser", "ParsedOutput", "ToolCall", "ToolCallError", "parse_output", "parsed_output"]

ToolMode = Literal["strict", "act"]

# Tokens after a call in the thought until the gateway stops: enough for a `</think>`, few to throw away.
GRACE_TOKENS = 64


def parse_output(
    ids: Iterable[int],
    renderer: Renderer,
    thinking_open: bool,
    tools: Sequence[Mapping[str, Any]] | None = None,
    tool_mode: ToolMode = "strict",
) -> ParsedOutput:
    """The parts of a finished output. `thinking_open` is that of the prompt (`Prompt.thinking_open`)."""
    parser = OutputParser(renderer, thinking_open, tools, tool_mode)
    return parsed_output(parser.push(ids) + parser.finish(), parser)


def parsed_output(deltas: Sequence[Delta], parser: "OutputParser") -> ParsedOutput:
    """The whole that the deltas of a finished `parser` add up to."""
    return ParsedOutput(
        reasoning=text_of(deltas, "reasoning"),
        content=text_of(deltas, "content"),
        tool_calls=tuple(delta.tool_call for delta in deltas if delta.tool_call),
        thinking_closed=not parser.thinking,
        reasoning_tokens=parser.reasoning_tokens,
        tool_call_errors=tuple(parser.tool_call_errors),
    )


@dataclass
class _Block:
    """A tool call that is open. `index` is set once its start has been told."""

    reader: ToolCallReader = field(default_factory=ToolCallReader)
    elements: list[Element] = field(default_factory=list)
    name_checked: bool = False
    index: int | None = None


class OutputParser:
    """Parses one output: `push` ids as they are sampled, in pieces of any size, then `finish` once.

    `tools`: the functions that may be called, in OpenAI's form; None allows any name, an empty list none.
    `thinking`: whether the output is inside a thought now. `reasoning_tokens`: as in `ParsedOutput`, so far.
    `tool_call_errors`: attempts at calls that became text, so far. `held_calls`: how many complete calls of the thought
    are held back; if the output ended now, they would be made.
    """

    def __init__(
        self,
        renderer: Renderer,
        thinking_open: bool,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_mode: ToolMode = "strict",
    ):
        self.thinking = thinking_open
        self.reasoning_tokens = 0
        self.tool_call_errors: list[ToolCallError] = []
        self.held_calls = 0
        self._tool_response = renderer.markers.tool_response
        self._required = None if tools is None else required_arguments(tools)
        self._act = tool_mode == "act"
        self._elements = ElementReader(renderer)
        self._tokens = 0  # read so far, without stop ids
        self._begun = False  # something other than white space has been written: no <think> opens a thought any more
        self._lead: list[str] = []  # the white space before that
        self._after_tag = thinking_open  # newlines that come now are separators
        self._line_start = True  # inside the thought
        self._newlines = 0  # at the end of the content, held back: a tool call may follow
        self._block: _Block | None = None
        self._calls = 0  # whose start has been told
        self._held: list[ToolCall | str] = []  # a candidate of the thought and all that follows it
        self._since_call = 0  # tokens after the last candidate
        self._draft_errors: list[ToolCallError] = []
        self._pieces: list[Delta] = []

    @property
    def wants_stop(self) -> bool:
        """Whether to stop sampling, because a call was made inside the thought and nothing of use will follow.

        True only where the model has ended its turn and is sampled on, invents the result (`<tool_response>`), or has
        written GRACE_TOKENS more. Stopping is safe at any token and `finish` then makes the calls; who does not stop
        loses nothing either, but sees no reasoning until the end. Always False with "strict".
        """
        return bool(self._held) and self._block is None and self._since_call >= GRACE_TOKENS

    def push(self, ids: Iterable[int]) -> list[Delta]:
        """What has become certain with these ids: complete characters, pieces of calls, in order."""
        for token in ids:
            unshown = token in self._elements.unshown
            if self._held and self._block is None:
                self._since_call += GRACE_TOKENS if unshown or token == self._tool_response else 1
            if unshown:
                continue
            self._tokens += 1
            self._read(self._elements.read(token))
            if self.thinking:
                self.reasoning_tokens = self._tokens
        return self._take()

    def finish(self) -> list[Delta]:
        """The rest: what was held back, U+FFFD for an incomplete character, an unclosed tool call as text."""
        self._read(self._elements.rest())
        self._begin()
        while self._block is not None:
            self._read(self._give_up(self._block, "the call is never closed"))
        self._make_held_calls()
        self._emit("\n" * self._newlines)
        self._newlines = 0
        return self._take()

    def _read(self, elements: Sequence[Element]) -> None:
        waiting = list(reversed(elements))
        while waiting:
            element = waiting.pop()
            if self._block is not None:
                # What was inside a block that turned out to be none is read again, as the text that it is. Each
                # <tool_call> opens a block once, and of two open ones that overlap one is in a string where the other
                # is not; a third would break one of them. So no text is read more than a few times.
                waiting += reversed(self._in_block(self._block, element))
            elif element.tag:
                self._tag(element.text)
            else:
                self._write(element.text)

    def _tag(self, tag: str) -> None:
        if tag == "<think>" and not self._begun:
            self._lead, self._begun = [], True
            self.thinking = self._after_tag = self._line_start = True
            return
        self._begin()
        if tag == "</think>" and self.thinking:
            self._drop_held_calls()
            self.thinking, self._after_tag = False, True
            self.reasoning_tokens = self._tokens
        elif tag == "<tool_call>" and (not self.thinking or (self._act and self._line_start)):
            self._block, self._after_tag = _Block(), False
        else:
            self._write(tag)

    def _begin(self) -> None:
        """The output has begun: the white space before it was no place for a <think>."""
        self._begun = True
        self._write("".join(self._lead))
        self._lead = []

    def _write(self, text: str) -> None:
        if not self._begun:
            if text.isspace():
                self._lead.append(text)
                return
            self._begin()
        if self._after_tag:
            text = text.lstrip("\n")
        if not text:
            return
        self._after_tag = False
        if self.thinking:
            self._line_start = text.endswith("\n")
            self._think(text)
            return
        shown = text.rstrip("\n")
        if shown:
            self._emit("\n" * self._newlines + shown)
            self._newlines = 0
        self._newlines += len(text) - len(shown)

    def _in_block(self, block: _Block, element: Element) -> list[Element]:
        """Reads on in an open call; returns what has to be read again where it is none."""
        block.elements.append(element)
        try:
            if self.thinking and element == Element("</think>", tag=True):
                raise ValueError("the thought ends inside the call")
            if element == Element("</tool_call>", tag=True):
                self._close(block, block.reader.close())
                return []
            block.reader.feed(element.text)
            if block.reader.name is not None:
                self._tell(block, block.reader.name)
        except ValueError as error:
            return self._give_up(block, str(error))
        return []

    def _tell(self, block: _Block, name: str) -> None:
        if not block.name_checked:
            if self._required is not None and name not in self._required:
                raise ValueError(f"there is no tool of the name {name[:64]!r}")
            block.name_checked = True
        if self.thinking:
            return
        if block.index is None:
            block.index = self._begin_call(name)
        if text := block.reader.new_arguments():
            self._pieces.append(Delta("tool_call_arguments", text, block.index))

    def _close(self, block: _Block, call: ToolCall) -> None:
        if self.thinking:
            missing = (self._required or {}).get(call.name, frozenset()) - call.arguments.keys()
            if missing:
                raise ValueError(f"required arguments are missing: {', '.join(sorted(missing))}")
            self._held.append(call)
            self.held_calls += 1
            self._since_call, self._line_start = 0, True
        else:
            self._tell(block, call.name)
            self._pieces.append(Delta("tool_call_end", index=block.index, tool_call=call))
            self._newlines, self._after_tag = 0, True
        self._block = None

    def _give_up(self, block: _Block, reason: str) -> list[Element]:
        """Makes the call's opening text, and returns what was inside, to be read again."""
        self._block = None
        error = ToolCallError(reason, block.reader.name, block.index)
        (self._draft_errors if self.thinking else self.tool_call_errors).append(error)
        if block.index is not None:
            self._pieces.append(Delta("tool_call_error", reason, block.index))
        self._write("<tool_call>")
        return block.elements

    def _make_held_calls(self) -> None:
        """The output ended inside the thought: its candidates are calls."""
        after_call = False
        for piece in self._held:
            if isinstance(piece, str):
                text = piece.lstrip("\n") if after_call else piece
                after_call = after_call and not text
                self._emit(text)
                continue
            index, after_call = self._begin_call(piece.name), True
            self._pieces.append(Delta("tool_call_arguments", piece.arguments_text, index))
            self._pieces.append(Delta("tool_call_end", index=index, tool_call=piece))
        self._held, self.held_calls = [], 0
        self.tool_call_errors += self._draft_errors

    def _drop_held_calls(self) -> None:
        """The thought is closed: its candidates were drafts."""
        for piece in self._held:
            self._emit(piece if isinstance(piece, str) else f"<tool_call>{piece.raw}</tool_call>")
        self._held, self.held_calls, self._draft_errors = [], 0, []

    def _begin_call(self, name: str) -> int:
        index = self._calls
        self._calls += 1
        self._pieces.append(Delta("tool_call_start", index=index, name=name))
        return index

    def _think(self, text: str) -> None:
        if self._held:
            self._held.append(text)
        else:
            self._emit(text)

    def _emit(self, text: str) -> None:
        if text:
            self._pieces.append(Delta("reasoning" if self.thinking else "content", text))

    def _take(self) -> list[Delta]:
        taken, self._pieces = joined_neighbours(self._pieces), []
        return taken
