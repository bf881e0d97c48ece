"""A call that is open in an output: told while it is written, kept to where it breaks, or given up as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ponder.chat.call_blocks import BEGIN_OF_CALL, END_OF_CALL, JsonBlock, TextBlock
from ponder.chat.deltas import Delta, ToolCallError
from ponder.chat.elements import Element
from ponder.chat.markers import THINK_END
from ponder.chat.tool_calls import ToolCall

END_OF_THOUGHT = Element(THINK_END, tag=True)


class CallTeller:
    """Tells calls in `pieces`, numbered in order."""

    def __init__(self) -> None:
        self.pieces: list[Delta] = []
        self._told = 0

    def begin(self, name: str) -> int:
        index = self._told
        self._told += 1
        self.pieces.append(Delta("tool_call_start", index=index, name=name))
        return index

    def go_on(self, index: int, arguments: str) -> None:
        if arguments:
            self.pieces.append(Delta("tool_call_arguments", arguments, index))

    def end(self, index: int, call: ToolCall) -> None:
        self.pieces.append(Delta("tool_call_end", index=index, tool_call=call))

    def make(self, call: ToolCall) -> None:
        """A whole call."""
        index = self.begin(call.name)
        self.go_on(index, call.arguments_text)
        self.end(index, call)


@dataclass(frozen=True)
class CallEnd:
    """How an open call ended. `as_text`: it was none, and `again` is what was inside, to be read as text; else `again` is
    what comes behind it. `calls`: those that are made and have not been told yet. `error`: what was wrong."""

    as_text: bool = False
    calls: Sequence[ToolCall] = ()
    error: ToolCallError | None = None
    again: Sequence[Element] = field(default=())


class OpenCall:
    """Reads on in a call. `thinking`: it stands in a thought, where nothing is told before all of it is known.

    `required`: what each function requires, None where any name is allowed.
    """

    def __init__(
        self,
        block: JsonBlock | TextBlock,
        teller: CallTeller,
        required: Mapping[str, frozenset[str]] | None,
        lenient: bool,
        thinking: bool,
    ):
        self.block = block
        self._teller, self._required, self._lenient, self._thinking = teller, required, lenient, thinking
        self._name_checked = False

    def text(self) -> str:
        """All of it, as the model wrote it."""
        return self.block.opening + "".join(element.text for element in self.block.elements)

    def take(self, element: Element) -> CallEnd | None:
        """None where the call goes on."""
        block, ends = self.block, False
        if isinstance(block, JsonBlock) and block.broken:
            return self._take_broken(block, element)
        block.elements.append(element)
        try:
            if self._thinking and element == END_OF_THOUGHT and not block.in_string:
                raise ValueError("the thought ends inside the call")
            if ends := block.is_end(element):
                return self._close()
            try:
                block.feed(element)
            finally:
                self._tell()  # also what stood before that which broke it
        except ValueError as error:
            return self._fail(str(error), None if ends else element)
        return None

    def finish(self) -> CallEnd:
        """The output ends in it."""
        reason = "the call is never closed"
        if isinstance(self.block, JsonBlock) and self.block.broken:
            return self._end_broken(self.block)
        if self._lenient or isinstance(self.block, TextBlock):
            try:
                return self._close()
            except ValueError as error:
                reason = reason if isinstance(self.block, JsonBlock) else str(error)
        end = self._fail(reason, None)
        assert end is not None
        return end

    def _tell(self) -> None:
        block = self.block
        if isinstance(block, TextBlock) or not block.name:
            return
        if not self._name_checked:
            self._check_name(block.name)
            self._name_checked = True
        if self._thinking:
            return
        if text := block.reader.new_arguments():
            if block.index is None:
                block.index = self._teller.begin(block.name)
            self._teller.go_on(block.index, text)

    def _check_name(self, name: str) -> None:
        if self._required is not None and name not in self._required:
            raise ValueError(f"there is no tool of the name {name[:64]!r}")

    def _close(self) -> CallEnd:
        calls = self.block.close()
        for call in calls:
            self._check_name(call.name)
            if not self._thinking:
                continue
            required = (self._required or {}).get(call.name, frozenset())
            if missing := required - dict(call.arguments).keys():
                raise ValueError(f"required arguments are missing: {', '.join(sorted(missing))}")
        if self.block.index is None:
            return CallEnd(calls=calls)
        self._teller.end(self.block.index, calls[0])
        return CallEnd()

    def _fail(self, reason: str, at: Element | None) -> CallEnd | None:
        """It is no call, or, where its beginning has been told, a broken one. `at`: what broke it, None where it ended."""
        block = self.block
        if isinstance(block, TextBlock) or block.index is None:
            again = block.elements if isinstance(block, JsonBlock) or at is not None else _plain(block.elements)
            return CallEnd(as_text=True, error=ToolCallError(reason, block.name), again=again)
        unread = block.fail(reason)
        if at == BEGIN_OF_CALL:
            return self._end_broken(block, at)
        if block.quotes_end:  # the string was never closed, and its end has been read already
            return self._end_broken(block, Element(unread, tag=False))
        self._go_on_broken(block, unread)
        return self._end_broken(block) if at is None else None

    def _take_broken(self, block: JsonBlock, element: Element) -> CallEnd | None:
        if element == END_OF_CALL:
            return self._end_broken(block)
        if element == BEGIN_OF_CALL:
            return self._end_broken(block, element)
        self._go_on_broken(block, element.text)
        return None

    def _go_on_broken(self, block: JsonBlock, text: str) -> None:
        block.rest.append(text)
        if not block.whole and block.index is not None:
            self._teller.go_on(block.index, text)

    def _end_broken(self, block: JsonBlock, *again: Element) -> CallEnd:
        assert block.index is not None
        call = block.call_as_it_is()
        self._teller.end(block.index, call)
        return CallEnd(error=None if block.whole else ToolCallError(block.broken, call.name, block.index), again=again)


def _plain(elements: Sequence[Element]) -> list[Element]:
    """What was read to its end as one family's calls in vain is not read once more for calls in it: else each opening of
    many could read all of the rest."""
    return [element if element == END_OF_THOUGHT else Element(element.text, tag=False) for element in elements]
