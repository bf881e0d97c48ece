"""The vLLM engine against a server that speaks as vLLM does: streams, refusals, every way to fail."""

import asyncio
import dataclasses
import random
import threading
from contextlib import aclosing
from pathlib import Path

import pytest

from ponder.engine.histograms import Histogram
from ponder.engine.protocol import Request
from ponder.engine.stream import EngineLoad
from ponder.engine.vllm import VllmEngine
from ponder.engine.vllm_profile import VllmProfile, connect_vllm
from ponder.engine.vllm_wire import read_metrics
from tests.engine.vllm_asking import PARAMS, REQUEST, Mask, collect, ids_of, until, with_engine
from tests.engine.vllm_fake import VOCAB, endless, event, silent, token_at

NOWHERE = "http://127.0.0.1:9"  # nobody listens there


def test_streams_at_the_same_time_get_their_own_answers(fake):
    server = fake()
    rng = random.Random(1)
    requests = [
        Request("the same", tuple(rng.choices(range(VOCAB), k=rng.randrange(1, 9))), PARAMS, seed=i) for i in range(40)
    ]

    async def body(engine):
        return await asyncio.gather(*(collect(engine.stream(request)) for request in requests))

    for request, pieces in zip(requests, with_engine([connect_vllm(server.url)], body), strict=True):
        sent = {"prompt": request.prompt, "seed": request.seed}
        assert ids_of(pieces) == [token_at(sent, place) for place in range(PARAMS.max_tokens)]
        assert pieces[-1].finish_reason == "length" and pieces[-1].cached_tokens == 4


@pytest.mark.parametrize("script", [silent, endless])
def test_cancelling_a_reader_closes_its_connection(fake, script):
    """At once, whether it waits for the first piece or a later one; another stream goes on."""
    server = fake(script)

    async def body(engine):
        reader, other = (asyncio.create_task(collect(engine.stream(REQUEST))) for _ in range(2))
        for _ in range(2):
            await asyncio.to_thread(server.begun.acquire)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await asyncio.to_thread(server.left.acquire)
        assert not server.left.acquire(blocking=False) and not other.done()
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        await asyncio.to_thread(server.left.acquire)

    with_engine([connect_vllm(server.url)], body)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux tells of its connections")
def test_a_machine_that_vanishes_without_a_word_is_noticed(fake):
    """Nothing comes from it any more, not even an end: the kernel asks it while the stream is quiet."""
    server = fake(endless)

    async def body(engine):
        port = f":{server.listener.getsockname()[1]:04X}"

        def timers():
            rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            # Of those to the server: local address, remote address, state, queues, timer.
            return [row[5][:2] for row in rows if row[2].endswith(port) and row[3] == "01"]

        async with aclosing(engine.stream(REQUEST)) as stream:
            await anext(stream)
            await until(lambda: "02" in timers())  # 02: the timer of TCP's keep-alive

    with_engine([connect_vllm(server.url)], body)


def test_a_reader_that_stops_between_two_pieces_closes_the_connection(fake):
    server = fake(endless)

    async def body(engine):
        stream = engine.stream(REQUEST)
        await anext(stream)
        await stream.aclose()
        await asyncio.to_thread(server.left.acquire)

    with_engine([connect_vllm(server.url)], body)


@pytest.mark.parametrize(
    "request_, message",
    [
        (Request("r", (), PARAMS, 0), "the prompt is empty"),
        (Request("r", (1,) * 512, PARAMS, 0), "the prompt has 512 tokens, the model's context is 512"),
        (Request("r", (1,) * 505, PARAMS, 0), "set max_tokens to 7 or less"),
        (Request("r", (1, VOCAB), PARAMS, 0), "outside 0..159"),
        (Request("r", (1, -1), PARAMS, 0), "outside 0..159"),
        (Request("r", (1,), dataclasses.replace(PARAMS, logit_bias=((VOCAB, 1.0),)), 0), "outside 0..159"),
        (Request("r", (1,), PARAMS, 0, rope_factor=4.0), "rope_factor 4 is not offered; there are: 1"),
        (Request("r", (1,), PARAMS, 0, mask=Mask()), "no grammar that vLLM could be given"),
    ],
)
def test_a_request_that_can_never_run_is_refused_and_never_sent(fake, request_, message):
    server = fake()

    async def body(engine):
        with pytest.raises(ValueError, match=message):
            await collect(engine.stream(request_))

    with_engine([connect_vllm(server.url)], body)
    assert not server.bodies


NESTED = {"error": {"message": "top_k must be an integer", "type": "BadRequestError", "param": None, "code": 400}}


@pytest.mark.parametrize(
    "status, content, kind, message",
    [
        (400, NESTED, ValueError, "request r: vLLM refuses it: top_k must be an integer"),
        (422, {"object": "error", "message": "flat", "code": 422}, ValueError, "refuses it: flat"),
        (401, {"error": "Unauthorized"}, RuntimeError, r"wants another API key \(401\): Unauthorized"),
        (404, {"error": {"message": "The model `x` does not exist."}}, RuntimeError, r"failed \(404\): The model"),
        (503, "<html>busy</html>", RuntimeError, r"failed \(503\): <html>busy"),
        (500, [1], RuntimeError, r"failed \(500\): \[1\]"),
    ],
)
def test_refusals_are_the_requests_fault_or_the_servers(fake, status, content, kind, message):
    server = fake()
    server.refusal = status, content

    async def body(engine):
        with pytest.raises(kind, match=message):
            await collect(engine.stream(REQUEST))

    with_engine([connect_vllm(server.url)], body)
    assert len(server.bodies) == 1, "nothing is tried again"


async def breaks(body):
    yield event([7])
    raise ConnectionError("the server's own")


def test_a_connection_that_breaks_is_an_error_and_nothing_is_tried_again(fake):
    server = fake(breaks)

    async def body(engine):
        found = []
        with pytest.raises(RuntimeError, match="vLLM broke off"):
            async for piece in engine.stream(REQUEST):
                found += piece.ids
        return found

    assert with_engine([connect_vllm(server.url)], body) == [7]
    assert len(server.bodies) == 1


def test_a_server_that_is_gone_is_told_by_streams_and_by_load_until_it_is_back(fake, monkeypatch):
    monkeypatch.setattr("ponder.engine.vllm.WATCH_S", 0.0)
    server = fake()
    there, gone = connect_vllm(server.url), VllmProfile(NOWHERE, "ponder", 512)

    async def body(engine):
        with pytest.raises(RuntimeError, match="vLLM cannot be reached"):
            await collect(engine.stream(REQUEST))
        await until(lambda: engine.load().failure)
        assert "cannot be reached" in engine.load().failure
        engine.profiles = {1.0: there}
        await until(lambda: engine.load().failure is None)
        await collect(engine.stream(REQUEST))

    with_engine([gone], body)


def test_each_factor_has_its_server(fake):
    short, long = fake(context=500), fake(context=1024)
    profiles = [connect_vllm(long.url, 2.0), connect_vllm(short.url, api_key="secret")]

    async def body(engine):
        assert engine.rope_factors == (1.0, 2.0) and engine.context == 500
        await collect(engine.stream(REQUEST))
        await collect(engine.stream(dataclasses.replace(REQUEST, prompt=(1,) * 900, rope_factor=2.0)))

    with_engine(profiles, body)
    assert [len(short.bodies[0]["prompt"]), len(long.bodies[0]["prompt"])] == [3, 900]
    assert (short.keys, long.keys) == (["Bearer secret"], [None]) and "secret" not in repr(profiles)
    assert VllmEngine(profiles[:1], VOCAB).context == 512, "a static factor: its whole context at that factor"
    with pytest.raises(ValueError, match="one profile for each rope_factor"):
        VllmEngine([profiles[0]] * 2, VOCAB)


METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="pon}der"} 3.0
vllm:num_requests_running{engine="1",model_name="pon}der"} 1.0
vllm:num_requests_waiting{engine="0",model_name="ponder"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="ponder",reason="capacity"} 9.0
vllm:kv_cache_usage_perc{engine="0",model_name="ponder"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="ponder"} 0.5
vllm:prefix_cache_queries_total{engine="0",model_name="ponder"} 1.2e+03
vllm:prefix_cache_queries_created{engine="0",model_name="ponder"} 1.7e+09
vllm:prefix_cache_hits_total{engine="0",model_name="ponder"} 640.0
vllm:num_preemptions_total{engine="0",model_name="ponder"} 7.0
vllm:request_queue_time_seconds_bucket{engine="0",le="0.3",model_name="ponder"} 3.0
vllm:request_queue_time_seconds_bucket{engine="0",le="2.5",model_name="ponder"} 4.0
vllm:request_queue_time_seconds_bucket{engine="0",le="+Inf",model_name="ponder"} 5.0
vllm:request_queue_time_seconds_bucket{engine="1",le="0.3",model_name="ponder"} 1.0
vllm:request_queue_time_seconds_bucket{engine="1",le="2.5",model_name="ponder"} 1.0
vllm:request_queue_time_seconds_bucket{engine="1",le="+Inf",model_name="ponder"} 1.0
vllm:request_queue_time_seconds_count{engine="0",model_name="ponder"} 5.0
vllm:request_queue_time_seconds_sum{engine="0",model_name="ponder"} 9.5
vllm:request_queue_time_seconds_sum{engine="1",model_name="ponder"} 0.5
vllm:request_queue_time_seconds_created{engine="0",model_name="ponder"} 1.7e+09
"""


def test_load_is_the_sum_of_what_the_servers_metrics_say(fake, monkeypatch):
    monkeypatch.setattr("ponder.engine.vllm.WATCH_S", 0.0)
    one, other = fake(), fake()
    one.metrics = METRICS
    other.metrics = 'vllm:num_requests_running{engine="0"} 5.0\nvllm:kv_cache_usage_perc 0.75\n'
    assert read_metrics("") == EngineLoad() and read_metrics(METRICS).cache_use == 0.5

    async def body(engine):
        assert engine.load() == EngineLoad()
        await until(lambda: engine.load().running == 9)
        queue = {"request_queue_time_seconds": Histogram((0.3, 2.5), [4, 1, 1], 10.0)}
        assert engine.load() == EngineLoad(9, 2, 0.75, 1200, 640, 7, histograms=queue)
        other.metrics = ""
        await until(lambda: engine.load().running == 4)

    with_engine([connect_vllm(one.url), connect_vllm(other.url, 2.0)], body)


@pytest.mark.parametrize("value", ["NaN", "-1.0", "+Inf", "1e300", "busy"])
def test_metrics_that_cannot_be_read_leave_the_last_load_and_the_watcher(fake, monkeypatch, caplog, value):
    monkeypatch.setattr("ponder.engine.vllm.WATCH_S", 0.0)
    server = fake()
    server.metrics = METRICS

    async def body(engine):
        engine.load()
        await until(lambda: engine.load().running == 4)
        watcher, server.metrics = engine._watcher, f'vllm:num_requests_running{{engine="0"}} {value}\n'
        await until(lambda: caplog.messages)
        assert engine.load() == read_metrics(METRICS)
        server.metrics = "vllm:num_requests_running 5.0\n"
        await until(lambda: engine.load().running == 5)
        assert engine._watcher is watcher and not watcher.done()

    with_engine([connect_vllm(server.url)], body)
    (said,) = caplog.messages
    assert f"num_requests_running {value}; " in said or f"'{value}'; " in said


def test_closing_ends_streams_of_all_event_loops(fake):
    """A server closes its engine from a loop of its own; readers that wait and readers that do not."""
    server = fake(endless)
    outcomes: list[BaseException] = []
    begun = threading.Semaphore(0)

    async def reader(engine, look_away):
        stream = engine.stream(REQUEST)
        await anext(stream)
        begun.release()
        if look_away:
            await until(lambda: engine._closed)
        with pytest.raises(RuntimeError, match="the engine is closed") as error:
            await anext(stream)
        outcomes.append(error.value)

    async def readers(engine):
        await asyncio.gather(*(reader(engine, look_away) for look_away in (False, True)))

    async def body(engine):
        elsewhere = threading.Thread(target=lambda: asyncio.run(readers(engine)))
        elsewhere.start()
        here = asyncio.ensure_future(readers(engine))
        for _ in range(4):
            await asyncio.to_thread(begun.acquire)
        await engine.close()
        await here
        await asyncio.to_thread(elsewhere.join)
        assert len(outcomes) == 4 and engine.load().failure == "the engine is closed"
        with pytest.raises(RuntimeError, match="the engine is closed"):
            await collect(engine.stream(REQUEST))

    with_engine([connect_vllm(server.url)], body)


def test_connecting_says_what_is_wrong(fake):
    server = fake(context=77)
    assert connect_vllm(server.url + "/") == VllmProfile(server.url + "/", "ponder", 77)
    with pytest.raises(RuntimeError, match=f"no vLLM server answers at {NOWHERE}"):
        connect_vllm(NOWHERE)
    with pytest.raises(RuntimeError, match=r"no vLLM server answers.*404"):
        connect_vllm(server.url + "/other")
    server.context = None
    with pytest.raises(RuntimeError, match="is no vLLM server"):
        connect_vllm(server.url)
    for url in ("ftp://host", "localhost:8000", "http://host:port"):
        with pytest.raises(ValueError, match="vLLM server"):
            connect_vllm(url)
