"""The HTTP face of a gateway. OpenAPI at /openapi.json, readable at /docs."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.middleware.cors import CORSMiddleware

from ponder import __version__
from ponder.http.ascii_json import AsciiJson
from ponder.http.hanging_up import ClientGone, unless_gone
from ponder.server.answer.gateway import Gateway, Turn
from ponder.server.answer.metrics import CONTENT_TYPE
from ponder.server.answer.whole import whole_answer
from ponder.server.front.events import STREAMED, EventStream
from ponder.server.front.gate import Gate, Reception, owner, tell
from ponder.server.front.limits import RATE_HEADERS, Admission, Keys, Limits
from ponder.server.front.routes_responses import add_responses_routes
from ponder.server.front.routes_text import add_text_routes
from ponder.server.replies.chat import ChatChunks, chat_response
from ponder.server.requests.chat import ChatRequest, ControlRequest
from ponder.server.requests.errors import PROBLEMS, ApiError, answer_errors

# What load balancers read is not an error of the request.
UNWELL = {503: {"description": "not now", "content": {"application/json": {}}}}


def create_app(
    gateway: Gateway,
    keys: Keys | None = None,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    cors_origins: tuple[str, ...] = (),
    admission: Admission | None = None,
) -> FastAPI:
    """The application for a gateway.

    Args:
        keys: with them, all of the API asks for one
        limits: of each address, where there are no keys
        cors_origins: web pages of these origins may ask
        admission: of the server, which may tell it to let nobody in any more
    """
    admission = admission or Admission()
    app = FastAPI(
        title="Ponder",
        version=__version__,
        description="A reasoning model behind OpenAI's API.",
        responses=PROBLEMS,
    )
    app.add_middleware(
        Gate,
        admission=admission,
        keys=keys,
        limits=limits,
        rejected=lambda reason: gateway.metrics.rejections(reason).inc(),
    )
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "x-warning", "retry-after", *RATE_HEADERS],
        )
    app.add_middleware(Reception)
    answer_errors(app)
    _add_chat(app, gateway)
    add_text_routes(app, gateway)
    add_responses_routes(app, gateway)
    _add_operations(app, gateway, admission)

    @app.exception_handler(ClientGone)
    async def gone(_: Request, error: ClientGone) -> Response:
        return Response(status_code=499)  # nobody reads it

    return app


def _add_chat(app: FastAPI, gateway: Gateway) -> None:
    @app.post("/v1/chat/completions", responses=STREAMED)
    async def chat(asked: ChatRequest, request: Request) -> Response:
        """A turn of a conversation: thinking, answer and tool calls, whole or as a stream of events."""
        turn = await unless_gone(request, gateway.chat(asked, owner(request)))
        headers = {"x-warning": turn.prepared.warning} if turn.prepared.warning else {}
        tell(request, turn, asked.stream)
        if asked.stream:
            return EventStream(_chat_events(asked, turn), headers)
        pieces = await unless_gone(request, turn.all_pieces())
        return await whole_answer(
            lambda: chat_response(asked, turn, pieces, gateway.name, gateway.renderer), headers=headers
        )

    async def _chat_events(asked: ChatRequest, turn: Turn) -> AsyncIterator[str]:
        chunks = ChatChunks(asked, turn, gateway.name, gateway.renderer)
        for event in chunks.opening():
            yield event
        async with aclosing(turn.pieces()) as pieces:
            async for choice, piece in pieces:
                for event in chunks.of(choice, piece):
                    yield event
        for event in chunks.closing():
            yield event

    @app.post("/v1/chat/completions/control")
    async def control(asked: ControlRequest, request: Request) -> Response:
        """Ends the thinking of an answer that is being streamed: the model answers now."""
        ended = gateway.end_thinking(asked.id, owner(request))
        if ended is None:
            raise ApiError(404, f"there is no running answer {asked.id[:100]!r}", param="id")
        return AsciiJson({"id": asked.id, "success": ended})


def _add_operations(app: FastAPI, gateway: Gateway, admission: Admission) -> None:
    @app.get("/v1/models")
    async def models() -> Response:
        """The model that is served."""
        return AsciiJson({"object": "list", "data": [_card(gateway)]})

    @app.get("/v1/models/{model:path}")
    async def model(model: str) -> Response:
        """One model by its name."""
        gateway.check_model(model)
        return AsciiJson(_card(gateway))

    @app.get("/health", responses=UNWELL)
    async def health() -> Response:
        """Whether the server lives: 503 where its engine has failed."""
        failure = gateway.engine.load().failure
        return AsciiJson({"status": "failed" if failure else "ok", "failure": failure}, 503 if failure else 200)

    @app.get("/ready", responses=UNWELL)
    async def ready() -> Response:
        """Whether new requests are taken."""
        is_ready = not (admission.draining or gateway.engine.load().failure)
        return AsciiJson({"ready": is_ready}, 200 if is_ready else 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """In Prometheus' text form."""
        return Response(gateway.metrics.render(), media_type=CONTENT_TYPE)


def _card(gateway: Gateway) -> dict[str, Any]:
    renderer = gateway.renderer
    return {
        "id": gateway.name,
        "object": "model",
        "created": gateway.created,
        "owned_by": "ponder",
        "root": gateway.name,
        "parent": None,
        "max_model_len": gateway.lengths.longest,
        "capabilities": {
            "reasoning": renderer.markers.think_end is not None,
            "tools": renderer.markers.tool_call is not None,
            "structured_outputs": True,
            "rope_factors": list(gateway.lengths.factors),
            "context_at_factor_1": gateway.lengths.context,
        },
    }
