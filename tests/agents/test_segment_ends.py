"""Why segments end: every reason is reached, and has its sentence."""

import pytest

from ponder.agents.turn.ends import FinishReason, SegmentEnd, ThinkingEnd
from ponder.engine.stream import Tokens
from tests.shared.one_turn import CALL, THOUGHT, TOOLS, Anything, run, structure, think_then
from tests.shared.scripted import Scripted

E = SegmentEnd


def strict_call(so_far: str) -> str:
    """Thinks, opens a call, writes its JSON where that is asked for, and says something."""
    if so_far.endswith("<tool_call>\n"):
        return strict_call.without_end
    if so_far.endswith("</tool_call>"):
        return "Good."
    return "<tool_call>and so on" if so_far.endswith("</think>") else f"{THOUGHT}\n</think>"


strict_call.without_end = '{"name": "add", "arguments": {"a": 1}}'


def loops(so_far: str) -> str:
    return "again and " * 300


def impatient(generation) -> None:
    generation.end_thinking()


def ends_of(renderer, reply, **asked) -> list[SegmentEnd]:
    _, answer, engine = run(renderer, reply, **asked)
    assert len(answer.segment_ends) == len(engine.requests)
    return answer.segment_ends


def all_ends(renderer, piece: int) -> dict[str, list[SegmentEnd]]:
    say, plain = think_then("It is 3."), {"piece": piece}
    inside = f"{THOUGHT}\n{CALL}"
    letter = renderer.encode("3")[0]
    return {
        "as it likes": ends_of(renderer, say, **plain),
        "stop id": ends_of(renderer, say, params={"stop_ids": renderer.stop_ids | {letter}}, **plain),
        "stop text": ends_of(renderer, say, stops=("is",), **plain),
        "form": ends_of(renderer, think_then("{}"), structure=structure(renderer), **plain),
        "call": ends_of(
            renderer, strict_call, tools=TOOLS, structure=structure(renderer, answer=None, call=Anything), **plain
        ),
        "one call": ends_of(renderer, think_then(CALL + "more"), tools=TOOLS, single_call=True, **plain),
        "calls in the thought": ends_of(renderer, lambda _: inside + " and so on" * 99, tools=TOOLS, **plain),
        "budget": ends_of(renderer, say, budget=4, **plain),
        "user": ends_of(renderer, say, during=impatient),
        "loops": ends_of(renderer, loops, params={"max_tokens": 4000}, **plain),
        "no room": ends_of(renderer, say, params={"max_tokens": 5}, **plain),
    }


@pytest.mark.parametrize("piece", [1, 1000])
def test_every_end_is_reached(renderer, piece):
    ends = all_ends(renderer, piece)
    assert ends == {
        "as it likes": [E.TURN_END],
        "stop id": [E.STOP_ID],
        "stop text": [E.STOP_TEXT],
        "form": [E.THOUGHT_END, E.TURN_END],
        "call": [E.THOUGHT_END, E.CALL_BEGIN, E.GRAMMAR_END, E.TURN_END],
        "one call": [E.CALLS_MADE],
        "calls in the thought": [E.CALLS_MADE],
        "budget": [E.BUDGET, E.TURN_END],
        "user": [E.USER, E.TURN_END],
        "loops": [E.LOOP, E.REPETITION],
        "no room": [E.LENGTH],
    }
    assert {end for some in ends.values() for end in some} == set(SegmentEnd)


@pytest.mark.parametrize("end", [*SegmentEnd, *ThinkingEnd, *FinishReason])
def test_every_end_has_its_sentence(end):
    assert end.meaning.endswith(".") and end.meaning[0].isupper()


class BreaksOff(Scripted):
    async def stream(self, request):
        yield Tokens(tuple(self.renderer.encode("one")), (-0.5,) * len(self.renderer.encode("one")))


def test_an_engine_that_breaks_off_has_failed(renderer):
    with pytest.raises(RuntimeError, match="broke off"):
        run(renderer, think_then("x"), engine=BreaksOff)


def test_forced_tokens_are_told_from_sampled_ones(renderer):
    """What training must not learn, and a ledger says."""
    pieces = []
    _, answer, _ = run(renderer, think_then("It is 3."), budget=4, told=pieces.append)
    sampled = [token for piece in pieces if not piece.forced for token in piece.tokens.ids]
    forced = [token for piece in pieces if piece.forced for token in piece.tokens.ids]
    assert forced == renderer.encode("enough\n</think>\n\n") and len(sampled) + len(forced) == len(answer.ids)
