"""Slots for running jobs, shared out fairly among clients."""

import asyncio
from collections import deque
from time import monotonic

RECENT_S = 30.0
MAX_SEEN = 10_000  # clients that are remembered


class QueueFull(Exception):
    """Too many jobs wait; come again after `retry_after_s` seconds."""

    def __init__(self, waiting: int, retry_after_s: float):
        super().__init__(f"{waiting:,} jobs are waiting already; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class TooManySessions(QueueFull):
    """As many sessions are open as this sandbox holds."""

    def __init__(self, limit: int, retry_after_s: float):
        super().__init__(limit, retry_after_s)
        self.args = (
            f"{limit:,} sessions are open, the most that this sandbox holds: close one, start it with a larger "
            f"--sessions, or try again in {retry_after_s:.0f} s, when idle ones have ended",
        )


class Draining(QueueFull):
    """The sandbox is about to stop and takes nothing new."""


class Slots:
    """`count` slots. Clients take turns. A client alone may hold all of them; where there are three or more, and another
    client has asked for one within the last 30 seconds, none holds all.

    So one client with many slow jobs delays others by a share of the machine, never until its jobs are done; whoever
    comes anew waits for one of these jobs at most.
    """

    def __init__(self, count: int, queue_limit: int):
        self.count, self._free, self._queue_limit = count, count, queue_limit
        self._most_each = count - 1 if count > 2 else count
        self._held: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._turns: deque[str] = deque()
        self._seen: dict[str, float] = {}  # when each client has last asked, the latest last
        self.queued = 0

    async def take(self, client: str, expected_s: float) -> None:
        """Waits for a slot. Raises QueueFull; `expected_s` is a job's usual time, for the advice it gives."""
        self._see(client)
        if self._free and self._may_hold(client) and not self._waiting.get(client):
            self._hold(client)
            return
        if self.queued >= self._queue_limit:
            raise QueueFull(self.queued, max(1.0, self.queued * expected_s / self.count))
        future = asyncio.get_running_loop().create_future()
        if client not in self._waiting:
            self._waiting[client] = deque()
            self._turns.append(client)
        self._waiting[client].append(future)
        self.queued += 1
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give_back(client)  # it was given in the same moment
            raise

    def give_back(self, client: str) -> None:
        self._free += 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
        self._next()

    def _may_hold(self, client: str) -> bool:
        return self._held.get(client, 0) < self._most_each or self._is_alone(client)

    def _see(self, client: str) -> None:
        self._seen.pop(client, None)
        self._seen[client] = monotonic()
        while len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]

    def _is_alone(self, client: str) -> bool:
        latest = next((seen for other, seen in reversed(self._seen.items()) if other != client), None)
        return latest is None or monotonic() - latest > RECENT_S

    def _hold(self, client: str) -> None:
        self._free -= 1
        self._held[client] = self._held.get(client, 0) + 1

    def _next(self) -> None:
        """Gives free slots to those who wait, one client after another."""
        for _ in range(len(self._turns)):
            if not self._free:
                return
            client = self._turns[0]
            self._turns.rotate(-1)
            waiting = self._waiting[client]
            while waiting and waiting[0].done():  # cancelled
                waiting.popleft()
                self.queued -= 1
            if waiting and self._may_hold(client):
                self.queued -= 1
                self._hold(client)
                waiting.popleft().set_result(None)
            if not waiting:
                del self._waiting[client]
                self._turns.remove(client)
