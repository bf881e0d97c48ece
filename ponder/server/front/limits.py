"""Who may ask, and how much: API keys, requests at a time and per minute, and the server's own end."""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ponder.server.requests.errors import ApiError

MAX_IN_FLIGHT = 1024  # requests of all callers together; more are told to come again
MAX_CALLERS = 10_000  # whose past is remembered
MAX_UPLOADS = 64 << 20  # bytes of one caller's bodies that have not come whole yet
SMALL_UPLOAD = 1 << 16  # bytes of each that count for nothing: small requests always come through
RATE_HEADERS = tuple(f"x-ratelimit-{what}-requests" for what in ("limit", "remaining", "reset"))


@dataclass(frozen=True)
class Limits:
    """Of one caller; None is without a limit."""

    concurrent: int | None = None
    per_minute: int | None = None


@dataclass(frozen=True)
class Caller:
    name: str
    limits: Limits


class Keys:
    """API keys, of which only digests are kept."""

    def __init__(self, callers: dict[bytes, Caller]):
        self._callers = callers

    @classmethod
    def load(cls, path: Path, default: Limits) -> "Keys":
        """A file with a key on each line, and behind it, where wanted: name=WORD concurrent=N per_minute=N.
        Empty lines and those that begin with # are passed over.

        Raises:
            ValueError: a line that cannot be read, by its number; a key that stands there twice; no key at all.
        """
        callers: dict[bytes, Caller] = {}
        lines: dict[bytes, int] = {}
        # Editors on Windows write a byte order mark, which would be part of the first key.
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
            key, *settings = line.split() or [""]
            if not key or key.startswith("#"):
                continue
            digest = _digest(key)
            if digest in lines:
                raise ValueError(
                    f"{path}, line {number}: the key of line {lines[digest]} again; remove one of the lines"
                )
            lines[digest] = number
            callers[digest] = _caller(settings, default, path, number)
        if not callers:
            raise ValueError(f"{path} holds no key: write one on each line")
        if len({caller.name for caller in callers.values()}) < len(callers):
            raise ValueError(f"{path} gives two keys the same name")
        return cls(callers)

    @classmethod
    def of(cls, key: str) -> "Keys":
        """A single key, without limits."""
        return cls({_digest(key): Caller("the key", Limits())})

    def __len__(self) -> int:
        return len(self._callers)

    def caller(self, authorization: bytes) -> Caller | None:
        """Whose key is in the header `Authorization: Bearer KEY`."""
        scheme, _, key = authorization.partition(b" ")
        return self._callers.get(_digest(key.strip())) if scheme.lower() == b"bearer" else None


class Uploads:
    """Counts the bytes of bodies that are on their way, by caller: each is read before its request takes a place."""

    def __init__(self):
        self._held: dict[str, int] = {}

    @contextmanager
    def of(self, caller: Caller) -> "Iterator[Upload]":
        """While one body is read."""
        upload = Upload(self._held, caller.name)
        try:
            yield upload
        finally:
            upload.ends()


class Upload:
    def __init__(self, held: dict[str, int], name: str):
        self._all, self._name, self._counted = held, name, 0

    def holds(self, size: int) -> None:
        """It has `size` bytes so far. Raises ApiError, 429, where the caller's bodies are too many."""
        counted = max(0, size - SMALL_UPLOAD)
        held = self._all.get(self._name, 0) + counted - self._counted
        if held > MAX_UPLOADS:
            raise ApiError(
                429,
                f"more than {MAX_UPLOADS >> 20} MB of your requests are on their way: send fewer at a time",
                headers={"retry-after": "1", "connection": "close"},
            )
        if counted:
            self._all[self._name], self._counted = held, counted

    def ends(self) -> None:
        if self._counted:
            self._all[self._name] -= self._counted
            if not self._all[self._name]:
                del self._all[self._name]


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


def _caller(settings: list[str], default: Limits, path: Path, line: int) -> Caller:
    given = dict(setting.partition("=")[::2] for setting in settings)
    unknown = given.keys() - {"name", "concurrent", "per_minute"}
    numbers = {name: text for name, text in given.items() if name != "name"}
    if unknown or not all(text.isdecimal() and int(text) > 0 for text in numbers.values()):
        raise ValueError(
            f"{path}, line {line}: behind the key may stand name=WORD, concurrent=N and per_minute=N, N above 0"
        )
    limits = Limits(
        concurrent=int(numbers["concurrent"]) if "concurrent" in numbers else default.concurrent,
        per_minute=int(numbers["per_minute"]) if "per_minute" in numbers else default.per_minute,
    )
    return Caller(given.get("name") or f"key of line {line}", limits)


def _digest(key: str | bytes) -> bytes:
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()
