"""Errors in OpenAI's form: {"error": {"message", "type", "param", "code"}}, also in the middle of a stream; and in
Anthropic's, {"type": "error", "error": {"type", "message"}}, for whoever asks in that form."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException as StarletteHTTPException

from ponder.agents.turn.lengths import TooLong
from ponder.http.ascii_json import AsciiJson

Made = TypeVar("Made")
TYPES = {
    400: ("invalid_request_error", "invalid_value"),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    408: ("invalid_request_error", "request_timeout"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    500: ("server_error", "server_error"),
    503: ("server_error", "overloaded"),
}
ANTHROPIC = "/v1/messages"  # and what is below it
ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
}

CONTEXT_EXCEEDED = "context_length_exceeded"
NO_JSON = "the body is not JSON in UTF-8, or holds a number or a depth that nobody needs"
# In the places that pydantic names stand kinds of values, too: which branch of a union it was at.
_KINDS = re.compile(r"str|int|float|bool|none|NoneType|[A-Z]\w*|.*\W.*", re.DOTALL)


class Details(BaseModel):
    """What was wrong. Some errors have more fields, such as n_prompt_tokens."""

    model_config = ConfigDict(extra="allow")

    message: str
    type: str
    param: str | None
    code: str


class Problem(BaseModel):
    """The body of every answer that is an error."""

    error: Details


class AnthropicDetails(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: str
    message: str


class AnthropicProblem(BaseModel):
    """The same on Anthropic's routes."""

    type: Literal["error"]
    error: AnthropicDetails
    request_id: str | None


def _problems(form: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document: what any route may answer."""
    return {
        "4XX": {"model": form, "description": "a request that is refused"},
        "5XX": {"model": form, "description": "the server cannot answer"},
    }


PROBLEMS, ANTHROPIC_PROBLEMS = _problems(Problem), _problems(AnthropicProblem)


class ApiError(Exception):
    """A request that is answered with an error: HTTP status, message, and what OpenAI's clients look at."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        **details: Any,
    ):
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})
        kind, usual = TYPES[status]
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code or usual} | details}

    def event(self) -> str:
        """The error as an event of a stream that has begun; the client's library raises it."""
        return f"data: {json.dumps(self.body)}\n\n"

    def body_at(self, path: str, request_id: str) -> dict[str, Any]:
        """In the form of whoever asks at this path."""
        return self.anthropic_body(request_id) if (path + "/").startswith(ANTHROPIC + "/") else self.body

    def anthropic_body(self, request_id: str) -> dict[str, Any]:
        own = ("message", "type", "param", "code")
        message = str(self)
        details = {name: value for name, value in self.body["error"].items() if name not in own}
        if self.body["error"]["code"] == CONTEXT_EXCEEDED:
            # The words by which agents know that they have to shorten their history.
            message = f"prompt is too long: {details['n_prompt_tokens']} tokens > {details['n_ctx']} maximum. {message}"
        told = {"type": ANTHROPIC_TYPES[self.status], "message": message} | details
        return {"type": "error", "error": told, "request_id": request_id}

    def anthropic_event(self, request_id: str) -> str:
        return f"event: error\ndata: {json.dumps(self.anthropic_body(request_id))}\n\n"


def too_long(error: TooLong, param: str | None) -> ApiError:
    """OpenAI's error for what the context cannot hold."""
    return ApiError(
        400,
        str(error),
        code=CONTEXT_EXCEEDED,
        param=param,
        n_prompt_tokens=error.prompt_tokens,
        n_ctx=error.context,
    )


def or_refuse(make: Callable[[], Made], param: str | None = None, code: str | None = None) -> Made:
    """What `make` makes; its ValueError is the client's. Raises ApiError."""
    try:
        return make()
    except TooLong as error:
        raise too_long(error, param) from error
    except ValueError as error:
        raise ApiError(400, str(error), param=param, code=code) from error


def answer_errors(app: FastAPI) -> None:
    """Every error of the application in the one form."""

    def said(request: Request, error: ApiError) -> Response:
        body = error.body_at(request.url.path, request.scope["ponder"].request_id)
        return AsciiJson(body, error.status, error.headers)

    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> Response:
        return said(request, error)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return said(request, invalid(error.errors()))

    @app.exception_handler(StarletteHTTPException)
    async def as_usual(request: Request, error: StarletteHTTPException) -> Response:
        status = error.status_code if error.status_code in TYPES else 400
        text = {
            400: NO_JSON,
            404: f"there is nothing at {request.url.path}",
            405: f"{request.url.path} does not take {request.method}",
        }.get(status, str(error.detail))
        return said(
            request, ApiError(status, text, code="invalid_json" if status == 400 else None, headers=error.headers)
        )


def invalid(problems: list[dict]) -> ApiError:
    """The error for what pydantic found wrong: where and what, never the input, which may be large."""
    first = _telling(problems)
    if first["type"] == "json_invalid":
        return ApiError(400, NO_JSON, code="invalid_json")
    where = _path(first["loc"])
    if not where and first["type"] in ("model_attributes_type", "missing"):
        return ApiError(400, "the body has to be a JSON object, sent with content-type: application/json")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "unknown_parameter":
        told = first["ctx"]
        where = f"{where}.{told['name']}".lstrip(".")
        message = f"Unrecognized request argument supplied: {where}{told['meant']}"
        return ApiError(400, message, code="unknown_parameter", param=where)
    if first["type"] == "missing":
        return ApiError(400, f"Missing required parameter: '{where}'.", code="missing_required_parameter", param=where)
    return ApiError(400, f"{where}: {message}" if where else message, param=where or None)


def _telling(problems: list[dict]) -> dict:
    """Of the problems of the first wrong field, the one that was found deepest inside: there the value is nearly right."""
    field = problems[0]["loc"][:2]
    return max(
        (problem for problem in problems if problem["loc"][:2] == field),
        key=lambda problem: (len(problem["loc"]), problem["type"] != "string_type"),
    )


def _path(place: Sequence[str | int]) -> str:
    """As OpenAI writes it: messages[0].content."""
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "body" and not _KINDS.fullmatch(part):
            path += f".{part[:100]}" if path else part[:100]
    return path
