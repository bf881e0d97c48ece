"""Calls that are open: what has been read of them, and whether it can still become calls."""

import json
from dataclasses import replace

from ponder.chat.call_forms import Call, MalformedCall
from ponder.chat.call_forms.call import Properties
from ponder.chat.call_forms.xml import CLOSING, xml_call
from ponder.chat.call_styles import LONGEST_NAME, NAME_OF_BLOCK, CallStyle, read_block
from ponder.chat.elements import Element
from ponder.chat.markers import CALL_TAGS
from ponder.chat.tool_calls import ToolCall, ToolCallReader

BEGIN_OF_CALL, END_OF_CALL = (Element(tag, tag=True) for tag in CALL_TAGS)
LAST = 40  # pieces of a text in which its last tag stands


class JsonBlock:
    """A call behind `<tool_call>`: a JSON object, told while it is written; or Qwen3-Coder's `<function=name>` in there,
    which is told when it is whole.

    index: of the call, once its beginning has been told. broken: why a call that has been told is none, or "".
    """

    def __init__(self, properties: Properties, lenient: bool):
        self.opening = CALL_TAGS[0]
        self.elements: list[Element] = []
        self.reader = ToolCallReader(lenient)
        self.index: int | None = None
        self.broken = ""
        self.whole = False  # broken, but not in its arguments
        self.rest: list[str] = []  # what follows where it broke
        self.quotes_end = False  # a </tool_call> stood in a string
        self._properties, self._lenient = properties, lenient
        self._xml: list[str] | None = None

    @property
    def in_string(self) -> bool:
        return self._xml is None and self.reader.in_string

    @property
    def name(self) -> str | None:
        return self.reader.name

    def is_end(self, element: Element) -> bool:
        """`</tool_call>`, but not one in a string: that is an argument's text."""
        if element != END_OF_CALL:
            return False
        if self.in_string:
            self.quotes_end = True
        return not self.in_string and (self._xml is None or _closes_xml("".join(self._xml[-LAST:])))

    def feed(self, element: Element) -> None:
        """Raises ValueError as soon as this cannot become a call any more."""
        text = element.text
        if self._xml is None and not self.reader.raw.strip() and text.lstrip().startswith("<"):
            self._xml = [self.reader.raw]
        if self._xml is None:
            self.reader.feed(text)
            return
        self._xml.append(text)
        begun = "".join(self._xml[:8]).strip()
        if element == BEGIN_OF_CALL:
            raise ValueError("another call begins before its end")
        if not (begun.startswith("<function=") or "<function=".startswith(begun)):
            raise ValueError("neither a JSON object nor <function=name> follows")

    def close(self) -> list[ToolCall]:
        """Raises ValueError where it is no whole call."""
        if self._xml is None:
            return [self.reader.close(cut=self._lenient and self.index is not None)]
        text = "".join(self._xml).rstrip()
        if not _closes_xml(text):
            raise ValueError(f"there is no {CLOSING}")
        text = text if text.endswith(CLOSING) else text + CLOSING
        try:
            call = xml_call(text, self._properties)
        except MalformedCall as error:
            raise ValueError(str(error)) from error
        if call is None:
            raise ValueError("it is no <function=name>...</function>")
        return [told_call(call, "".join(self._xml))]

    def fail(self, reason: str) -> str:
        """Makes it a broken call, or where its arguments are whole a call all the same; returns what of the text that was
        fed last has not been read."""
        self.broken = reason
        if self._lenient:
            try:
                self.reader.close(cut=True)
                self.whole = True
            except ValueError:
                self.whole = False
        return self.reader.unread

    def call_as_it_is(self) -> ToolCall:
        """After `fail`."""
        read = self.reader.raw.removesuffix(self.reader.unread)
        raw = "".join([read, *self.rest])
        if self.whole:
            return replace(self.reader.close(cut=True), raw=raw)
        return ToolCall(self.reader.name or "", raw, raw, "".join([self.reader.arguments_text, *self.rest]))


class TextBlock:
    """Calls behind a mark of the model's family, read when they are whole."""

    index: int | None = None
    in_string = False
    name = None

    def __init__(self, opening: str, style: CallStyle, properties: Properties):
        self.opening = opening
        self.elements: list[Element] = []
        self._style, self._properties = style, properties
        self._head = ""

    def is_end(self, element: Element) -> bool:
        return element.tag and element.text in self._style.closings

    def feed(self, element: Element) -> None:
        """Raises ValueError as soon as this cannot become a call any more: prose that speaks of `<function=` waits for
        nothing."""
        if self.opening == "<function=" and element == Element(self.opening, tag=True):
            raise ValueError("another call begins before its end")
        if self.opening != "<function=" or len(self._head) > LONGEST_NAME:
            return
        self._head += element.text
        named = NAME_OF_BLOCK.match(self.opening + self._head)
        if named is None and (len(self._head) > LONGEST_NAME or "\n" in self._head or ">" in self._head):
            raise ValueError("no name follows <function=")
        if named is not None and self._properties and named[1].strip() not in self._properties:
            raise ValueError(f"there is no tool of the name {named[1][:64]!r}")

    def close(self) -> list[ToolCall]:
        """Raises ValueError where there are no whole calls."""
        text = self.opening + "".join(element.text for element in self.elements)
        return [told_call(call, text) for call in read_block(self._style, text, self._properties)]


def told_call(call: Call, raw: str) -> ToolCall:
    return ToolCall(call.name, call.arguments, raw, json.dumps(call.arguments, ensure_ascii=False))


def _closes_xml(text: str) -> bool:
    """A value may hold the closing tag; behind the end of a parameter or a function it is one."""
    return text.rstrip().endswith((CLOSING, "</parameter>"))
