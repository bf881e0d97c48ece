"""Chains of segments: what ends a thought, what ends an answer, and that nothing depends on how pieces are cut."""

import pytest

from ponder.agents.turn.plan import REPETITION
from tests.shared.one_turn import CALL, END, THOUGHT, TOOLS, Anything, parts, run, structure, think_then


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_an_answer_in_one_segment(renderer, piece):
    deltas, answer, engine = run(renderer, think_then("It is 3."), piece=piece)
    assert parts(deltas) == (THOUGHT + "\n", "It is 3.")
    assert (answer.finish_reason, answer.thinking_end, answer.stop_reason) == ("stop", "model", None)
    assert answer.reasoning_tokens == len(renderer.encode(THOUGHT + "\n</think>"))
    assert answer.cached_tokens == 7 and len(engine.requests) == 1


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_a_budget_ends_the_thought(renderer, piece):
    deltas, answer, engine = run(renderer, think_then("It is 3."), budget=4, piece=piece)
    thought = renderer.decode(renderer.encode(THOUGHT)[:4])
    assert parts(deltas) == (thought + "enough\n", "It is 3.")
    assert (answer.finish_reason, answer.thinking_end) == ("stop", "budget")
    assert answer.reasoning_tokens == 4 + len(renderer.encode("enough\n</think>")), "forced tokens are thinking too"
    first, second = engine.requests
    assert first.params.max_tokens == 4
    assert second.prompt == (*first.prompt, *renderer.encode(THOUGHT)[:4], *renderer.encode(END))
    assert second.seed != first.seed


def test_a_budget_of_nothing_forces_at_once(renderer):
    deltas, answer, engine = run(renderer, think_then("It is 3."), budget=0)
    assert parts(deltas) == ("enough\n", "It is 3.") and answer.thinking_end == "budget"
    assert len(engine.requests) == 1


@pytest.mark.parametrize("piece", [1, 1000])
def test_a_budget_that_is_not_needed_changes_nothing(renderer, piece):
    whole, alone, _ = run(renderer, think_then("It is 3, I think."), piece=piece)
    budget = alone.reasoning_tokens + 2  # the first request ends in the midst of the answer
    deltas, answer, engine = run(renderer, think_then("It is 3, I think."), budget=budget, piece=piece)
    assert parts(deltas) == parts(whole) and answer.ids == alone.ids
    assert answer.thinking_end == "model" and len(engine.requests) == 2


def test_the_user_ends_the_thought(renderer):
    def impatient(generation):
        if len(generation.answer.ids) == 3:
            assert generation.end_thinking()
            assert generation.thinking

    deltas, answer, _ = run(renderer, think_then("It is 3."), during=impatient)
    assert parts(deltas)[1] == "It is 3." and answer.thinking_end == "user"
    assert answer.reasoning_tokens == 4 + len(renderer.encode("enough\n</think>")), "after the next token"


def test_there_is_nothing_to_end_after_the_thought(renderer):
    ended = []
    run(renderer, think_then("It is 3."), during=lambda g: ended.append(g.thinking or g.end_thinking()))
    assert ended[0] is True and ended[-1] is False


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_a_loop_in_the_thought_is_ended_once_and_one_in_the_answer_ends_it(renderer, piece):
    def loops(so_far: str) -> str:
        return "again and " * 300

    deltas, answer, engine = run(renderer, loops, params={"max_tokens": 4000}, piece=piece)
    reasoning, content = parts(deltas)
    assert reasoning.endswith("enough\n") and answer.thinking_end == "loop"
    assert (answer.finish_reason, answer.stop_reason) == ("stop", REPETITION)
    assert content.startswith("again and again and") and len(engine.requests) == 2
    assert len(answer.ids) == len(run(renderer, loops, params={"max_tokens": 4000})[1].ids)


def test_cut_off_in_the_thought(renderer):
    deltas, answer, _ = run(renderer, think_then("x"), params={"max_tokens": 5})
    assert (answer.finish_reason, answer.thinking_end, parts(deltas)[1]) == ("length", "length", "")
    assert len(answer.ids) == answer.reasoning_tokens == 5


def test_no_room_for_the_end_phrase(renderer):
    _, answer, engine = run(renderer, think_then("x"), params={"max_tokens": 6}, budget=4)
    assert (answer.finish_reason, answer.thinking_end, len(engine.requests)) == ("length", "length", 1)


@pytest.mark.parametrize("piece", [1, 4, 1000])
def test_stop_strings_are_of_the_answer_alone(renderer, piece):
    reply = think_then("It is three or so.")
    deltas, answer, _ = run(renderer, reply, stops=("three", "nowhere"), piece=piece)
    assert parts(deltas) == (THOUGHT + "\n", "It is ")
    assert (answer.finish_reason, answer.stop_reason) == ("stop", "three")
    kept, _, _ = run(renderer, reply, stops=("three",), keep_stop=True, piece=piece)
    assert parts(kept)[1] == "It is three"


def test_a_stop_id_of_the_request(renderer):
    (dot,) = renderer.encode(".")
    stops = renderer.stop_ids | {dot}
    deltas, answer, _ = run(renderer, think_then("It is 3. So."), params={"stop_ids": stops})
    assert parts(deltas)[1] == "It is 3" and answer.stop_reason == dot and answer.ids[-1] == dot


@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_tool_calls(renderer, piece):
    deltas, answer, _ = run(renderer, think_then(f"Well.\n{CALL}\n{CALL}"), tools=TOOLS, piece=piece)
    calls = [delta.tool_call.arguments for delta in deltas if delta.tool_call]
    assert calls == [{"a": 1}] * 2 and answer.finish_reason == "tool_calls" and answer.tool_calls == 2
    one, answer, _ = run(renderer, think_then(f"Well.\n{CALL}\n{CALL}"), tools=TOOLS, single_call=True, piece=piece)
    assert [d.index for d in one if d.kind == "tool_call_end"] == [0] and answer.finish_reason == "tool_calls"
    assert parts(one)[1] == "Well."


def test_a_call_made_inside_the_thought(renderer):
    inside = f"I need a sum.\n{CALL}"
    for mode, made in (("act", 1), ("strict", 0)):
        _, answer, _ = run(renderer, lambda _: inside, tools=TOOLS, mode=mode)
        assert answer.tool_calls == made
        assert answer.finish_reason == ("tool_calls" if made else "stop") and answer.thinking_end == "model"
    # The budget is spent after the call: the call is made, not overruled.
    budget = len(renderer.encode(inside))
    _, answer, engine = run(renderer, lambda _: inside + " and so on", tools=TOOLS, budget=budget)
    assert (answer.tool_calls, answer.thinking_end, len(engine.requests)) == (1, "budget", 1)


def test_a_broken_call_is_content_and_is_told(renderer):
    deltas, answer, _ = run(renderer, think_then('<tool_call>\n{"name": "add", "arguments": [}'), tools=TOOLS)
    assert answer.finish_reason == "stop" and answer.tool_calls == 0 and len(answer.tool_call_errors) == 1
    assert '"arguments": [}' in parts(deltas)[1]


@pytest.mark.parametrize("piece", [1, 1000])
def test_a_form_begins_where_the_model_closes_its_thought(renderer, piece):
    deltas, answer, engine = run(renderer, think_then("{}"), structure=structure(renderer), piece=piece)
    first, second = engine.requests
    assert first.mask is None and isinstance(second.mask, Anything)
    thought = renderer.encode(f"{THOUGHT}\n</think>")
    assert second.prompt == (*first.prompt, *thought, *renderer.encode("\n\n"))
    assert parts(deltas) == (THOUGHT + "\n", "{}") and answer.thinking_end == "model"
    assert answer.reasoning_tokens == len(thought)


def test_a_form_is_owed_where_the_model_stops_in_its_thought(renderer):
    def stops(so_far: str) -> str:
        return "{}" if "</think>" in so_far else "I am done."

    deltas, answer, engine = run(renderer, stops, structure=structure(renderer))
    assert parts(deltas) == ("I am done.\n", "{}") and answer.thinking_end == "model"
    assert renderer.turn_end not in engine.requests[1].prompt[len(engine.requests[0].prompt) :]
    assert answer.ids.count(renderer.turn_end) == 2, "what was sampled counts"


@pytest.mark.parametrize("piece", [1, 1000])
def test_the_arguments_of_a_strict_tool_have_a_form(renderer, piece):
    """The model decides to call; from then on its JSON has the form, and the marker behind it is ours."""
    call = '{"name": "add", "arguments": {"a": 1}}'

    def reply(so_far: str) -> str:
        if so_far.endswith("<tool_call>\n"):
            return call
        if so_far.endswith("</tool_call>"):
            return "Good."
        thought = "" if so_far.endswith("</think>") else f"{THOUGHT}\n</think>"
        return f"{thought}\n\nWell.\n<tool_call>and so on"

    reply.without_end = call  # it ends with its mask
    strict = structure(renderer, answer=None, call=Anything)
    deltas, answer, engine = run(renderer, reply, tools=TOOLS, structure=strict, piece=piece)
    assert [isinstance(request.mask, Anything) for request in engine.requests] == [False, False, True, False]
    assert engine.requests[2].params.stop_ids == frozenset()
    assert [delta.tool_call.arguments for delta in deltas if delta.tool_call] == [{"a": 1}]
    assert (parts(deltas)[1], answer.finish_reason, answer.tool_calls) == ("Well.Good.", "tool_calls", 1)


def test_what_may_come_instead_of_a_form(renderer):
    """Where there are tools, a call; after it, the end of the turn too."""
    instead: list[frozenset[int]] = []

    call = '{"name": "add", "arguments": {}}'

    def reply(so_far: str) -> str:
        if so_far.endswith("<tool_call>\n"):
            return call
        if so_far.endswith("</tool_call>"):
            return ""
        return "<tool_call>" if so_far.endswith("</think>\n\n") else f"{THOUGHT}\n</think>"

    reply.without_end = call
    form = structure(renderer, instead, call=Anything)
    _, answer, _ = run(renderer, reply, tools=TOOLS, structure=form)
    tool_call = renderer.markers.tool_call
    assert instead == [{tool_call}, {tool_call, *renderer.stop_ids}] and answer.finish_reason == "tool_calls"


@pytest.mark.parametrize("piece", [1, 1000])
def test_a_further_segment_says_how_much_is_answered_already(renderer, piece):
    """Penalties look at the answer so far, thought and forced tokens too, and not at the segment alone."""
    _, answer, engine = run(renderer, think_then("It is 3."), budget=4, piece=piece)
    first, second = engine.requests
    assert first.answered == 0
    assert second.answered == len(second.prompt) - len(first.prompt) == 4 + len(renderer.encode(END))
    assert list(second.prompt[-second.answered :]) == answer.ids[: second.answered]
