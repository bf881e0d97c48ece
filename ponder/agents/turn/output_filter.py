"""What gets out of what a model wrote: content up to a stop string, and no more tool calls than were asked for."""

from collections.abc import Iterable
from dataclasses import replace

from ponder.agents.turn.stops import StopText
from ponder.chat.deltas import Delta


class OutputFilter:
    """Lets a parser's deltas through. `calls`: tool calls so far."""

    def __init__(self, stops: StopText, single_call: bool = False):
        self._stops, self._single = stops, single_call
        self.calls = 0

    @property
    def stop(self) -> str | None:
        """The stop string that ended the content."""
        return self._stops.found

    def push(self, deltas: Iterable[Delta]) -> list[Delta]:
        shown = []
        for delta in deltas:
            if delta.kind == "content":
                if text := self._stops.push(delta.text):
                    shown.append(replace(delta, text=text))
                continue
            if delta.index is not None:
                if self.stop is not None or (self._single and self.calls):
                    continue
                shown += self.finish()
            shown.append(delta)
            self.calls += delta.kind == "tool_call_end"
        return shown

    def finish(self) -> list[Delta]:
        """What was held back, since no stop string can come any more."""
        text = self._stops.flush()
        return [Delta("content", text)] if text else []
