"""Kept prefixes: the same numbers as a full prefill, within a budget, the least recently used out first."""

from dataclasses import replace

import pytest
import torch

from ponder.engine import scheduler
from ponder.engine.build import SamplingEngine
from ponder.engine.kernels import BLOCK
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request
from ponder.model.weights import load_decoder
from ponder.recipe.schema import EngineSettings
from tests.engine.test_local import FREE, load_copy, prompt, run
from tests.engine.test_thread import collect, with_engine
from tests.model.families import make_checkpoint


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("qwen3")
    make_checkpoint("qwen3", directory)
    return load_decoder(directory)


def assert_same(found, expected):
    """The same tokens with the same log-probabilities: what was kept is what a prefill computes."""
    assert found.ids == expected.ids
    torch.testing.assert_close(torch.tensor(found.logprobs), torch.tensor(expected.logprobs), atol=1e-4, rtol=0)


@pytest.mark.parametrize("at_a_time", [256, 64])
def test_turns_of_conversations_equal_a_full_prefill(decoder, at_a_time, monkeypatch):
    """Six conversations of four turns with a system prompt in common, of two YaRN factors, three samples of each turn."""
    monkeypatch.setattr(scheduler, "PART_TOKENS", at_a_time)
    kept = LocalEngine(decoder, rope_factors=(1.0, 2.0), keep_prefixes=True)
    plain = LocalEngine(decoder, rope_factors=(1.0, 2.0))
    params = replace(FREE, max_tokens=20)
    kept_before = dict.fromkeys(range(6), 0)
    histories = {talk: prompt(99, 50) + prompt(talk, 3 + 31 * talk) for talk in range(6)}
    for turn in range(4):
        wanted = [
            Request((talk, sample), history, params, seed=1000 * turn + 10 * talk + sample, rope_factor=1.0 + talk % 2)
            for talk, history in histories.items()
            for sample in range(3)
        ]
        found, expected = run(kept, wanted), run(plain, wanted)
        for request in wanted:
            assert_same(found[request.id], expected[request.id])
            cached = found[request.id].cached_tokens
            assert cached % BLOCK == 0 and cached < len(request.prompt)
            assert cached >= kept_before[request.id[0]] // BLOCK * BLOCK, "all of the turn before is kept, to a block"
        # The last sampled token has no keys yet, so one less is kept.
        kept_before = {talk: len(history) + len(found[talk, 0].ids) - 1 for talk, history in histories.items()}
        histories = {
            talk: history + tuple(found[talk, 0].ids) + prompt(7 * talk + turn, 5 + 40 * (turn % 2))
            for talk, history in histories.items()
        }


def test_a_prompt_is_never_taken_whole_and_another_factor_finds_nothing(decoder):
    engine = LocalEngine(decoder, rope_factors=(1.0, 2.0), keep_prefixes=True)
    request = Request(0, prompt(3, 4 * BLOCK), replace(FREE, max_tokens=1), seed=0)
    found = [run(engine, [r])[0].cached_tokens for r in (request, request, replace(request, rope_factor=2.0))]
    assert found == [0, 3 * BLOCK, 0]
    longer = replace(request, prompt=(*request.prompt, 1))
    assert run(engine, [longer])[0].cached_tokens == 4 * BLOCK
    assert (engine.blocks.queries, engine.blocks.hits) == (3 * 4 * BLOCK + 4 * BLOCK + 1, 7 * BLOCK)


@pytest.mark.parametrize(("chunk", "dtype"), [(1280, torch.float32), (1280, torch.bfloat16), (64, torch.float32)])
def test_a_kept_beginning_gives_the_same_numbers_in_any_batch(decoder, chunk, dtype):
    """Bit for bit: beside others whose kept beginnings are longer or shorter, with as many tokens left as it has."""
    decoder = load_copy(decoder, dtype)
    params = replace(FREE, max_tokens=8)

    def answers(together: bool) -> dict:
        engine = LocalEngine(decoder, keep_prefixes=True, chunk_tokens=chunk)
        kept = {i: prompt(i, length) for i, length in enumerate((32, 64, 224, 96, 320, 416))}
        run(engine, [Request(i, (*history, 1), replace(params, max_tokens=1), 0) for i, history in kept.items()])
        wanted = [Request(i, history + prompt(50 + i, 31 + i % 2), params, i) for i, history in kept.items()]
        wanted += [Request(10 + i, history + prompt(60 + i, 70), params, i) for i, history in kept.items()]
        found = run(engine, wanted) if together else {r.id: run(engine, [r])[r.id] for r in wanted}
        assert [found[i].cached_tokens for i in range(6)] == [len(history) for history in kept.values()]
        return {i: (c.ids, c.logprobs) for i, c in found.items()}

    assert answers(True) == answers(False)


def test_kept_tokens_are_not_charged_to_the_chunk(decoder):
    """A conversation of several chunks, of which all but its last turn is kept, is no long prompt, and many start at
    once."""
    engine = LocalEngine(decoder, keep_prefixes=True, chunk_tokens=128)
    histories = [prompt(i, 320) for i in range(8)]
    list(engine.generate([Request(i, h, replace(FREE, max_tokens=1), 0) for i, h in enumerate(histories)]))
    hits, queries = engine.blocks.hits, engine.blocks.queries
    completions = engine.submit([Request(i, (*h, 1, 2, 3), FREE, 0) for i, h in enumerate(histories)])
    engine.step()
    assert all(completion.ids and completion.cached_tokens == 320 for completion in completions)
    assert (engine.blocks.hits - hits, engine.blocks.queries - queries) == (8 * 320, 8 * 323), "counted once"
    (cold,) = engine.submit([Request(9, prompt(9, 320), FREE, 0)])
    engine.step()
    assert engine.running[-1].completion is cold and not cold.ids, "a long one"


def test_an_aborted_sequence_is_kept_too(decoder):
    engine = LocalEngine(decoder, keep_prefixes=True)
    first = Request(0, prompt(5, 20), replace(FREE, max_tokens=100), seed=1)
    (completion,) = engine.submit([first])
    for _ in range(31):
        engine.step()
    engine.abort(0)
    again = Request(1, first.prompt + tuple(completion.ids) + prompt(6, 9), FREE, seed=2)
    assert len(completion.ids) == 31
    assert_same(run(engine, [again])[1], run(LocalEngine(decoder), [again])[1])
    assert engine.blocks.hits == 50 // BLOCK * BLOCK


def test_the_load_tells_of_the_prefix_cache(decoder):
    async def body(engine):
        request = Request(0, prompt(3, 50), FREE, seed=0)
        await collect(engine, request)
        stream = engine.stream(request)
        pieces = [piece async for piece in stream]
        assert pieces[0].cached_tokens == BLOCK and not any(piece.cached_tokens for piece in pieces[1:])
        return engine.load()

    load = with_engine(LocalEngine(decoder, keep_prefixes=True), body)
    assert (load.prefix_queries, load.prefix_hits) == (100, BLOCK)


def test_training_keeps_nothing(decoder):
    """Its weights change between steps."""
    assert not SamplingEngine(decoder, EngineSettings(workers=0)).engine.blocks.keep


def test_nothing_that_old_weights_computed_is_found(decoder):
    decoder = load_copy(decoder, torch.float32)
    engine = LocalEngine(decoder, keep_prefixes=True)
    request = Request(0, prompt(3, 100), FREE, seed=0)
    run(engine, [request])
    with torch.no_grad():
        decoder.layers[0].mlp.down_proj.weight.mul_(1.5)
    engine.new_weights()
    found = run(engine, [request])[0]
    assert found.cached_tokens == 0
    assert (found.ids, found.logprobs) == ((c := run(LocalEngine(decoder), [request])[0]).ids, c.logprobs)
