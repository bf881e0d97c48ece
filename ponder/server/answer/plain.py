"""Output without parts, as /v1/completions returns it: text as it comes, nothing told apart."""

import codecs
from collections.abc import Iterable

from ponder.chat.deltas import Delta
from ponder.chat.renderer import Renderer


class PlainParser:
    """Stands where an `OutputParser` stands, and finds nothing but content."""

    thinking = False
    wants_stop = False
    reasoning_tokens = 0
    held_calls = 0
    tool_call_errors = ()

    def __init__(self, renderer: Renderer):
        self._bytes_of = renderer.token_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, ids: Iterable[int]) -> list[Delta]:
        return self._content(self._utf8.decode(b"".join(map(self._bytes_of, ids))))

    def finish(self) -> list[Delta]:
        return self._content(self._utf8.decode(b"", final=True))

    def _content(self, text: str) -> list[Delta]:
        return [Delta("content", text)] if text else []
