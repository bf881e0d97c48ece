"""Routes for those who run a server: models, health, readiness and metrics."""

from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse

from ponder import __version__
from ponder.http.ascii_json import AsciiJson
from ponder.server.answer.gateway import Gateway
from ponder.server.answer.metrics import CONTENT_TYPE
from ponder.server.front.admission import Admission

# What load balancers read is not an error of the request.
UNWELL = {503: {"description": "not now", "content": {"application/json": {}}}}


def add_operations_routes(app: FastAPI, gateway: Gateway, admission: Admission) -> None:
    @app.get("/v1/models")
    async def models() -> Response:
        """The model that is served, under each of its names. OpenAI's clients read a part of it, Anthropic's another."""
        cards = [_card(gateway, name) for name in gateway.names]
        ends = {"has_more": False, "first_id": gateway.names[0], "last_id": gateway.names[-1]}
        return AsciiJson({"object": "list", "data": cards} | ends)

    @app.get("/v1/models/{model:path}")
    async def model(model: str) -> Response:
        """One model by its name."""
        gateway.check_model(model)
        return AsciiJson(_card(gateway, model))

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

    @app.get("/ping", responses=UNWELL)
    async def ping() -> Response:
        """The same as /health, where clouds look for it."""
        return await health()

    @app.get("/version")
    async def version() -> Response:
        """Ponder's."""
        return AsciiJson({"version": __version__})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """In Prometheus' text form."""
        return Response(gateway.metrics.render(), media_type=CONTENT_TYPE)


def _card(gateway: Gateway, name: str) -> dict[str, Any]:
    renderer = gateway.renderer
    return {
        "id": name,
        "object": "model",
        "type": "model",
        "created": gateway.created,
        "created_at": datetime.fromtimestamp(gateway.created, UTC).isoformat().replace("+00:00", "Z"),
        "display_name": name,
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
            "same_answer_in_any_batch": gateway.engine.exact,
        },
    }
