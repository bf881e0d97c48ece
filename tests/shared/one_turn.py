"""One turn of a scripted model: the words that tests let it say, and what comes of them."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

from ponder.agents.turn.generation import Generation
from ponder.agents.turn.plan import Plan, Structure
from ponder.chat.deltas import text_of
from ponder.chat.parser import OutputParser
from ponder.engine.protocol import SamplingParams
from tests.shared.scripted import Scripted

THOUGHT = "one two three four five six"
END = "enough\n</think>\n\n"
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]


def think_then(answer: str):
    """A model that thinks THOUGHT, if it is not cut short, and then writes `answer`."""

    def reply(so_far: str) -> str:
        turn = so_far.rpartition("<|im_start|>assistant\n")[2]
        written = f"<think>\n{THOUGHT}\n</think>\n\n{answer}"
        if written.startswith(turn):
            return written[len(turn) :]
        return answer  # something was forced

    return reply


def run(renderer, reply, tools=(), mode="act", during=None, told=None, piece=1, engine=Scripted, **plan):
    """The deltas of an answer, how it ended, and its engine. `during` sees the generation after each piece, `told` the
    piece."""
    engine = engine(renderer, reply, piece)
    prompt = renderer.render([{"role": "user", "content": "go"}])
    params = replace(SamplingParams(max_tokens=400, stop_ids=renderer.stop_ids), **plan.pop("params", {}))
    plan = Plan(prompt, params, seed=1, end_phrase=tuple(renderer.encode(END)), **plan)
    parser = OutputParser(renderer, prompt.thinking_open, tools, mode)
    generation = Generation(engine, renderer, plan, parser, "test")

    async def collect():
        deltas, ids = [], []
        async with aclosing(generation.pieces()) as pieces:
            async for piece in pieces:
                deltas += piece.deltas
                ids += piece.tokens.ids
                assert len(piece.tokens.ids) == len(piece.tokens.logprobs)
                if during:
                    during(generation)
                if told:
                    told(piece)
        assert ids == generation.answer.ids, "every token is told, once"
        assert engine.running == 0
        return deltas

    return asyncio.run(collect()), generation.answer, engine


def parts(deltas) -> tuple[str, str]:
    return text_of(deltas, "reasoning"), text_of(deltas, "content")


class Anything:
    """A mask that lets everything through: these tests are about when there is one."""

    finished = False

    def allowed(self):
        raise AssertionError("the scripted engine does not ask")

    def advance(self, token: int) -> None:
        raise AssertionError("the scripted engine does not tell")


def structure(renderer, instead=None, **parts) -> Structure:
    def answer(ids):
        if instead is not None:
            instead.append(ids)
        return Anything()

    made = {"answer": answer, "call": None} | parts
    encode = renderer.encode
    return Structure(
        **made,
        close=tuple(encode("\n</think>\n\n")),
        gap=tuple(encode("\n\n")),
        call_open=tuple(encode("<tool_call>\n")),
        call_close=tuple(encode("\n</tool_call>")),
    )
