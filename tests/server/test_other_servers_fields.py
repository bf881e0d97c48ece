"""Fields, parts and forms as clients of other servers send them: taken where they change nothing, else said what is meant."""

import json

import pytest

from ponder.server.requests.parts import with_text_parts
from tests.shared.born import ASK, NAME
from tests.shared.one_turn import CALL, THOUGHT, TOOLS, think_then

CHAT, TEXT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"
ASKED = {
    CHAT: {"messages": ASK},
    TEXT: {"prompt": "go"},
    RESPONSES: {"input": "go"},
    MESSAGES: {"messages": ASK, "max_tokens": 50},
}
NOTHING = {
    "modalities": ["text"],
    "best_of": 1,
    "functions": [],
    "use_beam_search": False,
    "length_penalty": 1.0,
    "enable_search": False,
    "incremental_output": True,
    "add_special_tokens": False,
    "cache_salt": "x",
    "session_id": "s",
    "prediction": {"type": "content", "content": "x"},
    "mirostat": 0,
    "typical_p": 1,
    "max_tool_calls": 3,
}
DRAWN = {
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "min_p": 0.25,
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
    "repetition_penalty": 1.5,
    "seed": 7,
    "logit_bias": {"5": 2},
    "stop_token_ids": [7],
    "ignore_eos": True,
    "rope_factor": 2,
}
SOMETHING = {  # a value that would change something: what the message says
    "modalities": (["text", "audio"], "answers in text"),
    "functions": ([{"name": "f"}], "tools"),
    "use_beam_search": (True, "beam search"),
    "enable_search": (True, "searches nothing"),
    "incremental_output": (False, "stream"),
    "mirostat": (True, "top_p"),
    "mcp_servers": ([{"url": "x"}], "run"),
}
MEANT = {
    CHAT: {
        "max_new_tokens": "max_tokens",
        "repeat_penalty": "repetition_penalty",
        "stop_sequences": "stop",
        "max_token": "max_tokens",
        "temprature": "temperature",
        "prompt": "messages",
        "format": "response_format",
        "guided_json": 'structured_outputs: {"json": ...}',
        "guided_regex": 'structured_outputs: {"regex": ...}',
        "guided_choice": 'structured_outputs: {"choice": ...}',
    },
    TEXT: {"max_new_tokens": "max_tokens", "messages": "prompt"},
    RESPONSES: {
        "max_tokens": "max_output_tokens",
        "messages": "input",
        "response_format": "text",
        "guided_json": 'structured_outputs: {"json": ...}',
    },
    MESSAGES: {"stop": "stop_sequences", "instructions": "system", "response_format": "output_config"},
}


@pytest.mark.parametrize("path", ASKED)
def test_values_that_change_nothing(says, path):
    server = says(think_then("It is 3."))
    for fields in ({}, NOTHING):
        answer = server.http.post(path, json={"model": NAME} | ASKED[path] | fields)
        assert answer.status_code == 200, answer.text
    plain, other = server.gateway.engine.requests
    assert plain.params == other.params and plain.prompt == other.prompt


@pytest.mark.parametrize("path", ASKED)
def test_how_tokens_are_drawn_is_said_alike_everywhere(says, path):
    server = says(think_then("It is 3."))
    stop = {"stop_sequences" if path == MESSAGES else "stop": ["is"]}
    answer = server.http.post(path, json={"model": NAME} | ASKED[path] | DRAWN | stop)
    assert answer.status_code == 200, answer.text
    (asked,) = server.gateway.engine.requests
    told = {name: getattr(asked.params, name) for name in DRAWN if hasattr(asked.params, name)}
    assert told == {name: DRAWN[name] for name in told} | {"logit_bias": ((5, 2.0),)} and len(told) == 8
    assert asked.params.stop_ids == {7} and asked.rope_factor == 2.0
    assert "It " in answer.text and "is 3" not in answer.text


@pytest.mark.parametrize("path", ASKED)
def test_values_that_would_change_something(says, path):
    server = says(think_then("It is 3."))
    for name, (value, told) in SOMETHING.items():
        refused = server.http.post(path, json={"model": NAME} | ASKED[path] | {name: value})
        assert refused.status_code == 400 and told in refused.json()["error"]["message"], (name, refused.text)
        assert name in refused.json()["error"]["message"]


@pytest.mark.parametrize("path", MEANT)
def test_the_name_that_is_meant(says, path):
    server = says(think_then("It is 3."))
    for name, here in MEANT[path].items():
        message = server.http.post(path, json={"model": NAME} | ASKED[path] | {name: 1}).json()["error"]["message"]
        assert f"supplied: {name}" in message and (f"mean {here}?" in message or here in message.partition("use ")[2])
    message = server.http.post(path, json={"model": NAME} | ASKED[path] | {"xyzzy": 1}).json()["error"]["message"]
    assert message.endswith("xyzzy"), "no guess is better than a wrong one"


SCHEMA = {"type": "object", "properties": {"w": {"enum": ["a", "b"]}}, "required": ["w"], "additionalProperties": False}
FORMS = [
    {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
    {"type": "json_schema", "json_schema": SCHEMA},
    {"type": "json_schema", "schema": SCHEMA},
    {"type": "json_object", "schema": SCHEMA},
]


@pytest.mark.parametrize("form", FORMS, ids=["openai's", "bare", "beside", "of an object"])
def test_a_schema_in_whichever_place(born, form):
    asked = {"model": NAME, "messages": ASK, "response_format": form, "enable_thinking": False, "seed": 1}
    answer = born.http.post(CHAT, json=asked).json()
    assert json.loads(answer["choices"][0]["message"]["content"])["w"] in ("a", "b")


@pytest.mark.parametrize(
    "form",
    [
        {"type": "json_schema"},
        {"type": "text", "schema": SCHEMA},
        {"type": "json_schema", "schema": SCHEMA, "json_schema": {"schema": SCHEMA}},
        {"type": "json_object", "json_schema": {"schema": SCHEMA}},
    ],
)
def test_forms_that_contradict_themselves(says, form):
    refused = says(think_then("x")).http.post(CHAT, json={"model": NAME, "messages": ASK, "response_format": form})
    assert refused.status_code == 400 and "schema" in refused.json()["error"]["message"]


def prompt_of(server, *messages) -> str:
    answer = server.http.post(CHAT, json={"model": NAME, "messages": messages, "tools": TOOLS})
    assert answer.status_code == 200, answer.text
    return server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)


def test_parts_of_other_names_are_text(says):
    parts = [{"type": "input_text", "text": "a"}, {"type": "output_text", "text": "b"}, {"type": "text", "text": "c"}]
    refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "I won't."}]}
    prompt = prompt_of(says(think_then("x")), {"role": "user", "content": parts}, refusal, *ASK)
    assert "user\nabc<|im_end|>" in prompt and "assistant\nI won't.<|im_end|>" in prompt


def test_thoughts_among_the_parts(says):
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    parts = [{"type": "thinking", "thinking": THOUGHT, "signature": "x"}, {"type": "redacted_thinking", "data": "x"}]
    said = {"role": "assistant", "content": [*parts, {"type": "text", "text": "Sure."}], "tool_calls": [call]}
    server = says(think_then("x"))
    prompt = prompt_of(server, *ASK, said, {"role": "tool", "tool_call_id": "c", "content": "3"})
    assert f"<think>\n{THOUGHT}\n</think>\n\nSure.\n{CALL}" in prompt
    of_a_user = {"role": "user", "content": [{"type": "thinking", "thinking": "x"}]}
    assert server.http.post(CHAT, json={"model": NAME, "messages": [of_a_user]}).status_code == 400


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({"sum": 3, "of": "é"}, '{"sum": 3, "of": "é"}'),
        ([{"sum": 3}], '[{"sum": 3}]'),
        ([{"type": "text", "text": "3"}], "3"),
    ],
)
def test_results_that_are_objects(says, content, shown):
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    history = [
        *ASK,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": content},
    ]
    assert f"<tool_response>\n{shown}\n</tool_response>" in prompt_of(says(think_then("x")), *history)


@pytest.mark.parametrize("content", [[1, 2], [None], [True, "a"], [["x"]]])
def test_a_result_that_is_a_list_of_anything_is_data(content):
    assert with_text_parts({"role": "tool", "content": content})["content"] == json.dumps(content)
