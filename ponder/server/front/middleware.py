"""Middleware: what every request passes before anything is parsed. Request id and access log, API key, body, admission."""

import json
import logging
import re
import secrets
import time
from collections.abc import Callable

from fastapi import Request

from ponder.http.ascii_json import AsciiJson
from ponder.http.hanging_up import ClientGone
from ponder.server.answer.turn import Turn
from ponder.server.front.admission import Admission
from ponder.server.front.api_keys import Caller, Keys, Limits
from ponder.server.front.bodies import Body, Uploads
from ponder.server.requests.errors import ApiError

GUARDED = ("/v1/", "/inference/", "/tokenize", "/detokenize", "/metrics")
CONTROL = "/v1/chat/completions/control"  # ending a thought must work while all places are taken
REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
access_log = logging.getLogger("ponder.server.access")


class AccessLogMiddleware:
    """The outermost: every request gets an id, which every answer bears, and its line in the access log.

    Leaves a `RequestContext` in `scope["ponder"]`, where routes find who asks and say what the access log shall tell.
    HEAD is answered as GET is, without the body: load balancers ask so.
    """

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = RequestContext(scope, send)
        inside = scope | {"ponder": context} | ({"method": "GET"} if scope["method"] == "HEAD" else {})
        try:
            await self._app(inside, receive, context.send)
        finally:
            context.log()


class AdmissionMiddleware:
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
        context = scope["ponder"]
        try:
            await self._inside(context, scope, receive, send)
        except ApiError as error:
            if error.status in (401, 429, 503):
                self._rejected(error.body["error"]["code"])
            await _refuse(context, error, receive, send)
        except ClientGone:
            return  # in the middle of its body
        except Exception:  # a defect of ours: clients are told that much, and the log the rest
            logging.getLogger(__name__).exception("request %s has failed", context.request_id)
            await _refuse(context, ApiError(500, "internal error"), receive, send)

    async def _inside(self, context: "RequestContext", scope, receive, send) -> None:
        if not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        caller = context.caller = self._caller(context)
        body = Body(context.headers, receive)
        await body.look()
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        # Before it takes a place: who sends slowly, or not at all, must not keep others from theirs.
        whole = await body.read(self._uploads, caller)
        if scope["path"] == CONTROL:
            await self._app(scope, whole, send)
            return
        context.extra_headers |= self._admission.enter(caller)
        try:
            await self._app(scope, whole, send)
        finally:
            self._admission.leave(caller)

    def _caller(self, context: "RequestContext") -> Caller:
        if self._keys is None:
            return Caller((context.scope.get("client") or ("",))[0], self._limits)
        headers = context.headers
        caller = self._keys.caller(headers.get(b"authorization", b""))
        if caller is None and b"x-api-key" in headers:  # Anthropic's clients have it there
            caller = self._keys.caller(b"Bearer " + headers[b"x-api-key"])
        if caller is None:
            raise ApiError(
                401,
                "Incorrect API key provided: send one as Authorization: Bearer KEY, or as x-api-key: KEY.",
                headers={"www-authenticate": "Bearer"},
            )
        return caller


class RequestContext:
    """One request and what is told about it. `details`: more for the line in the log, asked when the request is over."""

    def __init__(self, scope, send):
        self.scope, self._send = scope, send
        self.headers = dict(scope["headers"])
        self.begun, self.status = time.monotonic(), 0
        self.caller: Caller | None = None
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given.decode("ascii") if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        # Anthropic's clients know it as request-id.
        self.extra_headers: dict[str, str] = {"x-request-id": self.request_id, "request-id": self.request_id}
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


async def _refuse(context: RequestContext, error: ApiError, receive, send) -> None:
    """Answer with an error, where no answer has begun."""
    if not context.status:
        body = error.body_at(context.scope["path"], context.request_id)
        await AsciiJson(body, error.status, error.headers)(context.scope, receive, send)


def caller_name(request: Request) -> str:
    """The name of who asks."""
    caller = request.scope["ponder"].caller
    return caller.name if caller else ""


def log_turn(request: Request, turn: Turn, stream: bool) -> None:
    """What the access log shall tell about a turn, when it is over."""
    request.scope["ponder"].details = lambda: {"id": turn.id, "stream": stream, **turn.summary()}
