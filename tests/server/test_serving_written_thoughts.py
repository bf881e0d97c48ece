"""Serving a model whose tokenizer has no `<think>`: budgets, "answer now", thinking off, forms after the thought."""

import json

import pytest

from ponder.agents.turn.lengths import Lengths
from ponder.chat.renderer import Renderer
from ponder.engine.protocol import SamplingParams
from ponder.server.answer.gateway import Gateway
from ponder.server.answer.planning import Planner
from ponder.server.requests.chat import ChatRequest
from tests.chat.built import CHATML, qwen_like
from tests.server.test_chat_http import chunks
from tests.shared.born import NAME, Server
from tests.shared.one_turn import END, THOUGHT, TOOLS, parts, run, think_then
from tests.shared.scripted import Scripted


@pytest.fixture(scope="module")
def qwen(tmp_path_factory) -> Renderer:
    return Renderer.load(qwen_like(tmp_path_factory.mktemp("qwen")))


@pytest.fixture(scope="module")
def qwen_plain(tmp_path_factory) -> Renderer:
    """Without tokens for any tags."""
    files = Renderer.load(qwen_like(tmp_path_factory.mktemp("plain"))).files
    files["tokenizer.json"] = files["tokenizer.json"].replace(b"tool_call>", b"other_tag>")
    renderer = Renderer(files, "plain")
    assert renderer.markers.tool_call is None
    return renderer


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_an_answer_in_one_segment(qwen, piece):
    deltas, answer, engine = run(qwen, think_then("It is 3."), piece=piece)
    assert parts(deltas) == (THOUGHT + "\n", "It is 3.")
    assert (answer.finish_reason, answer.thinking_end, len(engine.requests)) == ("stop", "model", 1)
    # The last of these tokens is `>` with both newlines.
    assert answer.reasoning_tokens == len(qwen.encode(f"<think>\n{THOUGHT}\n</think>\n\n"))


@pytest.mark.parametrize("piece", [1, 1000])
def test_a_budget_ends_the_thought(qwen, piece):
    deltas, answer, engine = run(qwen, think_then("It is 3."), budget=6, piece=piece)
    begun = qwen.encode(f"<think>\n{THOUGHT}")[:6]
    assert parts(deltas) == (qwen.decode(begun).removeprefix("<think>\n") + "enough\n", "It is 3.")
    assert (answer.finish_reason, answer.thinking_end) == ("stop", "budget")
    assert engine.requests[1].prompt == (*engine.requests[0].prompt, *begun, *qwen.encode(END))


def test_the_user_ends_the_thought(qwen):
    def impatient(generation):
        if len(generation.answer.ids) == 5:
            assert generation.end_thinking()

    deltas, answer, _ = run(qwen, think_then("It is 3."), during=impatient)
    assert parts(deltas)[1] == "It is 3." and answer.thinking_end == "user"


def planned(renderer: Renderer, **fields):
    planner = Planner(renderer, SamplingParams(), Lengths(4096, (1.0,), 4096), renderer.vocab_size)
    return planner.chat(
        ChatRequest(model="m", messages=[{"role": "user", "content": "go"}], max_tokens=200, **fields)
    ).plans[0]


def test_thinking_off_ends_a_thought_where_it_begins(qwen):
    on, off = planned(qwen), planned(qwen, enable_thinking=False)
    assert on.prompt.ids == off.prompt.ids and (on.budget, off.budget) == (150, 0)
    assert "</think>" in qwen.decode(list(off.end_phrase))
    deltas, _, _ = run(qwen, think_then("It is 3."), budget=off.budget)
    assert parts(deltas) == ("enough\n", "It is 3.")
    deltas, _, engine = run(qwen, lambda so_far: "It is 3.", budget=off.budget)
    assert parts(deltas) == ("", "It is 3.") and len(engine.requests) == 1


def test_a_form_begins_where_the_written_thought_ends(tmp_path):
    opened = Renderer.load(qwen_like(tmp_path / "opened", CHATML.replace("assistant\n", "assistant\n<think>\n")))
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    plan = planned(opened, response_format=form)

    def reply(so_far: str) -> str:
        turn = so_far.rpartition("<think>\n")[2]
        return f"{THOUGHT}\n</think>\n\n" if "</think>" not in turn else "{}"

    deltas, _, engine = run(opened, reply, structure=plan.structure)
    assert parts(deltas) == (THOUGHT + "\n", "{}") and json.loads(parts(deltas)[1]) == {}
    assert [request.mask is None for request in engine.requests] == [True, False]


@pytest.mark.parametrize("piece", [1, 1000])
def test_a_written_thought_is_reasoning_in_a_stream(qwen, piece):
    server = Server(
        Gateway(Scripted(qwen, lambda so_far: f"<think>\n{THOUGHT}\n</think>\n\nIt is 3.", piece), qwen, NAME)
    )
    try:
        asked = {"model": NAME, "messages": [{"role": "user", "content": "go"}]}
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks(server, **asked)]
        assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == THOUGHT + "\n"
        assert "".join(delta.get("content") or "" for delta in deltas) == "It is 3."
        # Nothing in this tokenizer or template speaks of thinking: who asks for it is told.
        for fields, warned in (
            ({}, False),
            ({"enable_thinking": True}, True),
            ({"enable_thinking": False}, False),
            ({"reasoning_effort": "high"}, True),
            ({"reasoning_effort": "none"}, False),
            ({"thinking_budget": 100}, True),
        ):
            answer = server.http.post("/v1/chat/completions", json=asked | fields)
            assert ("speaks of thinking" in answer.headers.get("x-warning", "")) == warned, fields
    finally:
        server.close()


def test_a_model_without_marks_of_calls_calls(qwen_plain):
    call = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'

    def reply(so_far: str) -> str:
        turn = so_far.rpartition("<|im_start|>assistant\n")[2]
        return call[len("<tool_call>\n") : -len("\n</tool_call>")] if turn == "<tool_call>\n" else call[len(turn) :]

    server = Server(Gateway(Scripted(qwen_plain, reply), qwen_plain, NAME))
    try:
        asked = {"model": NAME, "messages": [{"role": "user", "content": "go"}], "tools": TOOLS}
        for choice in ("auto", "required"):
            (answer,) = server.http.post("/v1/chat/completions", json=asked | {"tool_choice": choice}).json()["choices"]
            (made,) = answer["message"]["tool_calls"]
            assert (made["function"]["arguments"], answer["finish_reason"]) == ('{"a": 1}', "tool_calls")
    finally:
        server.close()
