"""Asking an OpenAI-compatible server over HTTP: again where that may help, never longer and never for more bytes than said.

Nothing that a server sends is believed: bodies and lines are measured while they come, compression is refused, and what
is no JSON of the form asked for is one error that names the address.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from http.client import responses as PHRASES
from typing import Any

import httpx

from ponder.engine.openai_profile import OpenAiProfile, Patience
from ponder.engine.vllm_wire import LineTooLong, lines_of
from ponder.http.listening import is_loopback

MOST_BYTES = 256 * 2**20  # of one answer: 30,000 tokens with 20 alternatives each, as a stream, are 80 MB
MOST_ERROR_BYTES, MOST_SAID = 65_536, 500  # of a refusal's body; characters of it that are shown
LONGEST_PAUSE_S = 30.0  # between two attempts, where the server does not ask for a longer one
AGAIN = (408, 409, 425, 429)  # and 5xx, but for what will not change
NEVER = (501, 505)
SPENT = "insufficient_quota"  # OpenAI's 429 that no waiting ends


class OpenAiFailure(RuntimeError):
    """The server failed, cannot be reached, or sent what is no answer.

    Args:
        again: whether asking again may help
        after_s: how long the server asks to wait before that
    """

    def __init__(self, message: str, again: bool = False, after_s: float | None = None):
        super().__init__(message)
        self.again, self.after_s = again, after_s


class OpenAiHttp:
    """Connections to one server, of one event loop."""

    def __init__(self, profile: OpenAiProfile, patience: Patience, concurrent: int):
        self.profile, self.patience = profile, patience
        self._slots = asyncio.Semaphore(concurrent)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        timeout = httpx.Timeout(None, connect=patience.connect_s)
        host = httpx.URL(profile.url).host
        self._client = httpx.AsyncClient(
            headers=profile.headers | {"Accept-Encoding": "identity"},
            timeout=timeout,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=concurrent),
            trust_env=not is_loopback(host),  # a server on this machine is never behind a proxy
        )

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> AsyncIterator[dict[str, Any]]:
        """The chunks of a stream, or a whole answer as the only one. Asks again as long as none has come.

        Raises:
            ValueError: the body is no JSON, or the server refuses it.
            OpenAiFailure: anything else.
        """
        self._require_here()
        content = None if body is None else _json_of(body)
        retries = _Retries(self.patience)
        async with self._slots:  # held while waiting, too: a server that has too much to do gets no more
            while True:
                begun = False
                try:
                    async with aclosing(self._attempt(method, self.profile.url + path, content)) as chunks:
                        async for chunk in chunks:
                            begun = True
                            yield chunk
                    return
                except OpenAiFailure as failure:
                    if begun:
                        raise
                    pause_s = retries.pause(failure)
                await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """What is being asked ends with an OpenAiFailure."""
        self._closed = True
        await self._client.aclose()

    def _require_here(self) -> None:
        if self._closed:
            raise OpenAiFailure("the engine is closed")
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise OpenAiFailure("the engine belongs to another event loop: make one in each")

    async def _attempt(self, method: str, url: str, content: bytes | None) -> AsyncIterator[dict[str, Any]]:
        deadline = asyncio.get_running_loop().time() + self.patience.answer_s
        request = self._client.build_request(method, url, content=content, headers=_KIND if content else None)
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._client.send(request, stream=True)
            try:
                async with aclosing(_blocks(response, deadline, url, self.patience.most_bytes or MOST_BYTES)) as blocks:
                    if response.status_code != 200:
                        raise _refusal(response, await _beginning(blocks), url, self.profile.model)
                    async with aclosing(_chunks(response, blocks, url)) as chunks:
                        async for chunk in chunks:
                            yield chunk
            finally:
                await response.aclose()
        except LineTooLong as error:
            raise OpenAiFailure(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            if self._closed:
                raise OpenAiFailure("the engine is closed") from error
            raise _loss(error, url, self.patience) from error


class _Retries:
    """How often one question has been asked, and how long has been waited in between."""

    def __init__(self, patience: Patience):
        self._patience, self._asked, self._waited_s = patience, 0, 0.0

    def pause(self, failure: OpenAiFailure) -> float:
        """Seconds until the next attempt. Raises the failure where there is none."""
        patience = self._patience
        self._asked += 1
        if not failure.again:
            raise failure
        pause_s = failure.after_s
        if pause_s is None:
            # Not all who were refused together come back together.
            pause_s = min(patience.backoff_s * 2 ** (self._asked - 1), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)
        elif self._waited_s + pause_s > patience.retry_s:
            raise OpenAiFailure(f"{failure}; it asks to wait {pause_s:.0f} s: ask later, or with more patience")
        if self._asked >= patience.attempts or self._waited_s + pause_s > patience.retry_s:
            raise OpenAiFailure(f"{failure}; asked {self._asked} times, {self._waited_s:.1f} s apart in all")
        self._waited_s += pause_s
        return pause_s


_KIND = {"Content-Type": "application/json"}


def _json_of(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"what is to be asked cannot be written as JSON: {error}") from None


async def _blocks(response: httpx.Response, deadline: float, url: str, most_bytes: int) -> AsyncIterator[bytes]:
    """The body as it comes, up to the deadline; TimeoutError then. The time its reader takes counts."""
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise OpenAiFailure(f"{url} sends {_shown(encoding)!r}, though no compression was asked for")
    total = 0
    async with aclosing(response.aiter_raw()) as blocks:
        while True:
            async with asyncio.timeout_at(deadline):
                block = await anext(blocks, None)
            if block is None:
                return
            total += len(block)
            if total > most_bytes:
                raise OpenAiFailure(f"{url} sends more than {most_bytes >> 20} MiB: that is no answer")
            yield block


async def _beginning(blocks: AsyncIterator[bytes]) -> bytes:
    body = bytearray()
    async for block in blocks:
        body += block
        if len(body) > MOST_ERROR_BYTES:
            break
    return bytes(body[:MOST_ERROR_BYTES])


async def _chunks(response: httpx.Response, blocks: AsyncIterator[bytes], url: str) -> AsyncIterator[dict[str, Any]]:
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        yield _chunk(b"".join([block async for block in blocks]), url)
        return
    async with aclosing(lines_of(blocks, sender=url)) as lines:
        async for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                return
            yield _chunk(data, url)


def _chunk(data: bytes, url: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        chunk = None
    if not isinstance(chunk, dict):
        raise broken(url, f"{_shown(data[:100].decode(errors='replace'))!r} is no JSON object")
    if error := chunk.get("error"):
        code = error.get("code") if isinstance(error, dict) else None
        refused = type(code) is int and code in (400, 413, 422)
        message = f"{url} {'refuses the request' if refused else 'has failed'}: {_message(chunk)}"
        raise ValueError(message) if refused else OpenAiFailure(message)
    return chunk


def broken(url: str, what: str) -> OpenAiFailure:
    return OpenAiFailure(f"{url} sends what is no answer in OpenAI's form: {what}; is it the address of such an API?")


def _refusal(response: httpx.Response, body: bytes, url: str, model: str) -> Exception:
    status = response.status_code
    said = f"{status} {PHRASES.get(status, '')}".strip()
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = body.decode(errors="replace")
    if message := _message(told):
        said += f": {message}"
    if status in (400, 413, 422):
        return ValueError(f"{url} refuses the request: {said}")
    if status in (401, 403):
        return OpenAiFailure(f"{url} wants another API key: {said}")
    if status in (404, 405):
        return OpenAiFailure(
            f"{url} answers {said}: the address of an API usually ends with /v1, and {model!r} must be one of the "
            "models that its GET /models lists"
        )
    if 300 <= status < 400:
        where = _shown(response.headers.get("location", "elsewhere"))
        return OpenAiFailure(f"{url} answers {said}: it points to {where}; write the address that it should be")
    again = status in AGAIN or (status >= 500 and status not in NEVER)
    if status == 429 and SPENT in str(told):
        again = False
    return OpenAiFailure(f"{url} answers {said}", again, _retry_after(response.headers.get("retry-after")))


def _retry_after(value: str | None) -> float | None:
    """Seconds; written as such or as a date. None where it says nothing that can be read."""
    if value is None:
        return None
    value = value.strip()[:40]
    try:
        seconds = float(value) if value[:1].isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError, TypeError):
        return None
    return max(0.0, seconds) if seconds < 1e9 else 1e9


def _loss(error: Exception, url: str, patience: Patience) -> OpenAiFailure:
    why = _shown(str(error)) or type(error).__name__
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return OpenAiFailure(
                f"{url} cannot be reached: {why}; does the server run, and is the address right?", True
            )
        case TimeoutError():
            return OpenAiFailure(
                f"{url} has not answered within {patience.answer_s:g} s: ask for fewer tokens, or wait longer"
            )
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return OpenAiFailure(f"{url} is no address: {why}")
    return OpenAiFailure(f"{url} broke off: {why}", True)


def _message(told: Any) -> str:
    """Errors come as OpenAI's ({"error": {"message"}}), flat ({"message"} or {"detail"}), or as what a proxy likes."""
    inner = told.get("error") or told if isinstance(told, dict) else told
    if isinstance(inner, dict):
        inner = inner.get("message") or inner.get("detail") or inner
    return _shown(str(inner))


def _shown(said: str) -> str:
    return "".join(character if character.isprintable() else " " for character in said[:MOST_SAID]).strip()
