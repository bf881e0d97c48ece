"""A server behind HTTP: answers are read up to a length."""

from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar

import httpx2

from ponder.agents.tools.mcp.bounds import MOST_BYTES, told_too_long

CONNECT_SECONDS, READ_SECONDS = 30.0, 300.0  # a call's own limit is the loop's
# Filled when an answer to a request that was sent in this context is too long. The package mcp sends a request in the context
# of whoever makes it, but tells him only that no answer came.
overlong: ContextVar[list[str] | None] = ContextVar("overlong", default=None)


def bounded_client(headers: Mapping[str, str]) -> httpx2.AsyncClient:
    timeout = httpx2.Timeout(CONNECT_SECONDS, read=READ_SECONDS)
    return httpx2.AsyncClient(headers={"accept-encoding": "identity", **headers}, timeout=timeout, transport=_Bounded())


class _Bounded(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            await response.aclose()
            raise httpx2.RemoteProtocolError("it sends a compressed answer, which was not asked for")
        if request.method != "POST":  # a stream of events, each of which is bounded, has no end
            return response
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(response.stream),
            extensions=response.extensions,
        )


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream):
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0
        async for chunk in self._stream:
            length += len(chunk)
            if length > MOST_BYTES:
                if (noted := overlong.get()) is not None:
                    noted.append(told_too_long())
                raise httpx2.StreamError(told_too_long())
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
