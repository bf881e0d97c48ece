"""Tool calls that break while they are written stay calls on each wire, and those beside them are whole."""

import pytest

from tests.server.test_chat_http import chunks
from tests.shared.born import ASK, NAME, client
from tests.shared.one_turn import CALL, TOOLS, parts, run, think_then

SPOILT = '{"a": 2,,}}\n'  # its arguments
BROKEN = '<tool_call>\n{"name": "add", "arguments": {"a": 2,,}}\n</tool_call>'
UNKNOWN = '<tool_call>\n{"name": "subtract", "arguments": {}}\n</tool_call>'
SUB = {"type": "function", "name": "add", "parameters": {"type": "object"}}


@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_the_one_call_is_the_first_that_was_told(renderer, piece):
    answer_text = think_then(f"{UNKNOWN}\n{BROKEN}\n{CALL}")
    deltas, answer, _ = run(renderer, answer_text, tools=TOOLS, single_call=True, piece=piece)
    assert [delta.tool_call.arguments_text for delta in deltas if delta.tool_call] == [SPOILT]
    assert (answer.finish_reason, answer.tool_calls) == ("tool_calls", 1)
    assert parts(deltas)[1].strip() == UNKNOWN


def test_one_call_of_several_in_the_thought(renderer):
    """They are made when the output ends, all at once."""
    deltas, answer, _ = run(renderer, lambda _: f"hm\n{CALL}\n{CALL}", tools=TOOLS, single_call=True)
    assert [delta.index for delta in deltas if delta.tool_call] == [0] and answer.tool_calls == 1


def test_a_chat_says_which_calls_broke(says):
    server = says(think_then(f"{UNKNOWN}\n{BROKEN}\n{CALL}"))
    whole = server.http.post("/v1/chat/completions", json={"model": NAME, "messages": ASK, "tools": TOOLS})
    (choice,) = whole.json()["choices"]
    told = chunks(server, tools=TOOLS)
    last = told[-1]["choices"][0]
    assert last["finish_reason"] == choice["finish_reason"] == "tool_calls"
    unknown, broken = last["tool_call_errors"]
    assert [unknown, broken] == choice["tool_call_errors"]
    assert (unknown["index"], unknown["name"]) == (None, "subtract") and "no tool" in unknown["reason"]
    assert (broken["index"], broken["name"]) == (0, "add") and "needs a key" in broken["reason"]
    deltas = [chunk["choices"][0]["delta"] for chunk in told]
    streamed: dict[int, str] = {}
    for call in (call for delta in deltas for call in delta.get("tool_calls", [])):
        streamed[call["index"]] = streamed.get(call["index"], "") + call["function"]["arguments"]
    calls = [call["function"]["arguments"] for call in choice["message"]["tool_calls"]]
    assert list(streamed.values()) == calls == [SPOILT, '{"a": 1}']
    assert "".join(delta.get("content") or "" for delta in deltas) == choice["message"]["content"]
    assert choice["message"]["content"].strip() == UNKNOWN


def test_the_history_of_a_broken_stream_goes_on(says):
    """Clients keep what was streamed, half a call too."""
    server = says(think_then(BROKEN))
    with client(server).chat.completions.stream(model=NAME, messages=ASK, tools=TOOLS) as stream:
        message = stream.get_final_completion().choices[0].message
    (call,) = message.tool_calls
    assert call.function.arguments == SPOILT
    sent = message.model_dump(include={"role": True, "content": True, "tool_calls": {0: {"id", "type", "function"}}})
    sent["tool_calls"][0]["function"].pop("parsed_arguments")
    history = [*ASK, sent, {"role": "tool", "tool_call_id": call.id, "content": "no JSON"}]
    again = server.http.post("/v1/chat/completions", json={"model": NAME, "messages": history, "tools": TOOLS})
    assert again.status_code == 200, again.text
    prompt = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert '<tool_call>\n{"name": "add", "arguments": {"a": 2,,}}\n}\n</tool_call>' in prompt


@pytest.mark.parametrize("piece", [1, 1000])
def test_a_response_says_that_a_call_is_broken(says, piece):
    server = says(think_then(f"Sure.\n{BROKEN}\n{CALL}"), piece=piece)
    asked = {"model": NAME, "input": "1 + 2", "tools": [SUB]}
    whole = server.http.post("/v1/responses", json=asked).json()
    items = [("reasoning", "completed"), ("message", "completed")]
    items += [("function_call", "incomplete"), ("function_call", "completed")]
    assert [(item["type"], item["status"]) for item in whole["output"]] == items
    assert whole["output"][2]["arguments"] == SPOILT
    assert [error["name"] for error in whole["tool_call_errors"]] == ["add"] and whole["status"] == "completed"
    events = list(client(server).responses.create(**asked, stream=True))
    assert [(item.type, item.status) for item in events[-1].response.output] == items
    done = [event for event in events if event.type == "response.output_item.done"]
    assert [(event.output_index, event.item.id) for event in done] == [
        (place, item.id) for place, item in enumerate(events[-1].response.output)
    ]


def test_a_call_that_the_length_cuts(says):
    """It is told as far as it has come, as by OpenAI."""
    server = says(think_then(CALL))
    asked = {"model": NAME, "input": "x", "tools": [SUB], "max_output_tokens": 40, "enable_thinking": False}
    long = server.http.post("/v1/responses", json=asked | {"max_output_tokens": 400}).json()["usage"]["output_tokens"]
    cut = server.http.post("/v1/responses", json=asked | {"max_output_tokens": long - 3}).json()
    (call,) = cut["output"]
    assert (cut["status"], call["status"], call["arguments"]) == ("incomplete", "incomplete", '{"a": 1')
    chat = {"model": NAME, "messages": ASK, "tools": TOOLS, "max_tokens": long - 3, "enable_thinking": False}
    (choice,) = server.http.post("/v1/chat/completions", json=chat).json()["choices"]
    assert choice["finish_reason"] == "length" and choice["tool_call_errors"][0]["index"] == 0
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"a": 1'


BARE = '{"name": "add", "arguments": {"a": 1}}'


@pytest.mark.parametrize("piece", [1, 1000])
@pytest.mark.parametrize("written", [BARE, f"```json\n{BARE}\n```", f"<tool_call>\n{BARE}", f"<tools>{BARE}}}</tools>"])
def test_a_sloppy_call_is_one_on_each_wire(says, written, piece):
    server = says(think_then(written), piece=piece)
    with client(server).chat.completions.stream(model=NAME, messages=ASK, tools=TOOLS) as stream:
        (choice,) = stream.get_final_completion().choices
    assert choice.finish_reason == "tool_calls" and not choice.message.content
    asked = {"model": NAME, "messages": ASK, "tools": TOOLS}
    (whole,) = client(server).chat.completions.create(**asked).choices
    assert whole.finish_reason == "tool_calls" and not whole.message.content
    for made in (choice, whole):
        (call,) = made.message.tool_calls
        assert (call.function.name, call.function.arguments) == ("add", '{"a": 1}')
    for fields in ({"tools": []}, {"tool_choice": "none"}):
        (text,) = server.http.post("/v1/chat/completions", json=asked | fields).json()["choices"]
        assert text["finish_reason"] == "stop" and text["message"]["content"].strip() == written


def test_json_that_was_asked_for_is_no_call(says):
    server = says(think_then(BARE))
    asked = {"model": NAME, "messages": ASK, "tools": TOOLS, "response_format": {"type": "json_object"}}
    (choice,) = server.http.post("/v1/chat/completions", json=asked).json()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (BARE, "stop")
