"""Bodies of requests, read before these take a place: how large they may be, how slow, and how many at a time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from ponder.http.hanging_up import ClientGone
from ponder.server.front.api_keys import Caller
from ponder.server.requests.errors import ApiError

MAX_BODY = 8 << 20  # bytes
TOO_LARGE = f"the body is larger than {MAX_BODY >> 20} MB"
# What JSON costs to read is its values, lists and objects more than others. Commas and brackets are a bound on both, and
# counted in no time; text holds them, too, but none that fits into a context holds so many.
MAX_COMMAS, MAX_BRACKETS = 1 << 18, 1 << 17
TOO_MANY = f"the body has more than {MAX_COMMAS:,} commas or {MAX_BRACKETS:,} brackets: too many values"
CLOSING = {"connection": "close"}
BODY_S = 60.0  # a body has to come within this time
DISCARD_S = 2.0
MAX_UPLOADS = 64 << 20  # bytes of one caller's bodies that have not come whole yet
SMALL_UPLOAD = 1 << 16  # bytes of each that count for nothing: small requests always come through


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


class Body:
    """A body within its limits of size and time."""

    def __init__(self, headers: dict[bytes, bytes], receive):
        self._receive = receive
        length = headers.get(b"content-length", b"0")
        self._announced = int(length) if length.isdigit() and len(length) < 19 else MAX_BODY + 1

    async def look(self) -> None:
        """Refuse a body that is too large by its own word. Raises ApiError."""
        if self._announced > MAX_BODY:
            await self._discard()
            raise ApiError(413, TOO_LARGE, headers=CLOSING)

    async def read(self, uploads: Uploads, caller: Caller) -> Callable[[], Awaitable[dict]]:
        """All of it, within `BODY_S`.

        Returns:
            ASGI's receive, which gives the body again and then what comes after it
        Raises:
            ApiError: 413 for a body that is too large, 408 for one that does not come in time, 429 where the caller
                sends too many at a time.
            ClientGone: its sender has hung up.
        """
        body, whole = bytearray(), False
        left, commas, brackets = MAX_BODY, MAX_COMMAS, MAX_BRACKETS
        try:
            async with asyncio.timeout(BODY_S):
                with uploads.of(caller) as upload:
                    while not whole:
                        message = await self._receive()
                        if message["type"] == "http.disconnect":
                            raise ClientGone
                        part, whole = message.get("body", b""), not message.get("more_body", False)
                        body += part
                        left -= len(part)
                        commas -= part.count(b",")
                        brackets -= part.count(b"[") + part.count(b"{")
                        if min(left, commas, brackets) < 0:
                            raise ApiError(413, TOO_LARGE if left < 0 else TOO_MANY, headers=CLOSING)
                        if not whole:
                            upload.holds(len(body))
        except TimeoutError:
            raise ApiError(408, f"the body has not come within {BODY_S:g} s", headers=CLOSING) from None
        except ApiError:
            body.clear()
            if not whole:
                await self._discard()
            raise

        async def again() -> dict:
            nonlocal body, whole
            if not whole:
                return await self._receive()
            given, body, whole = bytes(body), bytearray(), False  # given away, so that it is held once
            return {"type": "http.request", "body": given, "more_body": False}

        return again

    async def _discard(self) -> None:
        """Take the rest of it, for a while: who is still sending when the connection is closed never sees the answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_S):
                while (await self._receive()).get("more_body", False):
                    continue
