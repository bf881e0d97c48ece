"""Handing a run's metrics to trackers, without ever holding up the run: metrics.jsonl is the truth, these are views of it."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

WAITING_ROWS = 1_000  # that a tracker may be behind; further ones are not sent to it
CLOSE_S = 30.0  # that a tracker has for what it has not sent yet, when the run ends


class Tracker(Protocol):
    """Something that shows metrics. What it raises ends the tracker, not the run."""

    name: str

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Show a row of numbers that are finite. `step` counts the steps of all stages."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class Tracking:
    """Trackers that follow a run, each in a thread of its own. `say` tells people once of one that fails."""

    def __init__(self, trackers: Sequence[Tracker], say: Callable[[str], None]):
        self._followers = [_Follower(tracker) for tracker in trackers]
        self._say = say

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for follower in self._followers:
            follower.hand(step, metrics)
        self._tell()

    def close(self) -> None:
        """Wait, but not for ever, until all has been sent."""
        for follower in self._followers:
            follower.end()
        self._tell()

    def _tell(self) -> None:
        for follower in self._followers:
            if trouble := follower.trouble():
                self._say(f"{follower.tracker.name} shows no more of this run: {trouble}. metrics.jsonl has all of it.")


class _Follower:
    def __init__(self, tracker: Tracker):
        self.tracker = tracker
        self._rows: queue.Queue[tuple[int, Mapping[str, float]] | None] = queue.Queue(WAITING_ROWS)
        self._trouble: str | None = None
        self._told = False
        self._thread = threading.Thread(target=self._follow, name=f"tracker-{tracker.name}", daemon=True)
        self._thread.start()

    def hand(self, step: int, metrics: Mapping[str, float]) -> None:
        if self._trouble is None:
            try:
                self._rows.put_nowait((step, metrics))
            except queue.Full:
                self._trouble = f"it is {WAITING_ROWS:,} rows behind"

    def end(self) -> None:
        try:
            self._rows.put_nowait(None)
        except queue.Full:
            return  # it hangs, and has been told of
        self._thread.join(CLOSE_S)
        if self._thread.is_alive() and self._trouble is None:
            self._trouble = f"it took over {CLOSE_S:.0f} s to send the last rows"

    def trouble(self) -> str | None:
        """What has ended it; once."""
        if self._trouble is None or self._told:
            return None
        self._told = True
        return self._trouble

    def _follow(self) -> None:
        try:
            while (row := self._rows.get()) is not None:
                self.tracker.log(*row)
            self.tracker.close()
        except Exception as error:  # whatever another package raises, the run goes on
            self._trouble = " ".join(f"{type(error).__name__}: {error}".split())
