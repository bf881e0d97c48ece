"""Admission control: requests at a time and per minute, by caller, and the server's own end."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ponder.server.front.api_keys import Caller
from ponder.server.requests.errors import ApiError

MAX_IN_FLIGHT = 1024  # requests of all callers together; more are told to come again
MAX_CALLERS = 10_000  # whose past is remembered
RATE_HEADERS = tuple(f"x-ratelimit-{what}-requests" for what in ("limit", "remaining", "reset"))


class Admission:
    """Counts what runs, by caller. `draining`: nothing new is let in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.draining = False
        self.in_flight = 0
        self._clock = clock
        self._past: dict[str, _Past] = {}
        self._left = asyncio.Event()  # somebody has left since it was cleared

    async def idle(self) -> None:
        """Until nothing runs any more."""
        while self.in_flight:
            self._left.clear()
            await self._left.wait()

    def enter(self, caller: Caller) -> dict[str, str]:
        """Let a request in; `leave` has to follow.

        Returns:
            the headers that tell the caller how much is left
        Raises:
            ApiError: 429 where the caller has too much, 503 where the server has.
        """
        if self.draining:
            raise ApiError(503, "the server is about to stop", headers={"retry-after": "5"})
        if self.in_flight >= MAX_IN_FLIGHT:
            raise ApiError(503, "the server has too many requests at the moment", headers={"retry-after": "1"})
        past, limits = self._of(caller), caller.limits
        if limits.concurrent is not None and past.running >= limits.concurrent:
            raise ApiError(
                429,
                f"Rate limit reached: {limits.concurrent} requests at a time. Wait for one to end.",
                headers={"retry-after": "1"},
            )
        past.running += 1
        self.in_flight += 1
        if limits.per_minute is None:
            return {}
        try:
            return past.spend(limits.per_minute, self._clock())
        except ApiError:
            self.leave(caller)
            raise

    def leave(self, caller: Caller) -> None:
        self._of(caller).running -= 1
        self.in_flight -= 1
        self._left.set()

    def _of(self, caller: Caller) -> "_Past":
        if caller.name not in self._past:
            if len(self._past) >= MAX_CALLERS:
                self._past = {name: past for name, past in self._past.items() if past.running or past.spent}
            if len(self._past) >= MAX_CALLERS:
                self._past = {name: past for name, past in self._past.items() if past.running}
            self._past[caller.name] = _Past()
        return self._past[caller.name]


@dataclass
class _Past:
    running: int = 0
    spent: float = 0.0  # requests of the last minute, as a bucket that leaks evenly
    seen: float = field(default=-math.inf)

    def spend(self, per_minute: int, now: float) -> dict[str, str]:
        rate = per_minute / 60
        self.spent = max(0.0, self.spent - (now - self.seen) * rate)
        self.seen = now
        if self.spent + 1 > per_minute + 1e-9:
            wait = (self.spent + 1 - per_minute) / rate
            raise ApiError(
                429,
                f"Rate limit reached: {per_minute} requests per minute. Try again in {wait:.1f} s.",
                headers=self._headers(per_minute) | {"retry-after": str(math.ceil(wait))},
            )
        self.spent += 1
        return self._headers(per_minute)

    def _headers(self, per_minute: int) -> dict[str, str]:
        left, until_all = int(per_minute - self.spent + 1e-9), self.spent * 60 / per_minute
        return dict(zip(RATE_HEADERS, (str(per_minute), str(left), f"{until_all:.0f}s"), strict=True))
