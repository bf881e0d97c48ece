"""Fields as clients send them: null for what they leave open, and tools that reach the model as they were written."""

import json

import pytest

from tests.shared.born import ASK, NAME, client
from tests.shared.one_turn import think_then

CHAT = "/v1/chat/completions"
NULLS = {
    CHAT: (
        "include_reasoning separate_reasoning tools_in_reasoning continue_final_message add_generation_prompt logprobs "
        "top_logprobs n stop stop_token_ids stream stream_options ignore_eos include_stop_str_in_output logit_bias "
        "return_token_ids seed temperature tools tool_choice response_format reasoning_effort modalities prediction "
        "audio functions function_call"
    ),
    "/v1/completions": "echo suffix best_of logprobs n stop stream include_reasoning",
    "/v1/responses": "stream tools tool_choice text reasoning include_reasoning conversation prompt max_tool_calls",
    "/tokenize": "add_special_tokens add_generation_prompt return_token_strs messages",
    "/inference/v1/generate": "sampling_params stream cache_salt features",
}
ASKED = {
    CHAT: {"messages": ASK},
    "/v1/completions": {"prompt": "go"},
    "/v1/responses": {"input": "go"},
    "/tokenize": {"prompt": "go"},
    "/inference/v1/generate": {"token_ids": [5]},
}
# Keys in an order that is not the one of OpenAI's documentation, null inside a schema, and a key of their own.
TOOL = {
    "function": {
        "parameters": {"properties": {"b": {"type": "integer", "default": None}, "a": {}}, "type": "object"},
        "strict": None,
        "x-origin": "tests",
        "description": "Größer < 3",
        "name": "add",
    },
    "type": "function",
}
SHOWN = json.dumps(
    {**TOOL, "function": {k: v for k, v in TOOL["function"].items() if v is not None}}, ensure_ascii=False
)


@pytest.mark.parametrize("path", NULLS)
def test_null_says_nothing(says, path):
    server = says(think_then("It is 3."))
    asked = {"model": NAME} | ASKED[path]
    plain = server.http.post(path, json=asked)
    assert plain.status_code == 200, plain.text
    for name in NULLS[path].split():
        answer = server.http.post(path, json=asked | {name: None})
        assert answer.status_code == 200, (name, answer.text)
    answer = server.http.post(path, json=asked | dict.fromkeys(NULLS[path].split()))
    assert answer.headers["content-type"] == plain.headers["content-type"], "null is no wish for a stream"
    sampled = [request.params for request in server.gateway.engine.requests]
    assert all(params == sampled[0] for params in sampled)


def test_an_answer_of_a_completion_fills_the_context_where_max_tokens_is_null(says):
    server = says(think_then("It is 3."))
    for extra, expected in (({}, 16), ({"max_tokens": None}, server.gateway.engine.context - 2)):
        asked = {"model": NAME, "prompt": [5, 6]} | extra
        assert server.http.post("/v1/completions", json=asked).status_code == 200
        assert server.gateway.engine.requests[-1].params.max_tokens == expected


def test_null_inside_and_where_something_must_be_said(says):
    server = says(think_then("It is 3."))
    options = {"stream": True, "stream_options": {"include_usage": None, "else": None}}
    assert server.http.post(CHAT, json={"model": NAME, "messages": ASK} | options).status_code == 200
    refused = server.http.post(CHAT, json={"model": NAME, "messages": None})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "messages"
    assert server.http.post(CHAT, json={"model": NAME, "messages": ASK, "else": False}).status_code == 400


def test_tools_reach_the_model_as_they_were_written(says):
    server = says(think_then("It is 3."))
    assert server.http.post(CHAT, json={"model": NAME, "messages": ASK, "tools": [TOOL]}).status_code == 200
    prompt = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert f"<tools>\n{SHOWN}\n</tools>" in prompt
    ids = server.http.post("/tokenize", json={"messages": ASK, "tools": [TOOL]}).json()["tokens"]
    assert tuple(ids) == server.gateway.engine.requests[-1].prompt


def test_tools_of_a_response_come_in_their_order(says):
    server = says(think_then("It is 3."))
    flat = {"description": "Adds.", "type": "function", "parameters": {"type": "object"}, "name": "add"}
    told = client(server).responses.create(model=NAME, input="x", tools=[flat])
    prompt = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert '"function": {"description": "Adds.", "parameters": {"type": "object"}, "name": "add"}' in prompt
    assert told.tools[0].name == "add" and told.tools[0].description == "Adds."
