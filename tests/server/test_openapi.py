"""The OpenAPI document is true: schemathesis makes requests from it, good and bad, and looks at the answers."""

import asyncio

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from ponder.chat.renderer import Renderer
from ponder.server.answer.gateway import Gateway
from ponder.server.front.app import create_app
from tests.shared.born import NAME, engine_of


@pytest.fixture(scope="module")
def described(checkpoint):
    gateway = Gateway(engine_of(checkpoint), Renderer.load(checkpoint), NAME)
    yield schemathesis.openapi.from_asgi("/openapi.json", create_app(gateway))
    asyncio.run(gateway.engine.close())


# A schema cannot say that a model must exist and messages must make sense: good data may be refused.
NOT_PROMISED = [schemathesis.checks.positive_data_acceptance]
ROUTES = (
    "POST /v1/chat/completions",
    "POST /v1/chat/completions/control",
    "POST /v1/completions",
    "POST /v1/responses",
    "POST /v1/messages",
    "POST /v1/messages/count_tokens",
    "POST /inference/v1/generate",
    "POST /tokenize",
    "POST /detokenize",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "GET /health",
    "GET /ready",
    "GET /ping",
    "GET /version",
    "GET /metrics",
)


LIMITS = {"/v1/messages": "max_tokens", "/v1/responses": "max_output_tokens"}

# What has no parameters cannot be asked wrongly, and of names of models any string is one.
KINDS = [(route, GenerationMode.POSITIVE) for route in ROUTES]
KINDS += [(route, GenerationMode.NEGATIVE) for route in ROUTES if route.startswith("POST")]


@pytest.mark.parametrize(("route", "mode"), KINDS)
def test_a_route(described, route, mode):
    method, path = route.split()
    operation = described[path][method]

    @settings(max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(operation.as_strategy(generation_mode=mode))
    def holds(case):
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = NAME  # else nearly all that is right would end at an unknown model
            if limit := LIMITS.get(path):  # a random model goes on to the end of its context, and a client waits 10 s
                case.body[limit] = min(case.body.get(limit) or 16, 16)
        case.call_and_validate(excluded_checks=NOT_PROMISED)

    holds()


def test_no_route_is_forgotten(described):
    there = {f"{found.ok().method.upper()} {found.ok().path}" for found in described.get_all_operations()}
    assert there == set(ROUTES)
