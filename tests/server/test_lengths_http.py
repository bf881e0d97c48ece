"""How long a request may be: by context, YaRN's factors and the memory of the engine; refused before a stream begins."""

import asyncio

import pytest

from ponder.chat.renderer import Renderer
from ponder.server.answer.gateway import Gateway
from tests.server.test_server_bad_input import error_of
from tests.shared.born import ASK, CONTEXT, NAME, Server, engine_of
from tests.shared.one_turn import think_then

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def narrow(checkpoint):
    """Memory for 608 tokens: more than the context of 512, fewer than the 1,024 of factor 2."""
    engine = engine_of(checkpoint, token_budget=608)
    server = Server(Gateway(engine, Renderer.load(checkpoint), NAME))
    yield server
    server.close()
    asyncio.run(engine.close())


def test_memory_for_fewer_tokens_than_the_factors_offer(narrow):
    assert narrow.gateway.engine.longest == 608 and narrow.gateway.lengths.context == CONTEXT
    assert narrow.http.get("/v1/models").json()["data"][0]["max_model_len"] == 608
    generate = {"token_ids": [1] * 540, "sampling_params": {"ignore_eos": True}}
    told = narrow.http.post("/inference/v1/generate", json=generate).json()
    assert len(told["choices"][0]["token_ids"]) == 68 and told["usage"]["rope_factor"] == 2
    for fields in ({"max_tokens": 900}, {"messages": [{"role": "user", "content": "xy" * 400}]}):
        for stream in (False, True):
            body = {"model": NAME, "messages": ASK, "stream": stream} | fields
            assert error_of(narrow.http.post(CHAT, json=body))["code"] == "context_length_exceeded"


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_engine_can_never_run_is_no_stream(says, stream):
    server = says(think_then("It is 3."))

    def check(request):
        raise ValueError(f"request {request.id}: {len(request.prompt)} tokens are an odd number")

    server.gateway.engine.check = check
    asked = {
        CHAT: {"messages": ASK},
        "/v1/completions": {"prompt": ["x", "y"]},
        "/v1/responses": {"input": "x"},
        "/inference/v1/generate": {"token_ids": [1]},
    }
    for path, fields in asked.items():
        error = error_of(server.http.post(path, json={"model": NAME, "stream": stream} | fields))
        assert error["message"].endswith("tokens are an odd number") and "request" not in error["message"]
    assert server.gateway.engine.requests == []


def test_answers_to_one_request(born):
    """Each counts once where requests at a time are limited, whatever it asks for."""
    prompts = {"model": NAME, "max_tokens": 1, "prompt": ["x"] * 32}
    for fields, told in (({"n": 3}, "32 prompts, 3 answers"), ({"prompt": ["x"] * 65}, "65 prompts, 1 answers")):
        error = error_of(born.http.post("/v1/completions", json=prompts | fields))
        assert told in error["message"] and "at most 64" in error["message"]
    assert len(born.http.post("/v1/completions", json=prompts | {"n": 2}).json()["choices"]) == 64
    ids = prompts | {"prompt": [1] * 100, "n": 16}
    assert len(born.http.post("/v1/completions", json=ids).json()["choices"]) == 16, "ids of one prompt"
