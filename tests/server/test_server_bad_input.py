"""Whatever a client sends, it gets an error in OpenAI's form, and the next honest client its answer."""

import json
import socket

import pytest

from tests.shared.born import ASK, NAME, client
from tests.shared.one_turn import think_then

CHAT, TEXT, GENERATE = "/v1/chat/completions", "/v1/completions", "/inference/v1/generate"
JSON = {"content-type": "application/json"}


def tool(**function) -> dict:
    return {"tools": [{"type": "function", "function": {"name": "f"} | function}]}


def form(schema) -> dict:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}


DEEP = json.loads("[" * 900 + "]" * 900)
BAD = {  # fields of a chat request: what the message must say
    "unknown field": ({"max_token": 5}, "max_token"),
    "guided": ({"guided_json": {}}, "guided_json"),
    "unknown model": ({"model": "gpt-5"}, "gpt-5"),
    "no messages": ({"messages": []}, "messages"),
    "messages of another type": ({"messages": "hi"}, "messages"),
    "message of another type": ({"messages": ["hi"]}, "messages"),
    "unknown role": ({"messages": [{"role": "robot", "content": "hi"}]}, "role"),
    "image": ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "text"),
    "content of another type": ({"messages": [{"role": "user", "content": 5}]}, "content"),
    "half a character": ({"messages": [{"role": "user", "content": "\ud800"}]}, "surrogate"),
    "call without a name": ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "name"),
    "calls of another type": ({"messages": [{"role": "assistant", "tool_calls": 5}]}, "tool_calls"),
    "arguments that are neither object nor text": (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}]},
        "arguments",
    ),
    "deep message": ({"messages": [{"role": "user", "content": DEEP}]}, "content"),
    "n": ({"n": 1000}, "n"),
    "n of 0": ({"n": 0}, "n"),
    "max_tokens of 0": ({"max_tokens": 0}, "max_tokens"),
    "max_tokens as text": ({"max_tokens": "5"}, "max_tokens"),
    "max_tokens and max_completion_tokens": ({"max_tokens": 5, "max_completion_tokens": 6}, "differ"),
    "temperature": ({"temperature": 3}, "temperature"),
    "temperature as text": ({"temperature": "hot"}, "temperature"),
    "top_p": ({"top_p": 0}, "top_p"),
    "negative budget": ({"thinking_budget": -1}, "thinking_budget"),
    "budget as text": ({"thinking": {"budget_tokens": "many"}}, "budget_tokens"),
    "contradiction": ({"think": False, "thinking_budget": 9}, "contradict"),
    "effort": ({"reasoning_effort": "heroic"}, "heroic"),
    "top_logprobs alone": ({"top_logprobs": 2}, "logprobs"),
    "top_logprobs": ({"logprobs": True, "top_logprobs": 99}, "top_logprobs"),
    "logit_bias key": ({"logit_bias": {"x": 1}}, "logit_bias"),
    "logit_bias of no token": ({"logit_bias": {"99999": 1}}, "logit_bias"),
    "logit_bias value": ({"logit_bias": {"1": 500}}, "logit_bias"),
    "stop": ({"stop": ["x"] * 99}, "stop"),
    "empty stop": ({"stop": ""}, "stop"),
    "stop_token_ids": ({"stop_token_ids": [-1]}, "stop_token_ids"),
    "stream_options alone": ({"stream": False, "stream_options": {"include_usage": True}}, "stream"),
    "tool without a name": ({"tools": [{"type": "function", "function": {}}]}, "name"),
    "tool of another kind": ({"tools": [{"type": "retrieval"}]}, "tools"),
    "tool with a wild name": (tool(name="rm -rf /"), "name"),
    "tool schema that is none": (tool(parameters={"type": "banana"}), "banana"),
    "tool schema of another type": (tool(parameters="object"), "parameters"),
    "tool schema of wrong parts": (tool(parameters={"type": "object", "properties": ["a"]}), "properties"),
    "deep tool schema": (tool(parameters={"anyOf": DEEP}), "anyOf"),
    "required without tools": ({"tool_choice": "required"}, "tools"),
    "named without tools": ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "f"),
    "schema of nothing": (form({"type": "string", "enum": []}), ""),
    "schema that is none": (form({"type": "banana"}), ""),
    "deep schema": (form({"anyOf": DEEP}), ""),
    "regex": ({"structured_outputs": {"regex": "("}}, ""),
    "grammar": ({"structured_outputs": {"grammar": "start: nothing"}}, ""),
    "two forms": ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "exactly one"),
    "no form": ({"structured_outputs": {}}, "exactly one"),
    "min_tokens": ({"min_tokens": 5}, "min_tokens is not supported"),
    "frequency_penalty": ({"frequency_penalty": 3}, "frequency_penalty"),
    "max_tokens of 400 digits": ({"max_tokens": 10**400}, "max_tokens"),
    "budget for the template": ({"chat_template_kwargs": {"thinking_budget": -1}}, "thinking_budget is -1"),
    "part of another type": ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]"),
    "choice of another kind": ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
    "tool schema with a wrong enum": (tool(parameters={"enum": 5}), "parameters.enum must be a list"),
    "tool schema with a wrong limit": (
        tool(parameters={"properties": {"a": {"maximum": "x"}}}),
        "parameters.properties.a.maximum must be a number",
    ),
    "no such factor": ({"rope_factor": 3}, "rope_factor"),
    "too long": ({"messages": [{"role": "user", "content": "word " * 2000}]}, "maximum context length"),
    "too long an answer": ({"max_tokens": 100_000}, "maximum context length"),
}


def error_of(response, status: int = 400) -> dict:
    """The error of a response, after a look at its form."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"} and response.headers["x-request-id"]
    error = response.json()["error"]
    assert error["message"] and error["type"] in ("invalid_request_error", "rate_limit_error", "server_error")
    assert isinstance(error["code"], str) and (error["param"] is None or isinstance(error["param"], str))
    assert not set(error["param"] or "") & set(" '\""), "no words of the validator's own"
    return error


@pytest.fixture(autouse=True)
def honest_clients_notice_nothing(born):
    yield
    assert client(born).chat.completions.create(model=NAME, messages=ASK, max_tokens=3).choices
    assert born.http.get("/health").status_code == 200


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("stream", [False, True])
def test_bad_fields(born, case, stream):
    fields, wanted = BAD[case]
    body = {"model": NAME, "messages": ASK, "max_tokens": 5, "stream": stream} | fields
    response = born.http.post(CHAT, content=json.dumps(body), headers=JSON)
    error = error_of(response, 404 if case == "unknown model" else 400)
    assert wanted in error["message"] and len(error["message"]) < 1000
    if case.startswith("too long"):
        assert error["code"] == "context_length_exceeded" and error["n_ctx"] == 1024


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"model": "tiny"', b'{"a": 1e999999}'],
    ids=repr,
)
@pytest.mark.parametrize("path", [CHAT, TEXT, GENERATE, "/v1/responses", "/tokenize", "/detokenize"])
def test_bodies_that_are_none(born, path, body):
    error = error_of(born.http.post(path, content=body, headers=JSON))
    assert (error["code"] == "invalid_json") == (
        body[:1] in (b"{", b"\xff") or body.startswith(b"[[")
    ) or b"1e9" in body


def test_a_body_of_another_kind(born):
    body = json.dumps({"model": NAME, "messages": ASK})
    assert "application/json" in error_of(born.http.post(CHAT, content=body))["message"]
    error_of(born.http.post(CHAT, data={"model": NAME}))


def test_nan_is_no_number(born):
    body = json.dumps({"model": NAME, "messages": ASK, "temperature": float("nan"), "top_p": float("inf")})
    error_of(born.http.post(CHAT, content=body, headers=JSON))


def test_two_megabytes_of_prompt(born):
    error = error_of(
        born.http.post(CHAT, json={"model": NAME, "messages": [{"role": "user", "content": "a b " * 2**19}]})
    )
    assert (
        error["code"] == "context_length_exceeded"
        and error["n_prompt_tokens"] > 2**16
        and "at least" in error["message"]
    )


def test_bodies_that_are_too_large(born):
    error = error_of(born.http.post(CHAT, content=b"x" * (9 << 20), headers=JSON), 413)
    assert error["code"] == "request_too_large"

    def endless():
        for _ in range(9):
            yield b"x" * (1 << 20)

    error_of(born.http.post(CHAT, content=endless(), headers=JSON), 413)
    for length in ("-5", "many", "9" * 30):
        with socket.create_connection(born.listener.getsockname()) as raw:
            raw.sendall(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n".encode())
            assert raw.recv(1000).split(b" ")[1] in (b"400", b"413")


def test_places_that_are_none(born):
    assert error_of(born.http.get("/v1/nothing"), 404)["code"] == "not_found"
    assert error_of(born.http.get(CHAT), 405)["code"] == "method_not_allowed"
    assert error_of(born.http.post(f"{CHAT}/control", json={"id": "x", "action": "reasoning_end"}), 404)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (TEXT, {"prompt": ""}),
        (TEXT, {"prompt": []}),
        (TEXT, {"prompt": [[]]}),
        (TEXT, {"prompt": [10**9]}),
        (TEXT, {"prompt": [-1]}),
        (TEXT, {"prompt": ["x"] * 65}),
        (TEXT, {"prompt": "x", "suffix": "y"}),
        (TEXT, {"prompt": "x", "best_of": 3}),
        (TEXT, {"prompt": "x", "echo": True, "logprobs": 1}),
        (TEXT, {"prompt": "word " * 2000}),
        (GENERATE, {"token_ids": [10**9]}),
        (GENERATE, {"token_ids": []}),
        (GENERATE, {"token_ids": [1], "sampling_params": {"prompt_logprobs": 1}}),
        (GENERATE, {"token_ids": [1], "sampling_params": {"min_tokens": 5}}),
        (GENERATE, {"token_ids": [1], "sampling_params": {"temperature": "x"}}),
        ("/detokenize", {"tokens": [10**9]}),
        ("/tokenize", {}),
        ("/tokenize", {"prompt": "x", "messages": ASK}),
        ("/tokenize", {"prompt": "\ud800"}),
        ("/v1/responses", {"input": []}),
        ("/v1/responses", {"input": [{"type": "web_search_call"}]}),
        ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_image"}]}]}),
        ("/v1/responses", {"input": [{"type": "function_call"}]}),
        ("/v1/responses", {"input": [5]}),
        ("/v1/responses", {"input": "x", "tools": [{"type": "web_search"}]}),
        ("/v1/responses", {"input": "x", "tool_choice": "required"}),
        ("/v1/responses", {"input": "x", "text": {"format": {"type": "json_schema"}}}),
    ],
)
def test_other_routes(born, path, body):
    fields = body if path == "/detokenize" else {"model": NAME} | body
    error_of(born.http.post(path, content=json.dumps(fields), headers=JSON))


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 1e-300},
        {"temperature": 1e-3, "logit_bias": {"5": 100}},
        {"temperature": 2, "top_p": 1e-300, "min_p": 0.999999},
        {"repetition_penalty": 0.1, "presence_penalty": 2, "temperature": 1e-3},
        {"top_k": 2**40},
        {"logit_bias": {str(token): -100 for token in range(300)}},
        {"seed": -(2**63)},
        {"seed": 2**64 - 1},
        {"stop_token_ids": list(range(64))},
        {"max_tokens": 5.0, "n": None, "stop": None, "tools": [], "logprobs": None, "stream": None},
    ],
    ids=str,
)
def test_extremes_that_are_allowed(born, fields):
    """One row that is no number any more would take the whole batch with it."""
    answer = born.http.post(CHAT, json={"model": NAME, "messages": ASK, "max_tokens": 20} | fields)
    assert answer.status_code == 200, answer.text


def test_output_that_no_encoding_can_hold(says):
    """Bytes that are no UTF-8, and control characters: the stream stays JSON."""
    server = says(think_then("a\x00b\u2028c\x7f"))
    text = server.http.post(CHAT, json={"model": NAME, "messages": ASK, "stream": True}).text
    assert text.isascii() and "\\u2028" in text
