"""The HTTP face of a pool: jobs, executions, sessions, health and metrics. OpenAPI at /openapi.json, readable at /docs."""

import asyncio
import hashlib
import hmac
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Discriminator, Field, Tag, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from ponder import __version__
from ponder.http.ascii_json import AsciiJson
from ponder.http.hanging_up import ClientGone, unless_gone
from ponder.sandbox import open_instruct
from ponder.sandbox.fusion import RunCodeRequest, RunCodeResponse, to_execution, to_response, what_was_cut
from ponder.sandbox.job import Cell, Execution, ExecutionResult, Job, Limits, Refused, Report, Strict
from ponder.sandbox.pool import Pool
from ponder.sandbox.process import WorkerLost
from ponder.sandbox.prometheus import render
from ponder.sandbox.slots import Draining, QueueFull

MAX_BODY = 64 << 20  # bytes
MAX_BATCH = 1_000
FORMS = ("stdio", "call", "test code", "ponder", "open-instruct")  # tags that pydantic puts into the places of faults
CLIENT_HEADER = "x-client-id"
EXECUTION_RESULT = TypeAdapter(ExecutionResult)
SessionId = Annotated[str, Path(min_length=1, max_length=100)]


class Batch(Strict):
    jobs: list[Job] = Field(min_length=1, max_length=MAX_BATCH)


class SessionRequest(Strict):
    limits: Limits = Limits()


class CellRequest(Strict):
    code: str
    timeout_s: float | None = Field(None, gt=0)


def _execution_form(asked: Any) -> str:
    return "open-instruct" if isinstance(asked, dict) and "code" in asked and "source" not in asked else "ponder"


AnyExecution = Annotated[
    Annotated[Execution, Tag("ponder")] | Annotated[open_instruct.CodeRequest, Tag("open-instruct")],
    Discriminator(_execution_form),
]


class Problem(Strict):
    """What was wrong with a request."""

    error: str


def create_app(pool: Pool, token: str | None) -> FastAPI:
    """The application for a pool that has been started. With a token, all but /health asks for it as a bearer token."""
    problems = {
        code: {"model": Problem, "description": text}
        for code, text in ((422, "a request that is refused"), (429, "the queue is full"), (503, "about to stop"))
    }
    app = FastAPI(
        title="Ponder sandbox",
        version=__version__,
        description="Runs programs that nobody trusts against tests that they never see.",
        responses=problems,
    )
    app.add_middleware(Gate, token=token)
    _answer_problems(app)

    def client(request: Request) -> str:
        """Who is asked for, to share the slots fairly: what it calls itself, else its address."""
        named = request.headers.get(CLIENT_HEADER)
        return named[:100] if named else (request.client.host if request.client else "")

    @app.post("/run", response_model=Report)
    async def run(job: Job, request: Request):
        """One program against its tests."""
        return AsciiJson(asdict(await unless_gone(request, pool.run(job, client(request)))))

    @app.post("/runs", response_model=list[Report])
    async def run_batch(batch: Batch, request: Request):
        """Many programs at once; reports in the order of the jobs."""
        work = asyncio.gather(*(pool.run(job, client(request)) for job in batch.jobs))
        return AsciiJson([asdict(report) for report in await unless_gone(request, work)])

    @app.post("/execute", response_model=ExecutionResult | open_instruct.CodeResponse)
    async def execute(asked: AnyExecution, request: Request):
        """One run without tests. A request with `source` is Ponder's own: output and files come as base64. One with
        `code` is that of open-instruct's tool, which prints the value of every expression."""
        if isinstance(asked, Execution):
            result = await unless_gone(request, pool.execute(asked, client(request)))
            return Response(EXECUTION_RESULT.dump_json(result), media_type="application/json")
        execution = open_instruct.to_execution(asked, pool.settings)
        result = await unless_gone(request, pool.execute(execution, client(request)))
        return AsciiJson(open_instruct.to_code_response(result).model_dump())

    @app.post("/run_code", response_model=RunCodeResponse)
    async def run_code(asked: RunCodeRequest, request: Request):
        """SandboxFusion's request and response, for recipes that are written for it."""
        result = await unless_gone(request, pool.execute(to_execution(asked, pool.settings), client(request)))
        response = to_response(result, asked.language, what_was_cut(asked, pool.settings))
        return AsciiJson(response.model_dump())

    @app.post("/test_program", response_model=open_instruct.TestResponse)
    async def test_program(asked: open_instruct.TestRequest, request: Request):
        """open-instruct's code reward: a program, and tests that are Python statements."""
        return await judged(open_instruct.assertions_job(asked, pool.settings), request)

    @app.post("/test_program_stdio", response_model=open_instruct.TestResponse)
    async def test_program_stdio(asked: open_instruct.TestRequest, request: Request):
        """The same with tests {input, output}."""
        return await judged(open_instruct.stdio_job(asked, pool.settings), request)

    async def judged(job: Job | None, request: Request) -> Response:
        if job is None:
            return AsciiJson({"results": [], "runtimes": []})
        report = await unless_gone(request, pool.run(job, client(request)))
        return AsciiJson(open_instruct.to_results(report).model_dump())

    @app.post("/sessions", status_code=201)
    async def open_session(asked: SessionRequest) -> dict[str, str]:
        """A Python session that keeps its state from cell to cell. It ends when it is idle for too long."""
        return {"id": await pool.open_session(asked.limits)}

    @app.get("/sessions")
    async def sessions() -> list[str]:
        """The ids of the open sessions."""
        return pool.session_ids()

    @app.post("/sessions/{session_id}/cells", response_model=Cell, responses={404: {"model": Problem}})
    async def run_cell(session_id: SessionId, cell: CellRequest, request: Request):
        """Runs a cell. Past its time it is interrupted; hanging up ends the session."""
        return AsciiJson(asdict(await unless_gone(request, pool.run_cell(session_id, cell.code, cell.timeout_s))))

    @app.post("/sessions/{session_id}/interrupt", status_code=204, responses={404: {"model": Problem}})
    async def interrupt(session_id: SessionId) -> None:
        """KeyboardInterrupt in the cell that runs."""
        await pool.interrupt(session_id)

    @app.delete("/sessions/{session_id}", status_code=204)
    async def close_session(session_id: SessionId) -> None:
        """Ends a session; one that is not there (any more) is ended already."""
        await pool.close_session(session_id)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Isolation level and its layers, languages, and how busy it is. Open to all."""
        busy = {"running": pool.metrics.running, "queued": pool.metrics.queued, "sessions": len(pool.session_ids())}
        return {"status": "draining" if pool.draining else "ok", **pool.describe(), **busy}

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """In Prometheus' text form."""
        return render(pool)

    return app


def _answer_problems(app: FastAPI) -> None:
    def said(code: int, text: str, headers: dict[str, str] | None = None) -> Response:
        return AsciiJson({"error": text}, code, headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        return said(422, "; ".join(map(_explain, error.errors()[:5])))

    @app.exception_handler(ValidationError)
    async def malformed_within(_: Request, error: ValidationError) -> Response:
        """A request of another form whose parts make no request of Ponder's."""
        return said(422, "; ".join(_explain({**found, "loc": ("", *found["loc"])}) for found in error.errors()[:5]))

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> Response:
        return said(500, f"a fault of the sandbox's own: {type(error).__name__}")

    @app.exception_handler(StarletteHTTPException)
    async def as_usual(_: Request, error: StarletteHTTPException) -> Response:
        text = "the body is not JSON in UTF-8" if error.status_code == 400 else str(error.detail)
        return said(error.status_code, text)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return said(422, str(error))

    @app.exception_handler(KeyError)
    async def unknown(_: Request, error: KeyError) -> Response:
        return said(404, f"there is no session {str(error.args[0])[:100]!r}: it was never opened, or it is over")

    @app.exception_handler(QueueFull)
    async def full(_: Request, error: QueueFull) -> Response:
        code = 503 if isinstance(error, Draining) else 429
        text = "this sandbox is about to stop" if code == 503 else str(error)
        return said(code, text, {"Retry-After": str(round(error.retry_after_s))})

    @app.exception_handler(WorkerLost)
    async def lost(_: Request, error: WorkerLost) -> Response:
        return said(503, f"infrastructure error: {error}", {"Retry-After": "1"})

    @app.exception_handler(ClientGone)
    async def gone(_: Request, error: ClientGone) -> Response:
        return Response(status_code=499)  # nobody reads it


def _explain(problem: dict) -> str:
    """One problem of a request: where, and what; never the input itself, which may be large."""
    if problem["type"] == "json_invalid":
        return "the body is not JSON in UTF-8"
    parts = problem["loc"][1:]
    # The tag of a form stands at the beginning, or after a number in a list.
    named = [p for before, p in zip((0, *parts), parts, strict=False) if p not in FORMS or not isinstance(before, int)]
    where = ".".join(map(str, named))
    return f"{where or 'body'}: {problem['msg'].removeprefix('Value error, ')}"


class Gate:
    """Before anything is parsed: the bearer token, and bodies that are too large."""

    def __init__(self, app, token: str | None):
        self._app = app
        self._expected = None if token is None else hashlib.sha256(f"Bearer {token}".encode()).digest()

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if self._expected is not None and scope["path"] != "/health":
            given = hashlib.sha256(headers.get(b"authorization", b"")).digest()
            if not hmac.compare_digest(given, self._expected):
                refusal = AsciiJson({"error": "a bearer token is needed"}, 401, {"WWW-Authenticate": "Bearer"})
                await refusal(scope, receive, send)
                return
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            await _too_large(scope, receive, send)
            return
        seen = 0

        async def counted() -> dict:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                raise BodyTooLarge
            return message

        try:
            await self._app(scope, counted, send)
        except BodyTooLarge:
            await _too_large(scope, receive, send)


class BodyTooLarge(Exception):
    """A body without a length has outgrown the limit."""


async def _too_large(scope, receive, send) -> None:
    refusal = AsciiJson({"error": f"the body is larger than {MAX_BODY >> 20} MB"}, 413, {"Connection": "close"})
    await refusal(scope, receive, send)
