"""An engine of batches as an engine of streams: the answers are its own, and what fails is heard by all who wait."""

import asyncio

import pytest

from ponder.engine.batch_streams import BatchStreams
from ponder.engine.limits import Limits
from ponder.engine.protocol import Completion, Request, SamplingParams

LIMITS = Limits(64, (1.0,), 1024, 100)


class Echo:
    """Answers with the prompt, the last request first; `breaks_after` so many answers."""

    def __init__(self, breaks_after: int | None = None):
        self.batches: list[int] = []
        self.left = breaks_after

    def generate(self, requests):
        requests = list(requests)
        self.batches.append(len(requests))
        for request in reversed(requests):
            if self.left == 0:
                raise OSError("the sampler died")
            self.left = None if self.left is None else self.left - 1
            yield Completion(request, list(request.prompt), [-0.5] * len(request.prompt), "stop")

    def close(self):
        pass


def request(*ids: int) -> Request:
    return Request("any", ids, SamplingParams(max_tokens=8), 0)


async def drawn(streams, *ids):
    return [piece async for piece in streams.stream(request(*ids))]


def test_each_gets_its_own_answer_and_what_comes_meanwhile_is_the_next_batch():
    engine = Echo()

    async def main():
        streams = BatchStreams(engine, LIMITS)

        async def twice(number):
            first = await drawn(streams, number)
            return first + await drawn(streams, number, number)

        found = await asyncio.gather(*map(twice, range(5)))
        await streams.close()
        return found

    found = asyncio.run(main())
    assert [[piece.ids for piece in one] for one in found] == [[(n,), (n, n)] for n in range(5)]
    assert all(piece.finish_reason == "stop" and piece.logprobs[0] == -0.5 for one in found for piece in one)
    assert engine.batches == [5, 5]


def test_a_failure_is_heard_by_all_and_kept():
    async def main():
        streams = BatchStreams(Echo(breaks_after=2), LIMITS)
        found = await asyncio.gather(*(drawn(streams, n) for n in range(4)), return_exceptions=True)
        return streams, found

    streams, found = asyncio.run(main())
    assert [isinstance(one, RuntimeError) for one in found] == [True, True, False, False]
    assert "the sampler died" in str(found[0]) and isinstance(streams.failure, OSError)


def test_what_can_never_run_is_refused_and_disturbs_nobody():
    async def main():
        streams = BatchStreams(Echo(), LIMITS)
        with pytest.raises(ValueError, match="model's context of 64"):
            await drawn(streams, *range(60))
        return await drawn(streams, 7)

    assert asyncio.run(main())[0].ids == (7,)


def test_who_gives_up_leaves_the_others_alone():
    async def main():
        streams = BatchStreams(Echo(), LIMITS)
        waiting = [asyncio.create_task(drawn(streams, n)) for n in range(3)]
        await asyncio.sleep(0)
        waiting[2].cancel()  # it would have been answered first
        return await asyncio.gather(*waiting, return_exceptions=True)

    found = asyncio.run(main())
    assert found[0][0].ids == (0,) and isinstance(found[2], asyncio.CancelledError)
