"""/v1/responses and what came before: a history of items, whose thought is whose, and one name for a turn."""

import asyncio
import threading

import pytest

from ponder.server.requests.responses import ResponsesRequest, to_chat
from tests.shared.born import NAME, client
from tests.shared.one_turn import CALL, THOUGHT, TOOLS, think_then


def history(*items) -> list[dict]:
    sent = ResponsesRequest(model=NAME, input=[{"role": "user", "content": "q"}, *items])
    return [message.model_dump(exclude_unset=True) for message in to_chat(sent).messages[1:]]


def thought(text) -> dict:
    return {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


CALLED = {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "3"}
SAID = {"type": "message", "role": "assistant", "content": "Sure."}


def test_a_running_turn_keeps_its_thought(says):
    server = says(think_then(CALL))
    tool = {"type": "function"} | TOOLS[0]["function"]
    first = client(server).responses.create(model=NAME, input="1 + 2", tools=[tool])
    items = [{"role": "user", "content": "1 + 2"}, *[item.model_dump(exclude_none=True) for item in first.output]]
    items += [RESULT | {"call_id": first.output[-1].call_id}]
    client(server).responses.create(model=NAME, input=items, tools=[tool])
    prompt = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert prompt.count(THOUGHT) == 1
    ended = [*items, SAID, {"role": "user", "content": "and now?"}]
    client(server).responses.create(model=NAME, input=ended, tools=[tool])
    prompt = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert THOUGHT not in prompt, "of turns that are over the thought goes"


def test_whose_thought_it_is():
    def thoughts(*items):
        return [message.get("reasoning_content") for message in history(*items)]

    assert thoughts(thought("a"), CALLED, RESULT, thought("b"), CALLED, RESULT) == ["a", None, "b", None]
    assert thoughts(thought("a"), SAID, CALLED, RESULT) == ["a", None], "one message: text and call"
    assert thoughts(thought("a"), {"role": "user", "content": "x"}, CALLED) == [None, None]
    assert thoughts({"type": "reasoning", "summary": []}, CALLED) == [None]
    assert thoughts({"type": "reasoning", "content": None, "encrypted_content": "x"}, CALLED) == [None]


@pytest.mark.parametrize("asked", [{"store": False}, {"include": ["reasoning.encrypted_content"]}], ids=str)
def test_a_thought_comes_back_to_a_server_that_keeps_nothing(says, asked):
    """Clients that ask so (Vercel's AI SDK, Codex) send the item without its text."""
    first = client(says(think_then("It is 3."))).responses.create(model=NAME, input="1 + 2", **asked)
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": first.output[0].encrypted_content}
    (told,) = (message["reasoning_content"] for message in history(sealed, CALLED))
    assert told == THOUGHT + "\n" == first.output[0].content[0].text
    for other in ("thought:x", "thought:/w==", "gAAAA", 5):
        assert "reasoning_content" not in history(sealed | {"encrypted_content": other}, CALLED)[0]


@pytest.mark.parametrize("content", ["text", 5, {}, [5], [{}], [{"text": 5}]], ids=str)
def test_malformed_thoughts(says, content):
    server = says(think_then("It is 3."))
    sent = {"model": NAME, "input": [{"role": "user", "content": "q"}, {"type": "reasoning", "content": content}]}
    refused = server.http.post("/v1/responses", json=sent)
    assert refused.status_code == 400 and "input[1]" in refused.json()["error"]["message"]


def test_a_response_can_be_told_to_answer_now(says):
    """Its id is the turn's, as the control route and the access log know it."""
    server, told = says(think_then("It is 3.")), threading.Event()
    server.gateway.engine.pause = lambda: asyncio.to_thread(told.wait, 30)
    for event in client(server).responses.create(model=NAME, input="x", stream=True):
        if event.type == "response.created":
            name = event.response.id
            ask = {"id": name, "action": "reasoning_end"}
            answer = server.http.post("/v1/chat/completions/control", json=ask).json()
            told.set()
    assert answer == {"id": name, "success": True}
    assert name.startswith("resp_") and event.response.id == name
    assert event.response.reasoning_stop_reason == "user"
