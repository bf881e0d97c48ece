"""Stop strings in a text that arrives in pieces: what may be the beginning of one is held back until it is certain."""

from collections.abc import Sequence


class StopText:
    """`found` is the stop string that ended the text; from then on nothing more comes out.

    Args:
        stops: where several match, the one that is complete first ends the text, of those the longest
        keep: whether the stop string itself belongs to the text
    """

    def __init__(self, stops: Sequence[str], keep: bool = False):
        self.found: str | None = None
        self._stops = tuple(stops)
        self._keep = keep
        self._held = ""

    def push(self, text: str) -> str:
        """The part of what has come so far that certainly belongs to the text, as far as it has not been given yet."""
        if self.found is not None:
            return ""
        text = self._held + text
        ends = [(at + len(stop), at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        if ends:
            end, begin, self.found = min(ends)
            self._held = ""
            return text[: end if self._keep else begin]
        certain = len(text) - self._uncertain(text)
        self._held = text[certain:]
        return text[:certain]

    def flush(self) -> str:
        """What is held back: no stop string can follow any more."""
        held, self._held = self._held, ""
        return held

    def _uncertain(self, text: str) -> int:
        """Length of the longest end of `text` that begins a stop string."""
        longest = min(len(text), max((len(stop) for stop in self._stops), default=1) - 1)
        for length in range(longest, 0, -1):
            end = text[-length:]
            if any(stop.startswith(end) for stop in self._stops):
                return length
        return 0
