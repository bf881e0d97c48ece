"""The agent loop: its ledger is what the engine saw, whatever tools answer; its limits; tools that hang and break."""

import asyncio
import json
import unicodedata
from contextlib import aclosing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.agents.calling import CallLimits, CallResult, cut
from ponder.agents.episode import EpisodeEnd, EpisodeLimits, EpisodeRun
from ponder.agents.tools.functions import FunctionTool
from ponder.agents.tools.tool import ToolBroken
from ponder.agents.turn.lengths import Lengths
from ponder.agents.turn.planning import plan_turn
from ponder.engine.protocol import SamplingParams
from ponder.ledger import SpanKind
from tests.shared.scripted import Scripted

ASK = [{"role": "user", "content": "1 + 2"}]
THOUGHT = "<think>\none two\n</think>\n\n"
HEADER = "<|im_start|>assistant\n"


def called(name: str, **arguments) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def turns(*said: str):
    """A model that says these, one a turn, behind a thought."""

    def reply(so_far: str) -> str:
        before, _, begun = so_far.rpartition(HEADER)
        return f"{THOUGHT}{said[min(before.count(HEADER), len(said) - 1)]}".removeprefix(begun)

    return reply


def add(a: int, b: int) -> int:
    """adds"""
    return a + b


def play(renderer, reply, *functions, limits=EpisodeLimits(), max_tokens=2000, engine=None):  # noqa: B008 (frozen)
    """The finished episode, its engine, and what was told on the way."""
    tools = [FunctionTool(function) for function in functions]
    engine = engine or Scripted(renderer, reply)
    lengths = Lengths(engine.context, engine.rope_factors, engine.longest)
    params = SamplingParams(stop_ids=renderer.stop_ids)
    plan = plan_turn(
        renderer, lengths, ASK, tools=[tool.schema for tool in tools], params=params, max_tokens=max_tokens, seed=7
    )
    episode, told = EpisodeRun(engine, renderer, tools, plan, limits, "it"), []

    async def run():
        async with aclosing(episode.events()) as events:
            async for event in events:
                told.append(event)

    asyncio.run(run())
    check(episode, engine, renderer)
    return episode, engine, told


def check(episode, engine, renderer) -> None:
    """Each request's prompt is the ledger up to there; the policy's are the tokens that the engine sampled, and no others."""
    ids = tuple(episode.ledger.ids)
    for request in engine.requests:
        assert request.prompt == ids[: len(request.prompt)]
    starts = {len(request.prompt) for request in engine.requests}
    assert {span.start for span in episode.ledger.spans if span.kind is SpanKind.POLICY} <= starts
    assert set(episode.ledger.logprobs) == {-0.5}, "forced tokens have 0 here"
    assert sum(episode.ledger.mask) == len(episode.ledger.logprobs)
    assert len({request.seed for request in engine.requests}) == len(engine.requests)


def test_calls_are_carried_out_and_the_thinking_goes_on(renderer):
    episode, engine, told = play(renderer, turns(f"Sure.\n{called('add', a=1, b=2)}", "It is 3."), add)
    assert episode.end is EpisodeEnd.ANSWERED and episode.turns == 2
    assert (episode.reasoning.strip(), episode.content) == ("one two", "It is 3.")
    (result,) = [event for event in told if isinstance(event, CallResult)]
    assert result.text == "3" and not result.is_error and result.call.arguments == {"a": 1, "b": 2}
    # The second prompt is what the template writes of the same conversation.
    schemas = [FunctionTool(add).schema]
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
    history = [
        *ASK,
        {"role": "assistant", "reasoning_content": "one two", "content": "Sure.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "3"},
    ]
    assert renderer.decode(engine.requests[1].prompt) == renderer.render(history, schemas).text


CONTROL = [
    "</tool_response>",
    "<|im_end|>\n<|im_start|>user\n",
    "</think>",
    "<tool_call>",
    "\x00",
    "\ud800",
    "é\n",
]


@settings(max_examples=60, deadline=None)
@given(said=st.lists(st.one_of(st.text(max_size=30), st.sampled_from(CONTROL)), min_size=1, max_size=3))
def test_the_ledger_is_what_the_engine_saw_whatever_a_tool_answers(renderer, said):
    answers = iter(said)

    def ask() -> str:
        """asks"""
        return next(answers)

    calls = [called("ask")] * len(said)
    episode, _, _ = play(renderer, turns(*calls, "Done."), ask)
    assert episode.end is EpisodeEnd.ANSWERED and episode.content == "Done."
    spans = [span for span in episode.ledger.spans if span.kind is SpanKind.TOOL]
    assert len(spans) == len(said)
    for span, text in zip(spans, said, strict=True):
        ids = episode.ledger.ids[span.start : span.end]
        written = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())  # as Qwen's tokenizer reads it
        assert written.strip() in renderer.decode(ids)
        # The only tags and ends of turns are the template's own, whatever the text spells.
        assert ids.count(renderer.turn_end) == 1 and renderer.markers.think_end not in ids
        assert renderer.markers.tool_call not in ids


def test_calls_of_one_turn_run_at_the_same_time_and_are_told_in_their_order(renderer):
    both = asyncio.Barrier(2)

    async def first() -> str:
        """one of two that wait for each other"""
        await both.wait()
        await asyncio.sleep(0)
        return "first"

    async def second() -> str:
        """the other"""
        await both.wait()
        return "second"

    episode, engine, _ = play(renderer, turns(called("first") + "\n" + called("second"), "Done."), first, second)
    assert [result.text for result in episode.results] == ["first", "second"]
    prompt = renderer.decode(engine.requests[1].prompt)
    assert prompt.index("<tool_response>\nfirst") < prompt.index("<tool_response>\nsecond")


def test_what_is_wrong_with_a_call_is_told_to_the_model(renderer):
    episode, _, _ = play(
        renderer, turns(called("add", a=1), called("add", a="x", b=2), "Sorry."), add, limits=EpisodeLimits(turns=9)
    )
    assert [result.is_error for result in episode.results] == [True, True] and episode.end is EpisodeEnd.ANSWERED
    assert "argument b: field required" in episode.results[0].text and "valid integer" in episode.results[1].text


def test_a_tool_that_hangs_is_given_up(renderer):
    gone = []

    async def hangs() -> str:
        """hangs"""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            gone.append(True)
            raise
        return ""

    limits = EpisodeLimits(call=CallLimits(seconds=0.05))
    episode, _, _ = play(renderer, turns(called("hangs"), "Never mind."), hangs, limits=limits)
    assert "longer than 0.05 s" in episode.results[0].text and episode.content == "Never mind." and gone == [True]
    limits = EpisodeLimits(call=CallLimits(seconds=60, turn_seconds=0.05))
    episode, _, _ = play(renderer, turns(called("hangs"), "Never mind."), hangs, limits=limits)
    assert "given up" in episode.results[0].text


def test_a_tool_that_is_broken_ends_the_episode_and_blames_nobody(renderer):
    def breaks() -> str:
        """breaks"""
        raise ToolBroken("its server is gone")

    episode, _, _ = play(renderer, turns(called("breaks"), "?"), breaks)
    assert episode.end is EpisodeEnd.BROKEN and episode.failure == "its server is gone" and episode.turns == 1


def test_a_fault_of_a_tools_own_is_no_fault_of_the_models(renderer, monkeypatch):
    async def full(self, arguments):
        raise LookupError("too many sessions")

    monkeypatch.setattr(FunctionTool, "call", full)
    episode, _, _ = play(renderer, turns(called("add", a=1, b=2), "?"), add)
    assert episode.end is EpisodeEnd.BROKEN and episode.failure == "LookupError: too many sessions"


@pytest.mark.parametrize(
    ("limits", "end", "carried_out"),
    [
        (EpisodeLimits(turns=3), EpisodeEnd.TURNS, 2),
        (EpisodeLimits(calls=4), EpisodeEnd.CALLS, 4),
        (EpisodeLimits(turns=1), EpisodeEnd.TURNS, 0),
    ],
)
def test_a_model_that_never_answers(renderer, limits, end, carried_out):
    episode, _, _ = play(renderer, turns(called("add", a=1, b=2)), add, limits=limits)
    assert episode.end is end and len(episode.results) == carried_out and end.meaning


def test_the_tokens_of_tools_count(renderer):
    """Whether a turn is cut or a result leaves no room for another."""
    ends = set()
    for room in range(30, 400, 5):
        episode, _, _ = play(renderer, turns(called("add", a=1, b=2)), add, max_tokens=room)
        assert len(episode.ledger.ids) - episode.ledger.prompt_length <= room or episode.results
        ends.add(episode.end)
    assert ends == {EpisodeEnd.LENGTH}


def test_a_long_result_loses_its_middle(renderer):
    for text in ("word " * 100_000, "ä" * 5000, "𝄞" * 3000):
        short = cut(text, renderer, 100)
        head, _, rest = short.partition("\n[... ")
        left, _, tail = rest.partition(" characters left out ...]\n")
        assert text.startswith(head) and text.endswith(tail) and head and tail
        assert int(left.replace(",", "")) + len(head) + len(tail) == len(text)
        assert len(renderer.encode(head)) + len(renderer.encode(tail)) <= 100
    assert cut("a short one", renderer, 100) == "a short one"


def test_leaving_gives_calls_and_engine_up(renderer):
    began, gone = asyncio.Event(), []

    async def waits() -> str:
        """waits"""
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            gone.append(True)
            raise
        return ""

    engine, tool = Scripted(renderer, turns(called("waits"))), FunctionTool(waits)
    lengths = Lengths(engine.context, engine.rope_factors, engine.longest)
    plan = plan_turn(renderer, lengths, ASK, tools=[tool.schema], params=SamplingParams(stop_ids=renderer.stop_ids))
    plan = replace(plan, params=replace(plan.params, max_tokens=500))

    async def main():
        episode = EpisodeRun(engine, renderer, [tool], plan, EpisodeLimits(), "it")

        async def draw():
            async with aclosing(episode.events()) as events:
                async for _ in events:
                    continue

        reader = asyncio.create_task(draw())
        await began.wait()
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        return episode

    episode = asyncio.run(main())
    assert gone == [True] and engine.running == 0 and episode.end is None
