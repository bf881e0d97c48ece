"""What every request passes before anything is parsed: request id, API key, body limit, rate limits, and the access log."""

import asyncio
import contextlib
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable

from fastapi import Request

from ponder.http.ascii_json import AsciiJson
from ponder.http.hanging_up import ClientGone
from ponder.server.answer.gateway import Turn
from ponder.server.front.limits import Admission, Caller, Keys, Limits, Uploads
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
GUARDED = ("/v1/", "/inference/", "/tokenize", "/detokenize", "/metrics")
CONTROL = "/v1/chat/completions/control"  # ending a thought must work while all places are taken
REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
access_log = logging.getLogger("ponder.server.access")


class Reception:
    """The outermost: every request gets an id, which every answer bears, and its line in the access log.

    Leaves a `Visit` in `scope["ponder"]`, where routes find who asks and say what the access log shall tell. HEAD is
    answered as GET is, without the body: load balancers ask so.
    """

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(scope, send)
        inside = scope | {"ponder": visit} | ({"method": "GET"} if scope["method"] == "HEAD" else {})
        try:
            await self._app(inside, receive, visit.send)
        finally:
            visit.log()


class Gate:
    """Who may come in, and how many.

    Args:
        keys: who may ask; None lets everybody in, told apart by address
        limits: of those who have no key
        rejected: told the reason of each refusal
    """

    def __init__(self, app, admission: Admission, keys: Keys | None, limits: Limits, rejected: Callable[[str], None]):
        self._app, self._admission, self._keys, self._limits, self._rejected = app, admission, keys, limits, rejected
        self._uploads = Uploads()

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = scope["ponder"]
        try:
            await self._inside(visit, scope, receive, send)
        except ApiError as error:
            if error.status in (401, 429, 503):
                self._rejected(error.body["error"]["code"])
            await _refuse(visit, error, receive, send)
        except ClientGone:
            return  # in the middle of its body
        except Exception:  # a defect of ours: clients are told that much, and the log the rest
            logging.getLogger(__name__).exception("request %s has failed", visit.request_id)
            await _refuse(visit, ApiError(500, "internal error"), receive, send)

    async def _inside(self, visit: "Visit", scope, receive, send) -> None:
        if not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        caller = visit.caller = self._caller(visit)
        body = Body(visit.headers, receive)
        await body.look()
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        # Before it takes a place: who sends slowly, or not at all, must not keep others from theirs.
        whole = await body.read(self._uploads, caller)
        if scope["path"] == CONTROL:
            await self._app(scope, whole, send)
            return
        visit.extra_headers |= self._admission.enter(caller)
        try:
            await self._app(scope, whole, send)
        finally:
            self._admission.leave(caller)

    def _caller(self, visit: "Visit") -> Caller:
        if self._keys is None:
            return Caller((visit.scope.get("client") or ("",))[0], self._limits)
        caller = self._keys.caller(visit.headers.get(b"authorization", b""))
        if caller is None:
            raise ApiError(
                401,
                "Incorrect API key provided: send one as Authorization: Bearer KEY.",
                headers={"www-authenticate": "Bearer"},
            )
        return caller


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


class Visit:
    """One request and what is told about it. `details`: more for the line in the log, asked when the request is over."""

    def __init__(self, scope, send):
        self.scope, self._send = scope, send
        self.headers = dict(scope["headers"])
        self.begun, self.status = time.monotonic(), 0
        self.caller: Caller | None = None
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given.decode("ascii") if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        self.extra_headers: dict[str, str] = {"x-request-id": self.request_id}
        self.details: Callable[[], dict] = dict

    async def send(self, message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            extra = [(name.encode(), value.encode()) for name, value in self.extra_headers.items()]
            message = message | {"headers": [*message.get("headers", ()), *extra]}
        await self._send(message)

    def log(self) -> None:
        """A line of JSON: never what was asked or answered."""
        line = {
            "time": round(time.time(), 3),
            "request_id": self.request_id,
            "caller": self.caller.name if self.caller else None,
            "method": self.scope["method"],
            "path": self.scope["path"][:200],
            "status": self.status or 499,
            "ms": round(1000 * (time.monotonic() - self.begun)),
        }
        access_log.info(json.dumps(line | self.details()))


async def _refuse(visit: Visit, error: ApiError, receive, send) -> None:
    """Answer with an error, where no answer has begun."""
    if not visit.status:
        await AsciiJson(error.body, error.status, error.headers)(visit.scope, receive, send)


def owner(request: Request) -> str:
    """The name of who asks."""
    caller = request.scope["ponder"].caller
    return caller.name if caller else ""


def tell(request: Request, turn: Turn, stream: bool) -> None:
    """What the access log shall tell about a turn, when it is over."""
    request.scope["ponder"].details = lambda: {"id": turn.id, "stream": stream, **turn.summary()}
