"""From a conversation to the plan of a turn, and the turn itself, with nothing of the server."""

import asyncio
from contextlib import aclosing

import pytest

from ponder.agents.turn.generation import Generation
from ponder.agents.turn.grammars import Grammars
from ponder.agents.turn.lengths import Lengths, TooLong
from ponder.agents.turn.planning import plan_turn
from ponder.chat.parser import OutputParser
from ponder.chat.renderer import Renderer
from ponder.chat.thinking import ThinkingPolicy
from ponder.engine.protocol import SamplingParams
from tests.shared.born import engine_of
from tests.shared.one_turn import TOOLS

LENGTHS = Lengths(4096, (1.0, 2.0), 8192)
ASK = [{"role": "user", "content": "1 + 2"}]
OFF = ThinkingPolicy(enabled=False)


def test_a_turn_thinks_as_long_as_the_policy_lets_it(renderer):
    plan = plan_turn(renderer, LENGTHS, ASK, policy=ThinkingPolicy(budget=100), max_tokens=1000)
    assert plan.thinking and plan.prompt.thinking_open and plan.budget == 100 and plan.params.max_tokens == 1000
    assert renderer.markers.think_end in plan.end_phrase


def test_a_turn_without_a_thought_has_it_closed(renderer):
    plan = plan_turn(renderer, LENGTHS, ASK, policy=OFF, max_tokens=1000)
    assert not plan.thinking and not plan.prompt.thinking_open and plan.budget is None


def test_where_there_is_no_room_to_think_there_is_no_thought(renderer):
    plan = plan_turn(renderer, LENGTHS, ASK, policy=ThinkingPolicy(answer_reserve=50), max_tokens=50)
    assert not plan.thinking and not plan.prompt.thinking_open


def test_a_turn_takes_the_smallest_factor_that_suffices(renderer):
    assert plan_turn(renderer, LENGTHS, ASK, max_tokens=1000).rope_factor == 1
    assert plan_turn(renderer, LENGTHS, ASK, max_tokens=5000).rope_factor == 2
    assert plan_turn(renderer, LENGTHS, ASK, max_tokens=1000, rope_factor=2.0).rope_factor == 2
    with pytest.raises(TooLong):
        plan_turn(renderer, LENGTHS, ASK, max_tokens=8192)


def test_a_message_is_continued(renderer):
    begun = [*ASK, {"role": "assistant", "content": "It is"}]
    plan = plan_turn(renderer, LENGTHS, begun, goes_on=True)
    assert plan.prompt.text.endswith("It is") and not plan.thinking


@pytest.fixture(scope="module")
def engine(checkpoint):
    engine = engine_of(checkpoint)
    yield engine
    asyncio.run(engine.close())


@pytest.mark.parametrize("policy", [ThinkingPolicy(budget=20), OFF])
def test_a_real_model_writes_the_call_that_it_must(engine, checkpoint, policy):
    """Grammar, thinking policy and forced ids together, from a random model that would write anything."""
    renderer, lengths = Renderer.load(checkpoint), Lengths(engine.context, engine.rope_factors, engine.longest)
    strict = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    tools = [{"type": "function", "function": {"name": "add", "parameters": strict | {"additionalProperties": False}}}]
    grammars = Grammars(renderer, engine.vocab_size)
    structure = grammars.structure(call=grammars.calls(tools), must_call=True)
    params = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, stop_ids=renderer.stop_ids)
    plan = plan_turn(
        renderer, lengths, ASK, tools=tools, policy=policy, params=params, max_tokens=200, structure=structure
    )
    generation = Generation(engine, renderer, plan, OutputParser(renderer, plan.prompt.thinking_open, tools), "a turn")

    async def calls() -> list:
        async with aclosing(generation.pieces()) as pieces:
            return [delta.tool_call async for piece in pieces for delta in piece.deltas if delta.tool_call]

    first = asyncio.run(calls())[0]
    assert first.name == "add" and isinstance(first.arguments["a"], bool)
    assert generation.answer.reasoning_tokens > 0 if policy.enabled else generation.answer.reasoning_tokens == 0


def test_a_compiled_grammar_is_kept(renderer):
    grammars = Grammars(renderer, renderer.vocab_size)
    assert grammars.calls(TOOLS) is grammars.calls(TOOLS)
    assert grammars.compile("regex", "a") is not grammars.compile("regex", "b")


def test_parameters_that_are_too_deep(renderer):
    schema: dict = {"type": "string"}
    for _ in range(200):
        schema = {"anyOf": [schema]}
    tool = {"type": "function", "function": {"name": "add", "parameters": schema}}
    with pytest.raises(ValueError, match="too deeply"):
        Grammars(renderer, renderer.vocab_size).calls([tool])
