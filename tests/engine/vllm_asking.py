"""What the tests of the vLLM engine ask of it, and how they collect its answers."""

import asyncio

from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.stream import Tokens
from ponder.engine.vllm import VllmEngine
from tests.engine.vllm_fake import VOCAB

PARAMS = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, max_tokens=8)
REQUEST = Request("r", (1, 2, 3), PARAMS, seed=5)


class Mask:
    """Only its grammar is looked at."""

    finished = False

    def __init__(self, lark: str | None = None):
        if lark is not None:
            self.lark = lark

    def allowed(self): ...
    def advance(self, token): ...


def with_engine(profiles, body):
    async def main():
        engine = VllmEngine(profiles, VOCAB)
        try:
            return await asyncio.wait_for(body(engine), timeout=60)
        finally:
            await engine.close()
            await asyncio.sleep(0)
            assert not engine._open, "a stream was left open"

    return asyncio.run(main())


async def collect(stream) -> list[Tokens]:
    pieces = [piece async for piece in stream]
    assert all(piece.finish_reason is None for piece in pieces[:-1]) and pieces[-1].finish_reason
    return pieces


def ids_of(pieces: list[Tokens]) -> list[int]:
    return [token for piece in pieces for token in piece.ids]


async def until(holds) -> None:
    while not holds():
        await asyncio.sleep(0.005)  # not 0: a loop that spins takes the core that the server needs
