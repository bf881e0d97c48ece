"""The gateway without HTTP: turns that are drawn, closed and told to answer, in one process."""

import asyncio
from contextlib import aclosing

from ponder.server.answer.gateway import Gateway
from ponder.server.requests.chat import ChatRequest
from tests.shared.one_turn import think_then
from tests.shared.scripted import Scripted


def test_closing_early_frees_the_engine(renderer):
    """Also where the engine would never say another word."""
    engine = Scripted(renderer, think_then("It is 3."))
    gateway, stuck = Gateway(engine, renderer, "m"), asyncio.Event()

    async def pause():
        if engine.running == 3:
            await stuck.wait()

    engine.pause = pause

    async def look():
        turn = await gateway.chat(ChatRequest(model="m", messages=[{"role": "user", "content": "go"}], n=3))
        async with aclosing(turn.pieces()) as pieces:
            async for _ in pieces:
                if engine.running == 3:
                    break
        assert engine.running == 0
        return gateway.end_thinking(turn.id)

    assert asyncio.run(asyncio.wait_for(look(), 60)) is False
    assert gateway.end_thinking("chatcmpl-nothing") is None
