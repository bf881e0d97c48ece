"""The engine in its thread: real event loops, many streams, cancels anywhere, failures that every stream hears of."""

import asyncio
import dataclasses
import random
import threading

import pytest
import torch

from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.thread import ThreadedEngine
from ponder.model.weights import load_decoder
from tests.engine.test_local import FREE, prompt, requests, run
from tests.model.families import make_checkpoint


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("qwen2")
    make_checkpoint("qwen2", directory)
    return load_decoder(directory)


def with_engine(engine: LocalEngine, body):
    async def main():
        threaded = ThreadedEngine(engine)
        try:
            return await asyncio.wait_for(body(threaded), timeout=120)
        finally:
            if gate := getattr(engine.step, "gate", None):
                gate.release(1000)  # a step that waits for it cannot be closed
            await threaded.close()
            assert not threaded.thread.is_alive()
            assert not engine.running and not engine.waiting
            assert engine.blocks.used == 0 and engine.cache.blocks == 0

    return asyncio.run(main())


async def collect(engine: ThreadedEngine, request: Request) -> tuple[list[int], list[float], str]:
    ids, logprobs, reason = [], [], None
    async for piece in engine.stream(request):
        assert reason is None and piece.ids and len(piece.ids) == len(piece.logprobs)
        ids += piece.ids
        logprobs += piece.logprobs
        reason = piece.finish_reason
    return ids, logprobs, reason


async def idle(engine: ThreadedEngine) -> None:
    while (load := engine.load()).running or load.waiting:
        await asyncio.sleep(0)


def test_streams_equal_the_engine_alone(decoder):
    wanted = [dataclasses.replace(r, id="the same") for r in requests(40)]
    expected = [next(LocalEngine(decoder).generate([r])) for r in wanted]

    async def body(engine):
        return await asyncio.gather(*(collect(engine, request) for request in wanted))

    for one, other in zip(with_engine(LocalEngine(decoder, max_rows=12), body), expected, strict=True):
        assert one == (other.ids, other.logprobs, other.finish_reason)


def test_what_requests_and_steps_took_is_counted(decoder):
    """Two rows for five requests: three of them wait for those before them."""
    wanted = [Request(i, prompt(i, 20 + i), dataclasses.replace(FREE, max_tokens=12), i) for i in range(5)]

    async def body(engine):
        assert all(sum(histogram.counts) == 0 for histogram in engine.load().histograms.values())
        assert len(engine.load().histograms) == 4, "they are there before the first request"
        done = await asyncio.gather(*(collect(engine, request) for request in wanted))
        await idle(engine)
        return done, engine.load().histograms

    done, found = with_engine(LocalEngine(decoder, max_rows=2), body)
    queue, prefill, inference = (found[f"request_{what}_time_seconds"] for what in ("queue", "prefill", "inference"))
    assert sum(queue.counts) == sum(prefill.counts) == sum(inference.counts) == 5
    assert 0 < prefill.total < inference.total < queue.total + inference.total
    assert queue.total > inference.total / 5, "the last one waited for the two before it"
    # Each prompt once, and each answer but its last token, which nobody computes.
    tokens = sum(20 + i + len(ids) - 1 for i, (ids, _, _) in enumerate(done))
    assert found["iteration_tokens_total"].total == tokens


@pytest.mark.parametrize("keep", [False, True])
def test_cancels_anywhere_free_rows_and_leave_the_others_alone(decoder, keep):
    """60 streams, half of them given up after a random number of pieces, some before the first, by aclose or by cancel."""
    wanted = requests(60, dataclasses.replace(FREE, max_tokens=60))
    expected = run(LocalEngine(decoder), wanted)
    rng = random.Random(7)
    limits = {r.id: rng.choice((0, 1, 2, 5, 20)) if rng.random() < 0.5 else None for r in wanted}
    by_cancel = {r.id: rng.random() < 0.5 for r in wanted}

    async def reader(engine, request, ids):
        stream = engine.stream(request)
        limit = limits[request.id]
        pieces = 0
        if limit == 0 and not by_cancel[request.id]:
            return
        async for piece in stream:
            ids += piece.ids
            pieces += 1
            if pieces == limit and not by_cancel[request.id]:
                await stream.aclose()

    async def body(engine):
        found = {r.id: [] for r in wanted}
        tasks = {r.id: asyncio.create_task(reader(engine, r, found[r.id])) for r in wanted}
        for request in wanted:
            limit = limits[request.id]
            if limit is not None and by_cancel[request.id]:
                while len(found[request.id]) < limit and not tasks[request.id].done():
                    await asyncio.sleep(0)
                tasks[request.id].cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        await idle(engine)
        assert not engine.live and not engine.engine.running and not engine.engine.waiting
        again = await collect(engine, wanted[0])
        return found, again

    found, again = with_engine(LocalEngine(decoder, max_rows=8, keep_prefixes=keep), body)
    assert again[0] == expected[0].ids
    cut = 0
    for request in wanted:
        ids = expected[request.id].ids
        assert found[request.id] == ids[: len(found[request.id])]
        if limits[request.id] is None:
            assert found[request.id] == ids
        cut += len(found[request.id]) < len(ids)
    assert cut > 10


def gated(engine: LocalEngine) -> threading.Semaphore:
    """Lets the engine take a step for each release."""
    gate, step = threading.Semaphore(0), engine.step

    def step_when_let():
        gate.acquire()
        return step()

    step_when_let.gate = gate
    engine.step = step_when_let
    return gate


def test_a_closed_stream_is_dropped_between_two_steps_waiting_or_running(decoder):
    long = dataclasses.replace(FREE, max_tokens=400)
    local = LocalEngine(decoder, max_rows=1)
    gate = gated(local)

    async def body(engine):
        first = engine.stream(Request(0, prompt(0, 5), long, 0))
        gate.release()
        await anext(first)
        completion = local.running[0].completion
        second = asyncio.create_task(collect(engine, Request(1, prompt(1, 5), long, 0)))
        for _ in range(3):  # a piece of a later step shows that commands from before it have been taken
            gate.release()
            await anext(first)
        assert (engine.load().running, engine.load().waiting) == (1, 1) and 0 < engine.load().cache_use <= 1
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        for _ in range(3):
            gate.release()
            await anext(first)
        assert (engine.load().running, engine.load().waiting) == (1, 0) and not local.waiting
        await first.aclose()
        gate.release()
        await idle(engine)
        assert len(completion.ids) <= 9 and completion.finish_reason == "aborted"

    with_engine(local, body)


def test_a_request_that_can_never_run_is_refused_and_others_go_on(decoder):
    async def body(engine):
        other = asyncio.create_task(collect(engine, Request(0, prompt(0, 5), FREE, 3)))
        with pytest.raises(ValueError, match="set max_tokens to 12 or less"):
            engine.check(Request(1, (1,) * 500, FREE, 0))
        engine.check(Request(1, (1,) * 400, FREE, 0))
        with pytest.raises(ValueError, match="set max_tokens to 12 or less"):
            await collect(engine, Request(1, (1,) * 500, FREE, 0))
        return await other

    assert with_engine(LocalEngine(decoder), body)[2] == "length"


def test_a_failure_of_the_thread_ends_every_stream_with_its_reason(decoder, monkeypatch):
    engine = LocalEngine(decoder, max_rows=2)
    step, steps = engine.step, iter(range(1000))

    def failing():
        if next(steps) == 6:
            raise MemoryError("no more rows")
        return step()

    monkeypatch.setattr(engine, "step", failing)
    long = dataclasses.replace(FREE, max_tokens=100)

    async def body(threaded):
        streams = [collect(threaded, Request(i, prompt(i, 9), long, i)) for i in range(5)]
        for outcome in await asyncio.gather(*streams, return_exceptions=True):
            assert isinstance(outcome, RuntimeError) and "the engine has failed: MemoryError: no more rows" in str(
                outcome
            )
        assert "no more rows" in threaded.load().failure
        with pytest.raises(RuntimeError, match="no more rows"):
            await collect(threaded, Request(9, prompt(1, 3), FREE, 0))

    with_engine(engine, body)


def test_a_request_that_the_engine_fails_to_queue_ends_every_stream(decoder, monkeypatch):
    """Those that came with it too, whether they were queued before or not."""
    engine = LocalEngine(decoder)
    submit = engine.submit

    def failing(wanted):
        if len(wanted[0].prompt) == 3:
            raise MemoryError("no room to queue")
        return submit(wanted)

    monkeypatch.setattr(engine, "submit", failing)

    async def body(threaded):
        with threaded.changed:  # the thread looks when all three are there
            streams = [asyncio.ensure_future(collect(threaded, Request(n, prompt(n, n), FREE, n))) for n in (5, 3, 7)]
            while len(threaded.begun) < 3:
                await asyncio.sleep(0)
        for outcome in await asyncio.gather(*streams, return_exceptions=True):
            assert isinstance(outcome, RuntimeError) and "no room to queue" in str(outcome)

    with_engine(engine, body)


def test_what_was_sampled_before_a_failure_is_given_out_first(decoder, monkeypatch):
    """To a reader that looks only when the failure has arrived too; of the engine, and of one sequence."""
    request = Request(0, prompt(0, 5), dataclasses.replace(FREE, max_tokens=100), 5)
    expected = next(LocalEngine(decoder).generate([request])).ids

    class Breaking:
        finished = False

        def __init__(self):
            self.steps = 0

        def allowed(self):
            if self.steps == 6:
                raise ValueError("the mask is broken")
            return torch.ones(160, dtype=torch.bool)

        def advance(self, token):
            self.steps += 1

    for mask, message in ((None, "no more rows"), (Breaking(), "the mask is broken")):
        engine = LocalEngine(decoder)
        step, steps = engine.step, iter(range(1000))

        def failing(step=step, steps=steps):
            if next(steps) == 9:
                raise MemoryError("no more rows")
            return step()

        monkeypatch.setattr(engine, "step", failing)
        gate = gated(engine)

        async def body(threaded, mask=mask, message=message, gate=gate):
            stream = threaded.stream(dataclasses.replace(request, mask=mask))
            gate.release()
            ids = list((await anext(stream)).ids)
            (inner,) = threaded.live.values()
            gate.release(1000)
            while not inner.failure:
                await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match=message):
                while True:
                    ids += (await anext(stream)).ids
            return ids

        ids = with_engine(engine, body)
        assert ids == expected[: 6 if mask else 9]


def test_closing_ends_open_streams_at_once(decoder):
    async def body(engine):
        stream = engine.stream(Request(0, prompt(0, 5), dataclasses.replace(FREE, max_tokens=400), 0))
        await anext(stream)
        await engine.close()
        with pytest.raises(RuntimeError, match="closed"):
            while True:
                await anext(stream)
        with pytest.raises(RuntimeError, match="closed"):
            await collect(engine, Request(1, prompt(0, 5), FREE, 0))

    with_engine(LocalEngine(decoder), body)


def test_a_slow_reader_gets_what_was_sampled_meanwhile_in_one_piece(decoder):
    request = Request(0, prompt(0, 5), dataclasses.replace(FREE, top_logprobs=3), 5)
    expected = next(LocalEngine(decoder).generate([request]))

    async def body(engine):
        stream = engine.stream(request)
        pieces = [await anext(stream)]
        await idle(engine)  # all is sampled before the next look
        pieces += [piece async for piece in stream]
        return pieces

    pieces = with_engine(LocalEngine(decoder), body)
    assert len(pieces) <= 3
    assert [token for piece in pieces for token in piece.ids] == expected.ids
    assert [best for piece in pieces for best in piece.top] == expected.top


def test_streams_of_two_event_loops(decoder):
    """Loops may come and go (a server's reload): one is closed while its stream still runs, which ends it."""
    local = LocalEngine(decoder)
    gate = gated(local)
    threaded = ThreadedEngine(local)
    long = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, max_tokens=300)
    loop = asyncio.new_event_loop()
    stream = threaded.stream(Request(0, prompt(0, 5), long, 0))
    gate.release()
    loop.run_until_complete(anext(stream))
    completion = local.running[0].completion
    loop.close()
    gate.release(1000)

    async def rest():
        try:
            found = await collect(threaded, Request(1, prompt(1, 5), FREE, 7))
            await idle(threaded)
            return found
        finally:
            await threaded.close()

    found = asyncio.run(rest())
    assert found[0] == next(LocalEngine(decoder).generate([Request(1, prompt(1, 5), FREE, 7)])).ids
    assert completion.finish_reason == "aborted" and len(completion.ids) == 2
