"""What an output is made of, read from its token ids: runs of text, and tags.

A tag is a token where the tokenizer has one for it, and is then never looked for in text. Where it has none (Qwen2.5,
SmolLM2, Llama), the model writes its letters, and whichever tokens these come in, cut anywhere and with other text in
the same token, they are the same tag.
"""

import codecs
import re
from collections.abc import Sequence
from typing import NamedTuple

from ponder.chat.markers import CALL_TAGS
from ponder.chat.renderer import Renderer


class Element(NamedTuple):
    """A run of text, or a tag in its spelling."""

    text: str
    tag: bool


class ElementReader:
    """Turns ids into elements, in which characters that tokens cut are whole; what is in doubt waits for the next id.

    `calls`: marks of calls that are tags beside those of the tokenizer's own (`Markers`); they may be text.
    `unshown`: ids that are no part of the output, wherever they stand.
    """

    def __init__(self, renderer: Renderer, calls: Sequence[str] = ()):
        markers = renderer.markers
        self._token_bytes = renderer.token_bytes
        marks = {mark: renderer.tokenizer.token_to_id(mark) for mark in calls}
        self._tags = {
            markers.think: "<think>",
            markers.think_end: "</think>",
            markers.tool_call: CALL_TAGS[0],
            markers.tool_call_end: CALL_TAGS[1],
        } | {token: mark for mark, token in marks.items() if token is not None}
        self._tags.pop(None, None)
        self.unshown = renderer.stop_ids - self._tags.keys()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._written = WrittenTags((*markers.written, *(mark for mark, token in marks.items() if token is None)))

    def read(self, token: int) -> list[Element]:
        """What has become certain with this id."""
        if token not in self._tags:
            return self._written.read(self._utf8.decode(self._token_bytes(token)))
        # A character cut by a tag never completes.
        return [*self.rest(), Element(self._tags[token], tag=True)]

    def rest(self) -> list[Element]:
        """What waits: U+FFFD for a character that never became whole, the beginning of a tag that did not."""
        return self._written.read(self._utf8.decode(b"", final=True)) + self._written.rest()


class WrittenTags:
    """Finds tags in a text that comes in pieces. What a tag begins with stands nowhere else in any of them."""

    def __init__(self, tags: Sequence[str]):
        self._tags = tags
        self._split = re.compile(f"({'|'.join(map(re.escape, tags))})") if tags else None
        self._longest = max(map(len, tags), default=0)
        self._first = {tag[0] for tag in tags}
        self._waiting = ""  # the beginning of a tag, at the end of what has been read

    def read(self, text: str) -> list[Element]:
        """What has become certain."""
        if self._split is None or not text:
            return _run(text)
        pieces = self._split.split(self._waiting + text)  # every second one is a tag
        rest = pieces[-1]
        from_here = max(0, len(rest) - self._longest + 1)
        begin = max(rest.rfind(first, from_here) for first in self._first)
        certain = begin if begin >= 0 and any(tag.startswith(rest[begin:]) for tag in self._tags) else len(rest)
        pieces[-1], self._waiting = rest[:certain], rest[certain:]
        return [Element(piece, tag=at % 2 == 1) for at, piece in enumerate(pieces) if piece]

    def rest(self) -> list[Element]:
        """What waits, when nothing follows."""
        waiting, self._waiting = self._waiting, ""
        return _run(waiting)


def _run(text: str) -> list[Element]:
    return [Element(text, tag=False)] if text else []
