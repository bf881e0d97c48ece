"""The HTTP application of a gateway: its routes, behind its middleware. OpenAPI at /openapi.json, readable at /docs."""

from fastapi import FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware

from ponder import __version__
from ponder.http.hanging_up import ClientGone
from ponder.server.answer.gateway import Gateway
from ponder.server.front.admission import RATE_HEADERS, Admission
from ponder.server.front.api_keys import Keys, Limits
from ponder.server.front.middleware import AccessLogMiddleware, AdmissionMiddleware
from ponder.server.front.routes_chat import add_chat_routes
from ponder.server.front.routes_messages import add_messages_routes
from ponder.server.front.routes_operations import add_operations_routes
from ponder.server.front.routes_responses import add_responses_routes
from ponder.server.front.routes_text import add_text_routes
from ponder.server.requests.errors import PROBLEMS, answer_errors


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
        description="A reasoning model behind OpenAI's API and Anthropic's.",
        responses=PROBLEMS,
    )
    app.add_middleware(
        AdmissionMiddleware,
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
    app.add_middleware(AccessLogMiddleware)
    answer_errors(app)
    add_chat_routes(app, gateway)
    add_text_routes(app, gateway)
    add_responses_routes(app, gateway)
    add_messages_routes(app, gateway)
    add_operations_routes(app, gateway, admission)

    @app.exception_handler(ClientGone)
    async def gone(_: Request, error: ClientGone) -> Response:
        return Response(status_code=499)  # nobody reads it

    return app
