"""Tool calls that break while they are written: what becomes of them on each wire, and of those beside them."""

import json

import pytest

from tests.server.test_chat_http import chunks
from tests.shared.born import ASK, NAME, client
from tests.shared.one_turn import CALL, TOOLS, parts, run, think_then

BROKEN = '<tool_call>\n{"name": "add", "arguments": {"a": 2,,}}\n</tool_call>'
UNKNOWN = '<tool_call>\n{"name": "subtract", "arguments": {}}\n</tool_call>'
SUB = {"type": "function", "name": "add", "parameters": {"type": "object"}}


@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_the_one_call_is_the_first_that_is_whole(renderer, piece):
    answer_text = think_then(f"{BROKEN}\n{CALL}\n{CALL}")
    deltas, answer, _ = run(renderer, answer_text, tools=TOOLS, single_call=True, piece=piece)
    assert [delta.tool_call.arguments for delta in deltas if delta.tool_call] == [{"a": 1}]
    assert (answer.finish_reason, answer.tool_calls) == ("tool_calls", 1)
    assert parts(deltas)[1].strip() == BROKEN
    told = [delta.index for delta in deltas if delta.kind in ("tool_call_start", "tool_call_error", "tool_call_end")]
    assert told == [0, 0, 1, 1], "an index that was told in part is not used again"


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
    # Who leaves out the calls that are named there has what the whole answer has.
    deltas = [chunk["choices"][0]["delta"] for chunk in told]
    streamed: dict[int, str] = {}
    for call in (call for delta in deltas for call in delta.get("tool_calls", [])):
        streamed[call["index"]] = streamed.get(call["index"], "") + call["function"]["arguments"]
    assert streamed.pop(broken["index"]) == '{"a": 2,'
    calls = [call["function"]["arguments"] for call in choice["message"]["tool_calls"]]
    assert list(streamed.values()) == calls == ['{"a": 1}']
    assert "".join(delta.get("content") or "" for delta in deltas) == choice["message"]["content"]


def test_the_history_of_a_broken_stream_goes_on(says):
    """Clients keep what was streamed, half a call too."""
    server = says(think_then(BROKEN))
    with client(server).chat.completions.stream(model=NAME, messages=ASK, tools=TOOLS) as stream:
        message = stream.get_final_completion().choices[0].message
    (call,) = message.tool_calls
    assert call.function.arguments == '{"a": 2,'
    sent = message.model_dump(include={"role": True, "content": True, "tool_calls": {0: {"id", "type", "function"}}})
    sent["tool_calls"][0]["function"].pop("parsed_arguments")
    history = [*ASK, sent, {"role": "tool", "tool_call_id": call.id, "content": "no JSON"}]
    again = server.http.post("/v1/chat/completions", json={"model": NAME, "messages": history, "tools": TOOLS})
    assert again.status_code == 200, again.text
    prompt = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert '<tool_call>\n{"name": "add", "arguments": {"a": 2,}\n</tool_call>' in prompt


@pytest.mark.parametrize("piece", [1, 1000])
def test_a_response_has_no_broken_calls(says, piece):
    server = says(think_then(f"Sure.\n{BROKEN}\n{CALL}"), piece=piece)
    asked = {"model": NAME, "input": "1 + 2", "tools": [SUB]}
    whole = server.http.post("/v1/responses", json=asked).json()
    kinds = ["reasoning", "message", "message", "function_call"]
    assert [(item["type"], item["status"]) for item in whole["output"]] == [(kind, "completed") for kind in kinds]
    assert whole["output"][2]["content"][0]["text"].strip() == BROKEN
    assert [error["name"] for error in whole["tool_call_errors"]] == ["add"] and whole["status"] == "completed"
    events = list(client(server).responses.create(**asked, stream=True))
    assert [item.type for item in events[-1].response.output] == kinds
    done = [event for event in events if event.type == "response.output_item.done"]
    assert [event.output_index for event in done] == [0, 1, 2, 3, 4], "places in the stream stay as they were told"
    statuses = [(event.item.type, event.item.status) for event in done]
    assert statuses[2] == ("function_call", "incomplete")
    final = [event.item.id for event in done if event.item.status == "completed"]
    assert final == [item.id for item in events[-1].response.output]


def test_a_call_that_the_length_cuts(says):
    server = says(think_then(CALL))
    asked = {"model": NAME, "input": "x", "tools": [SUB], "max_output_tokens": 40, "enable_thinking": False}
    long = server.http.post("/v1/responses", json=asked | {"max_output_tokens": 400}).json()["usage"]["output_tokens"]
    cut = server.http.post("/v1/responses", json=asked | {"max_output_tokens": long - 3}).json()
    assert cut["status"] == "incomplete" and "function_call" not in json.dumps(cut["output"])
    assert cut["output"][-1]["content"][0]["text"].startswith("<tool_call>")
