"""Slots for running jobs, shared out fairly among clients."""

import asyncio
from collections import deque


class QueueFull(Exception):
    """Too many jobs wait; come again after `retry_after_s` seconds."""

    def __init__(self, waiting: int, retry_after_s: float):
        super().__init__(f"{waiting:,} jobs are waiting already; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class Draining(QueueFull):
    """The sandbox is about to stop and takes nothing new."""


class Slots:
    """`count` slots. Clients take turns, and where there are three slots or more, none holds all of them.

    So one client with many slow jobs delays others by a share of the machine, never until its jobs are done. The
    client "" (a sandbox inside the process that uses it) has no others beside it and may hold all.
    """

    def __init__(self, count: int, queue_limit: int):
        self.count, self._free, self._queue_limit = count, count, queue_limit
        self._most_each = count - 1 if count > 2 else count
        self._held: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._turns: deque[str] = deque()
        self.queued = 0

    async def take(self, client: str, expected_s: float) -> None:
        """Waits for a slot. Raises QueueFull; `expected_s` is a job's usual time, for the advice it gives."""
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
        return not client or self._held.get(client, 0) < self._most_each

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
