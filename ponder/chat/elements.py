"""What an output is made of, read from its token ids: runs of text, and tags."""

import codecs
from typing import NamedTuple

from ponder.chat.renderer import Renderer


class Element(NamedTuple):
    """A run of text, or a tag in its spelling."""

    text: str
    tag: bool


class ElementReader:
    """Turns ids into elements, in which characters that tokens cut are whole; what is in doubt waits for the next id.

    `unshown`: ids that are no part of the output, wherever they stand.
    """

    def __init__(self, renderer: Renderer):
        markers = renderer.markers
        self._token_bytes = renderer.token_bytes
        self._tags = {
            markers.think: "<think>",
            markers.think_end: "</think>",
            markers.tool_call: "<tool_call>",
            markers.tool_call_end: "</tool_call>",
        }
        self.unshown = renderer.stop_ids - self._tags.keys()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self, token: int) -> list[Element]:
        """What has become certain with this id."""
        if token not in self._tags:
            return _run(self._utf8.decode(self._token_bytes(token)))
        # A character cut by a tag never completes.
        return [*self.rest(), Element(self._tags[token], tag=True)]

    def rest(self) -> list[Element]:
        """What waits: U+FFFD for a character that never became whole."""
        return _run(self._utf8.decode(b"", final=True))


def _run(text: str) -> list[Element]:
    return [Element(text, tag=False)] if text else []
