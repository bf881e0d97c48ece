"""Streams over an engine that takes batches: the one of a training, which has no thread and no event loop of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

from ponder.engine.limits import Limits
from ponder.engine.protocol import Completion, Engine, Request
from ponder.engine.stream import EngineLoad, StreamEngine, Tokens

# Turns of the event loop after each answer: with so many, one whose verdict is decided at once is on the disk before the
# engine goes on.
_TURNS = 5


class BatchStreams:
    """A `StreamEngine` whose answers come whole. What is asked while nothing runs is one batch, in which the engine lets
    sequences in and out as it likes; what is asked meanwhile is the next. It samples in the event loop's own thread, so the
    loop turns only between two answers.

    `failure`: what the engine has failed with; all that waited for it ended with a RuntimeError.
    """

    exact, about = True, None

    def __init__(self, engine: Engine, limits: Limits):
        """engine: of a training, so exact (law 4); limits: its own."""
        self.engine, self.limits = engine, limits
        self.context, self.rope_factors = limits.context, limits.rope_factors
        self.longest, self.vocab_size = limits.longest, limits.vocab_size
        self.failure: Exception | None = None
        self._waiting: list[tuple[Request, asyncio.Future[Completion]]] = []
        self._driving: asyncio.Task[None] | None = None

    def check(self, request: Request) -> None:
        self.limits.check([request])

    async def stream(self, request: Request) -> AsyncIterator[Tokens]:
        self.check(request)
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._driving is None or self._driving.done():
            self._driving = asyncio.create_task(self._drive())
        done = await answer
        yield Tokens(tuple(done.ids), tuple(done.logprobs), tuple(done.top), done.finish_reason, done.cached_tokens)

    def load(self) -> EngineLoad:
        failure = None if self.failure is None else str(self.failure)
        return EngineLoad(waiting=len(self._waiting), failure=failure)

    async def close(self) -> None:
        """The engine is another's, and stays."""
        if self._driving is not None:
            self._driving.cancel()
            await asyncio.gather(self._driving, return_exceptions=True)

    async def _drive(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                for done in self.engine.generate(replace(one, id=number) for number, (one, _) in enumerate(batch)):
                    answer = batch[done.request.id][1]
                    if not answer.done():  # whoever asked may have given up
                        answer.set_result(done)
                    for _ in range(_TURNS):
                        await asyncio.sleep(0)
            except Exception as error:
                self.failure = error
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(RuntimeError(f"the engine has failed: {self.failure}"))


async def sample_together(
    engine: Engine,
    limits: Limits,
    requests: Sequence[Request],
    answered: Callable[[Completion], None],
    others: Callable[[StreamEngine], Awaitable[None]],
) -> None:
    """Samples `requests` beside whatever `others` asks of the same engine; `answered` hears of each completion.

    Raises:
        RuntimeError: the engine has failed. Whatever `answered` or `others` raises ends all of it, too.
    """
    streams = BatchStreams(engine, limits)

    async def one(request: Request) -> None:
        async for tokens in streams.stream(request):
            top = list(tokens.top)
            answered(Completion(request, list(tokens.ids), list(tokens.logprobs), tokens.finish_reason, top))

    running = [asyncio.ensure_future(others(streams)), *(asyncio.create_task(one(request)) for request in requests)]
    try:
        await asyncio.gather(*running)
    except RuntimeError:
        if streams.failure is not None:
            raise RuntimeError(f"the engine has failed: {streams.failure}") from streams.failure
        raise
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await streams.close()
