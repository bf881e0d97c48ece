"""Server-sent events: cancelled when the client goes, kept alive while nothing comes, given up where nobody reads."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from fastapi import Response

from ponder.http.hanging_up import ClientGone, hung_up
from ponder.server.requests.errors import ApiError

KEEP_ALIVE_S = 15.0
STALLED_S = 120.0  # a client that takes nothing for so long is gone
# For the OpenAPI document: routes whose answer is a stream where the request says so.
STREAMED = {200: {"content": {"application/json": {}, "text/event-stream": {}}, "description": "whole, or a stream"}}


class EventStream(Response):
    """A response that is written as its events come. An ApiError among them becomes the last event, as `told` writes it."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncIterator[str],
        headers: dict[str, str] | None = None,
        told: Callable[[ApiError], str] = ApiError.event,
    ):
        self._events, self._told = events, told
        self._quiet = True  # nothing was sent since the last look
        # Proxies must neither collect nor change a stream.
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"} | (headers or {}))
        del self.headers["content-length"]

    async def __call__(self, scope, receive, send) -> None:
        writing = asyncio.ensure_future(self._write(send))
        pinging = asyncio.ensure_future(self._ping(send))
        gone = asyncio.ensure_future(hung_up(receive))
        try:
            await asyncio.wait((writing, gone), return_when=asyncio.FIRST_COMPLETED)
            if writing.done() and not isinstance(writing.exception(), ClientGone):
                writing.result()
        finally:
            for task in (writing, pinging, gone):
                task.cancel()
            await asyncio.gather(writing, pinging, gone, return_exceptions=True)

    async def _write(self, send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async with aclosing(self._events) as events:
                async for text in events:
                    await self._send(send, text)
        except ApiError as error:
            await self._send(send, self._told(error))
        except (ClientGone, OSError):
            raise
        except Exception:  # a defect of ours: the client is told, since a bare end would look like an answer
            logging.getLogger(__name__).exception("a stream has failed")
            await self._send(send, self._told(ApiError(500, "internal error")))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send, text: str) -> None:
        self._quiet = False
        message = {"type": "http.response.body", "body": text.encode(), "more_body": True}
        try:
            async with asyncio.timeout(STALLED_S):  # wait_for would make a task for each event
                await send(message)
        except TimeoutError:
            raise ClientGone from None

    async def _ping(self, send) -> None:
        while True:
            self._quiet = True
            await asyncio.sleep(KEEP_ALIVE_S)
            if self._quiet:
                await send({"type": "http.response.body", "body": b": ping\n\n", "more_body": True})
