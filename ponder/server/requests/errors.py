"""Errors in OpenAI's form: {"error": {"message", "type", "param", "code"}}, also in the middle of a stream."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

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


# For the OpenAPI document: what any route may answer.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "a request that is refused"},
    "5XX": {"model": Problem, "description": "the server cannot answer"},
}


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


def too_long(error: TooLong, param: str | None) -> ApiError:
    """OpenAI's error for what the context cannot hold."""
    return ApiError(
        400,
        str(error),
        code="context_length_exceeded",
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

    def said(error: ApiError) -> Response:
        return AsciiJson(error.body, error.status, error.headers)

    @app.exception_handler(ApiError)
    async def refused(_: Request, error: ApiError) -> Response:
        return said(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        return said(invalid(error.errors()))

    @app.exception_handler(StarletteHTTPException)
    async def as_usual(request: Request, error: StarletteHTTPException) -> Response:
        status = error.status_code if error.status_code in TYPES else 400
        text = {
            400: NO_JSON,
            404: f"there is nothing at {request.url.path}",
            405: f"{request.url.path} does not take {request.method}",
        }.get(status, str(error.detail))
        return said(ApiError(status, text, code="invalid_json" if status == 400 else None, headers=error.headers))


def invalid(problems: list[dict]) -> ApiError:
    """The error for what pydantic found wrong: where and what, never the input, which may be large."""
    first = _telling(problems)
    if first["type"] == "json_invalid":
        return ApiError(400, NO_JSON, code="invalid_json")
    where = _path(first["loc"])
    if not where and first["type"] in ("model_attributes_type", "missing"):
        return ApiError(400, "the body has to be a JSON object, sent with content-type: application/json")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        where = f"{_path(first['loc'][:-1])}.{str(first['loc'][-1])[:100]}".lstrip(".")
        return ApiError(400, f"Unrecognized request argument supplied: {where}", code="unknown_parameter", param=where)
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
