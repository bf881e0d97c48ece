"""/v1/messages, Anthropic's form, over HTTP: what the model reads, what comes back, whole and as events."""

import json

import pytest

from ponder.chat.parser import OutputParser
from ponder.server.front.api_keys import Keys
from ponder.server.requests.messages import MessagesRequest, to_chat
from tests.shared.born import ASK, NAME
from tests.shared.one_turn import CALL, THOUGHT, think_then

PATH = "/v1/messages"
ADD = {
    "name": "add",
    "description": "adds",
    "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}},
}
BODY = {"model": NAME, "max_tokens": 400, "messages": ASK}
USED = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"}
TWO_CALLS = CALL + "\n" + CALL.replace("1", "2")


def ask(server, **fields) -> dict:
    answer = server.http.post(PATH, json=BODY | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def events_of(server, **fields) -> list[dict]:
    answer = server.http.post(PATH, json=BODY | {"stream": True} | fields)
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    told = [event.split("\n", 1) for event in answer.text.split("\n\n") if event and not event.startswith(":")]
    bodies = [json.loads(data.removeprefix("data: ")) for _, data in told]
    assert [name for name, _ in told] == [f"event: {body['type']}" for body in bodies]
    return bodies


def put_together(events: list[dict]) -> dict:
    """The message that the events build, as Anthropic's clients build it."""
    message, texts = dict(events[0]["message"]), {}
    for event in events[1:]:
        if event["type"] == "content_block_start":
            assert event["index"] == len(message["content"])
            message["content"] = [*message["content"], dict(event["content_block"])]
        elif event["type"] == "content_block_delta":
            ((name, text),) = ((key, value) for key, value in event["delta"].items() if key != "type")
            texts.setdefault((event["index"], name), []).append(text)
        elif event["type"] == "message_delta":
            message |= event["delta"] | {"usage": event["usage"]}
    for (index, name), parts in texts.items():
        whole = "".join(parts)
        message["content"][index] |= {"input": json.loads(whole)} if name == "partial_json" else {name: whole}
    return message


def prompt_of(server) -> str:
    return server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)


def same(message: dict) -> dict:
    """Without what is new every time."""
    blocks = [{key: value for key, value in block.items() if key != "id"} for block in message["content"]]
    return message | {"id": "", "content": blocks}


# ---- answers ----


def test_a_thought_and_an_answer(says):
    told = ask(says(think_then("It is 3.")))
    thinking, text = told["content"]
    assert thinking["type"] == "thinking" and thinking["thinking"] == THOUGHT + "\n" and thinking["signature"]
    assert text == {"type": "text", "text": "It is 3."}
    assert (told["type"], told["role"], told["model"], told["stop_reason"]) == (
        "message",
        "assistant",
        NAME,
        "end_turn",
    )
    usage = told["usage"]
    assert usage["cache_read_input_tokens"] == 7 and usage["output_tokens_details"]["thinking_tokens"] > 10
    assert told["id"].startswith("msg_") and told["stop_sequence"] is None


@pytest.mark.parametrize("piece", [1, 1000])
@pytest.mark.parametrize("said", ["It is 3.", f"Sure.\n{CALL}", TWO_CALLS, f"<tool_call>\n{{]\n</tool_call>{CALL}"])
def test_events_build_the_same_message(says, piece, said):
    server = says(think_then(said), piece=piece)
    events = events_of(server, tools=[ADD])
    assert same(put_together(events)) == same(ask(server, tools=[ADD]))
    kinds = [event["type"] for event in events]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    places = [event["index"] for event in events if event["type"].startswith("content_block")]
    assert places == sorted(places), "one block at a time"


def test_calls_have_names_of_their_own(says):
    told = ask(says(think_then(TWO_CALLS)), tools=[ADD])
    calls = told["content"][1:]
    assert [call["input"] for call in calls] == [{"a": 1}, {"a": 2}] and told["stop_reason"] == "tool_use"
    assert len({call["id"] for call in calls}) == 2 and all(call["id"].startswith("toolu_") for call in calls)
    once = {"type": "auto", "disable_parallel_tool_use": True}
    assert len(ask(says(think_then(TWO_CALLS)), tools=[ADD], tool_choice=once)["content"]) == 2


def test_a_broken_call_is_never_told_as_one(says):
    """Agents run what stands in a tool_use block, whatever comes after it."""
    server = says(think_then('<tool_call>\n{"name": "add", "arguments": {"a": 1, [}'))
    events = events_of(server, tools=[ADD])
    kinds = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert kinds == ["thinking", "text"] and events[-2]["delta"]["stop_reason"] == "end_turn"
    eager = events_of(server, tools=[ADD | {"eager_input_streaming": True}])
    kinds = [event["content_block"]["type"] for event in eager if event["type"] == "content_block_start"]
    assert kinds == ["thinking", "tool_use", "text"], "who asks to see it being written sees that it broke"
    assert same(ask(server, tools=[ADD | {"eager_input_streaming": True}])) == same(put_together(events))


def test_inputs_are_told_as_they_are_written_where_a_tool_asks_for_it(says):
    def fragments(**more):
        events = events_of(says(think_then(CALL)), tools=[ADD | more])
        deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
        return [delta["partial_json"] for delta in deltas if delta["type"] == "input_json_delta"]

    assert fragments() == ['{"a": 1}']
    eager = fragments(eager_input_streaming=True)
    assert len(eager) > 1 and "".join(eager) == '{"a": 1}'


def test_why_an_answer_ended(says):
    server = says(think_then("It is 3. And so on."))
    stopped = ask(server, stop_sequences=["3."])
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "3.")
    assert stopped["content"][-1]["text"] == "It is "
    cut = ask(server, max_tokens=5, thinking={"type": "disabled"})
    assert cut["stop_reason"] == "max_tokens" and cut["usage"]["output_tokens"] == 5
    assert put_together(events_of(server, max_tokens=5, thinking={"type": "disabled"}))["stop_reason"] == "max_tokens"


def test_more_tokens_than_there_is_room_for(says):
    server = says(think_then("1 2 3 4 5 6 7 8 9 " * 50), context=100)
    told = ask(server, max_tokens=32_000)
    assert told["stop_reason"] == "model_context_window_exceeded"
    usage = told["usage"]
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["output_tokens"] == 200  # with YaRN


def test_thinking_as_it_is_asked_for(says):
    server = says(think_then("It is 3."))
    assert "</think>" not in prompt_of_off(server)
    short = ask(server, thinking={"type": "enabled", "budget_tokens": 4})
    assert short["reasoning_stop_reason"] == "budget"
    low = ask(server, thinking={"type": "adaptive"}, output_config={"effort": "low"})
    assert low["content"][0]["type"] == "thinking"
    for stream in (False, True):
        asked = {"thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"}}
        hidden = put_together(events_of(server, **asked)) if stream else ask(server, **asked)
        assert hidden["content"][0]["thinking"] == "" and hidden["content"][0]["signature"]
        assert hidden["content"][1]["text"] == "It is 3."


def prompt_of_off(server) -> str:
    """Also beside an effort, which is of all that the model does."""
    told = ask(server, thinking={"type": "disabled"}, output_config={"effort": "high"})
    assert told["usage"]["output_tokens_details"]["thinking_tokens"] == 0
    return prompt_of(server).rpartition("assistant\n")[2].replace("<think>\n\n</think>\n\n", "")


def test_an_answer_of_a_form(born):
    schema = {
        "type": "object",
        "properties": {"w": {"enum": ["a", "b"]}},
        "required": ["w"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "schema": schema}
    off = {"thinking": {"type": "disabled"}, "seed": 1}
    for fields in ({"output_config": {"format": form}}, {"output_format": form}):
        (text,) = ask(born, **off, **fields)["content"]
        assert json.loads(text["text"])["w"] in ("a", "b")


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "add"}])
def test_calls_that_must_come(born, choice):
    nothing = ADD | {"input_schema": {"type": "object", "additionalProperties": False}}
    told = ask(born, tools=[nothing], tool_choice=choice, thinking={"type": "disabled"}, seed=1)
    assert (told["content"][0]["type"], told["content"][0]["input"]) == ("tool_use", {})


# ---- histories ----


def test_a_loop_of_tools(says):
    server = says(think_then(CALL))
    first = ask(server, tools=[ADD])
    call = first["content"][-1]
    result = RESULT | {"tool_use_id": call["id"], "content": [{"type": "text", "text": "three"}]}
    history = [*ASK, {"role": "assistant", "content": first["content"]}, {"role": "user", "content": [result]}]
    ask(
        server,
        tools=[ADD],
        messages=history,
        system=[{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}],
    )
    prompt = prompt_of(server)
    assert prompt.startswith("<|im_start|>system\nBe\nbrief.")
    assert '{"type": "function", "function": {"name": "add", "description": "adds", "parameters": {"type"' in prompt
    assert f"<think>\n{THOUGHT}\n</think>" in prompt, "the thought of a running turn stays"
    assert CALL in prompt and "<tool_response>\nthree\n</tool_response>" in prompt


def read(*messages) -> list[dict]:
    sent = MessagesRequest(model=NAME, max_tokens=9, messages=list(messages))
    return [message.model_dump(exclude_unset=True) for message in to_chat(sent).messages]


def test_neighbours_of_one_role_are_one_turn():
    user, said = {"role": "user", "content": "a"}, {"role": "assistant", "content": [USED]}
    told = read(user, user, {"role": "assistant", "content": "b"}, said, {"role": "user", "content": [RESULT]}, user)
    assert [message["role"] for message in told] == ["user", "assistant", "tool", "user"]
    assert [message["content"] for message in told] == ["a\na", "b", "3", "a"]
    assert told[1]["tool_calls"][0]["function"] == {"name": "add", "arguments": {"a": 1}}


def test_results_come_before_what_a_user_says():
    (*_, result, said) = read(
        {"role": "assistant", "content": [USED]}, {"role": "user", "content": [{"type": "text", "text": "so?"}, RESULT]}
    )
    assert (result["role"], result["tool_call_id"], said["role"]) == ("tool", "toolu_1", "user")


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"content": "no such file", "is_error": True}, "Error: no such file"),
        ({"content": "<error>gone</error>", "is_error": True}, "<error>gone</error>"),
        ({"content": None}, ""),
        ({"content": [{"type": "document", "title": "T", "source": {"type": "text", "data": "d"}}]}, "T\nd"),
    ],
)
def test_what_a_result_is_to_the_model(fields, shown):
    *_, result = read({"role": "assistant", "content": [USED]}, {"role": "user", "content": [RESULT | fields]})
    assert result["content"] == shown


def test_an_answer_that_is_begun_is_continued(says):
    server = says(lambda so_far: "3." if so_far.endswith("It is ") else "no")
    told = ask(server, messages=[*ASK, {"role": "assistant", "content": "It is "}])
    assert told["content"] == [{"type": "text", "text": "3."}]


def test_tokens_are_counted(says):
    server = says(think_then("It is 3."))
    asked = {"messages": ASK, "tools": [ADD], "system": "Be brief.", "tool_choice": {"type": "any"}}
    usage = ask(server, **asked)["usage"]
    counted = server.http.post(f"{PATH}/count_tokens", json={"model": NAME} | asked)
    assert counted.json() == {"input_tokens": usage["input_tokens"] + usage["cache_read_input_tokens"]}
    long = {"model": NAME, "messages": [{"role": "user", "content": "one two " * 9000}]}
    assert server.http.post(f"{PATH}/count_tokens", json=long).json()["input_tokens"] > server.gateway.lengths.longest


# ---- what is refused ----

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}
BAD = {
    "no max_tokens": ({"max_tokens": None}, "max_tokens"),
    "unknown field": ({"max_new_tokens": 5}, "max_new_tokens"),
    "image": ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0] is of type 'image'"),
    "image in a result": ({"messages": [{"role": "user", "content": [RESULT | {"content": [IMAGE]}]}]}, "content[0]"),
    "no block": ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0]"),
    "text of another type": ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "text"),
    "unknown role": ({"messages": [{"role": "tool", "content": "x"}]}, "role"),
    "no messages": ({"messages": []}, "messages"),
    "input that is none": ({"messages": [{"role": "assistant", "content": [USED | {"input": "x"}]}]}, "input"),
    "call at the end": ({"messages": [*ASK, {"role": "assistant", "content": [USED]}]}, "results come next"),
    "hosted tool": ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search_20250305"),
    "schema that is none": ({"tools": [ADD | {"input_schema": {"type": "banana"}}]}, "banana"),
    "choice without a name": ({"tools": [ADD], "tool_choice": {"type": "tool"}}, "name"),
    "choice of no tool": ({"tools": [ADD], "tool_choice": {"type": "tool", "name": "sub"}}, "sub"),
    "any of none": ({"tool_choice": {"type": "any"}}, "tools"),
    "thinking of another kind": ({"thinking": {"type": "hard"}}, "thinking"),
    "system of another type": ({"system": 5}, "system"),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_are_in_anthropics_form(says, name):
    fields, told = BAD[name]
    answer = says(think_then("It is 3.")).http.post(PATH, json=BODY | fields)
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["type"] == "error" and body["error"]["type"] == "invalid_request_error"
    assert told in body["error"]["message"]
    assert body["request_id"] == answer.headers["request-id"]


def test_errors_of_every_place_are_in_anthropics_form(says):
    server = says(think_then("It is 3."), keys=Keys.of("secret"))
    post, key = server.http.post, {"x-api-key": "secret"}
    for answer, status, kind in (
        (post(PATH, json=BODY), 401, "authentication_error"),
        (post(PATH, json=BODY, headers={"x-api-key": "wrong"}), 401, "authentication_error"),
        (post(PATH, json=BODY | {"model": "claude"}, headers=key), 404, "not_found_error"),
        (post(f"{PATH}/batches", json=BODY, headers=key), 404, "not_found_error"),
        (server.http.get(PATH, headers=key), 405, "invalid_request_error"),
        (post(PATH, content=b"{", headers=key), 400, "invalid_request_error"),
        (post(PATH, content=b" " * (9 << 20), headers=key), 413, "request_too_large"),
    ):
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    assert post(PATH, json=BODY, headers=key).status_code == 200
    assert post("/v1/messagesX", json=BODY, headers=key).json()["error"]["code"] == "not_found", "OpenAI's elsewhere"


def test_what_is_too_long_is_said_as_agents_know_it(says):
    answer = says(think_then("x")).http.post(PATH, json=BODY | {"messages": [{"role": "user", "content": "1 " * 9000}]})
    error = answer.json()["error"]
    assert error["message"].startswith("prompt is too long: ") and error["n_ctx"] == 8192


def test_a_stream_that_fails_says_so(says, monkeypatch):
    server = says(think_then("It is 3."))
    server.gateway.engine.failure = RuntimeError("out of luck")
    *_, last = events_of(server)
    assert last["type"] == "error" and last["error"] == {"type": "api_error", "message": "out of luck"}
    server.gateway.engine.failure = None
    monkeypatch.setattr(OutputParser, "push", lambda *_: 1 / 0)  # a defect of ours
    *_, last = events_of(server)
    assert last["type"] == "error" and last["error"] == {"type": "api_error", "message": "internal error"}
