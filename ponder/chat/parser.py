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
its arguments have begun, and these follow piece by piece. What breaks before is content without ever having begun, with
a note in `tool_call_errors`; where an unclosed call is followed by a good one, the good one survives. What has been told
as a call stays one, in the stream and in the whole output: where it breaks later (no JSON, no `</tool_call>`), the rest
up to `</tool_call>` belongs to its arguments, and it is noted, too. Tags in a JSON string are text. Calls of other families
(ponder.chat.call_styles) are told when they are whole.

With `lenient`, what is plainly a call is one: complete arguments of which the output has no `</tool_call>`, or whose object
has too few or too many `}`; and an answer that is nothing but the JSON of calls (ponder.chat.bare_calls), which `bare=False`
leaves alone: JSON is what some answers are asked for.

**Tool calls inside the thought**: models draft calls while thinking, and a draft must not be carried out; but some
make their calls there and stop. With `tool_mode="strict"` all of them are reasoning. With "act", a `<tool_call>` that
begins a line opens a candidate. One that is well-formed, of a known name and with all required arguments is held back,
and so is what follows it, until it is certain: where `</think>` comes later they were drafts and become reasoning;
where the output ends first they become calls. `</think>` ends the thought wherever it stands, but for a JSON string.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from ponder.chat.bare_calls import BareCalls
from ponder.chat.call_blocks import JsonBlock, TextBlock
from ponder.chat.call_styles import CALL_STYLES, properties_of
from ponder.chat.deltas import Delta, ParsedOutput, ToolCallError, joined_neighbours, text_of
from ponder.chat.drafts import Drafts
from ponder.chat.elements import Element, ElementReader
from ponder.chat.markers import CALL_TAGS
from ponder.chat.open_call import CallEnd, CallTeller, OpenCall
from ponder.chat.renderer import Renderer
from ponder.chat.tool_calls import ToolCall, required_arguments

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
    **how: bool,
) -> ParsedOutput:
    """The parts of a finished output. `thinking_open` is that of the prompt (`Prompt.thinking_open`); `how` as in
    `OutputParser`."""
    parser = OutputParser(renderer, thinking_open, tools, tool_mode, **how)
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


class OutputParser:
    """Parses one output: `push` ids as they are sampled, in pieces of any size, then `finish` once.

    `tools`: the functions that may be called, in OpenAI's form; None allows any name, an empty list none.
    `lenient`, `bare`: see above. `answering`: an answer has begun before this output; no `<think>` opens a thought.
    `thinking`: whether the output is inside a thought now. `reasoning_tokens`: as in `ParsedOutput`, so far.
    `tool_call_errors`: attempts at calls that failed, so far. `held_calls`: how many complete calls of the thought
    are held back; if the output ended now, they would be made.
    """

    def __init__(
        self,
        renderer: Renderer,
        thinking_open: bool,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_mode: ToolMode = "strict",
        *,
        lenient: bool = False,
        bare: bool = True,
        answering: bool = False,
    ):
        self.thinking = thinking_open
        self.reasoning_tokens = 0
        self.tool_call_errors: list[ToolCallError] = []
        self._tool_response = renderer.markers.tool_response
        self._required = None if tools is None else required_arguments(tools)
        self._properties = properties_of(tools or ())
        self._style = CALL_STYLES[renderer.call_style if tools else "hermes"]
        self._act = tool_mode == "act"
        self._lenient = lenient
        marks = (*CALL_TAGS, *self._style.openings, *self._style.closings) if tools else ()
        self._elements = ElementReader(renderer, marks)
        self._tokens = 0  # read so far, without stop ids
        self._begun = answering  # more than white space has been written: no <think> opens a thought any more
        self._lead: list[str] = []  # the white space before that
        self._after_tag = thinking_open  # newlines that come now are separators
        self._line_start = True  # inside the thought
        self._newlines = 0  # at the end of the content, held back: a tool call may follow
        self._open: OpenCall | None = None
        self._bare = BareCalls(self._properties) if tools and lenient and bare and not answering else None
        self._teller = CallTeller()
        self._drafts = Drafts()
        self._since_call = 0  # tokens after the last candidate
        self._draft_errors: list[ToolCallError] = []

    @property
    def held_calls(self) -> int:
        return self._drafts.calls

    @property
    def wants_stop(self) -> bool:
        """Whether to stop sampling, because a call was made inside the thought and nothing of use will follow.

        True only where the model has ended its turn and is sampled on, invents the result (`<tool_response>`), or has
        written GRACE_TOKENS more. Stopping is safe at any token and `finish` then makes the calls; who does not stop
        loses nothing either, but sees no reasoning until the end. Always False with "strict".
        """
        return bool(self._drafts) and self._open is None and self._since_call >= GRACE_TOKENS

    def push(self, ids: Iterable[int]) -> list[Delta]:
        """What has become certain with these ids: complete characters, pieces of calls, in order."""
        for token in ids:
            unshown = token in self._elements.unshown
            if self._drafts and self._open is None:
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
        while self._open is not None:
            self._read(self._after_call(self._open, self._open.finish()))
        self._make_bare_calls()
        self._make_drafts()
        self._emit("\n" * self._newlines)
        self._newlines = 0
        return self._take()

    def _read(self, elements: Sequence[Element]) -> None:
        waiting = list(reversed(elements))
        while waiting:
            element = waiting.pop()
            if self._open is not None:
                # What was inside a call that turned out to be none is read again, as the text that it is. Each
                # <tool_call> opens a block once, and of two open ones that overlap one is in a string where the other
                # is not; a third would break one of them. So no text is read more than a few times.
                if (end := self._open.take(element)) is not None:
                    waiting += reversed(self._after_call(self._open, end))
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
            self._drop_drafts()
            self.thinking, self._after_tag = False, True
            self.reasoning_tokens = self._tokens
        elif self._opens_call(tag):
            self._let_bare_go()
            self._after_tag = False
            block = (
                JsonBlock(self._properties, self._lenient)
                if tag == CALL_TAGS[0]
                else TextBlock(tag, self._style, self._properties)
            )
            self._open = OpenCall(block, self._teller, self._required, self._lenient, self.thinking)
        else:
            self._write(tag)

    def _opens_call(self, tag: str) -> bool:
        if tag != CALL_TAGS[0] and tag not in self._style.openings:
            return False
        return not self.thinking or (self._act and self._line_start)

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
            (self._drafts.add if self._drafts else self._emit)(text)
            return
        if self._bare is None:
            self._say(text)
        elif not self._bare.push(text):
            self._let_bare_go()

    def _say(self, text: str) -> None:
        shown = text.rstrip("\n")
        if shown:
            self._emit("\n" * self._newlines + shown)
            self._newlines = 0
        self._newlines += len(text) - len(shown)

    def _after_call(self, opened: OpenCall, end: CallEnd) -> Sequence[Element]:
        """Goes on behind a call that has ended; returns what has to be read again."""
        self._open = None
        if end.error is not None:
            (self._draft_errors if self.thinking else self.tool_call_errors).append(end.error)
        if end.as_text:
            self._write(opened.block.opening)
        elif self.thinking:
            self._drafts.hold(end.calls, opened.text())
            self._since_call, self._line_start = 0, True
        else:
            for call in end.calls:
                self._teller.make(call)
            self._newlines, self._after_tag = 0, True
        return end.again

    def _make_drafts(self) -> None:
        """The output ended inside the thought: its candidates are calls."""
        for piece in self._drafts.made():
            if isinstance(piece, str):
                self._emit(piece)
            else:
                self._teller.make(piece)
        self.tool_call_errors += self._draft_errors

    def _drop_drafts(self) -> None:
        for text in self._drafts.dropped():
            self._emit(text)
        self._draft_errors = []

    def _make_bare_calls(self) -> None:
        if self._bare is not None and (calls := self._bare.calls()):
            self._bare = None
            for call in calls:
                self._teller.make(call)
        self._let_bare_go()

    def _let_bare_go(self) -> None:
        """What has been held back for a bare call is text."""
        if self._bare is not None:
            held, self._bare = "".join(self._bare.held), None
            self._say(held)

    def _emit(self, text: str) -> None:
        if text:
            self._teller.pieces.append(Delta("reasoning" if self.thinking else "content", text))

    def _take(self) -> list[Delta]:
        taken, self._teller.pieces = joined_neighbours(self._teller.pieces), []
        return taken
