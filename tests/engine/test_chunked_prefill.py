"""Long prompts beside short streams: prompts in chunks beside who runs, and law 4 through all of it."""

import dataclasses
import random

import pytest
import torch

from ponder.engine.kernels import BLOCK
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request
from ponder.model.weights import load_decoder
from tests.engine.test_local import FREE, load_copy, prompt, requests, run, with_group
from tests.model.families import make_checkpoint

CHUNK = 32


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("qwen3")
    make_checkpoint("qwen3", directory)
    return load_decoder(directory)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    """Of 32 tokens, so that a small model's prompts have several."""
    monkeypatch.setattr("ponder.engine.scheduler.PART_TOKENS", CHUNK)


def mixed(seed: int, count: int = 40) -> list[Request]:
    """Prompts of 1 to 300 tokens, answers of 1 to 180, of two YaRN factors."""
    rng = random.Random(seed)
    return [
        Request(
            i,
            prompt(1000 * seed + i, rng.choice((1, 9, 31, 32, 33, 64, 65, 127, 200, 300))),
            dataclasses.replace(FREE, max_tokens=rng.choice((1, 2, 40, 180))),
            seed=i,
            rope_factor=rng.choice((1.0, 2.0)),
        )
        for i in range(count)
    ]


def serving(decoder, **options) -> LocalEngine:
    return LocalEngine(decoder, rope_factors=(1.0, 2.0), **({"chunk_tokens": CHUNK} | options))


@pytest.mark.parametrize(
    ("dtype", "chunk", "group"),
    [
        (torch.float32, CHUNK, 2),
        (torch.bfloat16, CHUNK, 2),
        (torch.float32, 100, 2),
        (torch.float32, CHUNK, 5),
        (torch.float32, CHUNK, 7),
        (torch.bfloat16, CHUNK, 7),
    ],
)
def test_same_request_same_tokens_in_any_batch(decoder, dtype, chunk, group):
    decoder = load_copy(decoder if group == 2 else with_group(group), dtype)
    wanted = mixed(1)
    together = run(serving(decoder, chunk_tokens=chunk), wanted)
    shuffled = random.Random(3).sample(wanted, len(wanted))
    crowded = run(serving(decoder, max_rows=5, token_budget=1500, chunk_tokens=chunk), shuffled)
    for request in wanted:
        one, alone = together[request.id], next(serving(decoder, chunk_tokens=chunk).generate([request]))
        for other in (crowded[request.id], alone):
            assert (other.ids, other.logprobs) == (one.ids, one.logprobs), "bit for bit"


def test_chunks_compute_what_whole_prompts_do(decoder):
    wanted = mixed(2)
    expected = run(LocalEngine(decoder, rope_factors=(1.0, 2.0)), wanted)
    for options in ({}, {"keep_prefixes": True}, {"chunk_tokens": 63}, {"chunk_tokens": 256}):
        found = run(serving(decoder, **options), wanted)
        for request in wanted:
            one, other = found[request.id], expected[request.id]
            assert one.ids == other.ids
            torch.testing.assert_close(torch.tensor(one.logprobs), torch.tensor(other.logprobs), atol=1e-4, rtol=0)


def test_a_short_request_is_the_same_with_and_without_chunks(decoder):
    """What training samples and what a server samples agree bit for bit where a prompt fits one chunk."""
    wanted = [r for r in requests(30) if len(r.prompt) <= CHUNK]
    assert len(wanted) > 5
    trained, served = run(LocalEngine(decoder), wanted), run(serving(decoder), wanted)
    for request in wanted:
        one, other = trained[request.id], served[request.id]
        assert (one.ids, one.logprobs) == (other.ids, other.logprobs)


def test_aborts_anywhere_leave_the_others_alone(decoder):
    """Running in any lane, waiting, or half computed."""
    wanted = mixed(4)
    expected = run(serving(decoder), wanted)
    rng = random.Random(5)
    for keep in (False, True):
        engine = serving(decoder, max_rows=12, keep_prefixes=keep, token_budget=1024)
        engine.submit(wanted)
        aborted, halfway, finished = set(), 0, []
        while engine.busy:
            finished += engine.step()
            half = [sequence for sequence in engine.running if not sequence.decodes]
            if (engine.busy and rng.random() < 0.1) or (half and rng.random() < 0.1):
                victim = rng.choice(half or [*engine.running, *engine.waiting]).completion.request.id
                halfway += bool(half)
                aborted.add(victim)
                engine.abort(victim)
        found = {c.request.id: c.ids for c in finished}
        assert halfway and found.keys() == expected.keys() - aborted
        assert all(ids == expected[i].ids for i, ids in found.items())
        engine.step()
        assert engine.blocks.used == 0, "nothing leaks"
        assert keep or engine.cache.keys[0].numel() == 0, "an idle engine holds no cache"


def test_running_sequences_go_on_beside_chunks_and_short_prompts_pass_a_long_one(decoder):
    engine = serving(decoder)
    short = [Request(i, prompt(i, 9), dataclasses.replace(FREE, max_tokens=60), i) for i in range(3)]
    completions = engine.submit(short)
    engine.step()
    long, second = engine.submit([Request(9, prompt(9, 300), FREE, 9), Request(10, prompt(10, 290), FREE, 10)])
    engine.step()
    engine.step()
    (late,) = engine.submit([Request(11, prompt(11, 9), FREE, 11)])
    steps = 2
    while not long.ids:
        before = [len(c.ids) for c in completions]
        engine.step()
        steps += 1
        assert [len(c.ids) for c in completions] == [n + 1 for n in before], "every step gives each a token"
        assert late.ids, "it came after two long prompts, and did not wait for them"
        assert not second.ids
    assert steps == -(-300 // CHUNK) and len(late.ids) > 5
    while not second.ids:
        engine.step()


def test_memory_is_taken_when_it_is_used(decoder):
    """A hundred sequences that may grow to 512 tokens each, in room for 16 of that length: all run at once."""
    engine = serving(decoder, token_budget=16 * 512, chunk_tokens=1024)
    params = dataclasses.replace(FREE, max_tokens=500)
    completions = engine.submit([Request(i, prompt(i, 9), params, i) for i in range(100)])
    for _ in range(20):
        engine.step()
    assert len(engine.running) == 100 and all(len(completion.ids) > 5 for completion in completions)
    assert engine.blocks.used == 100 and engine.scheduler.preemptions == 0
    for _ in range(70):
        engine.step()
    assert engine.scheduler.preemptions and engine.blocks.used <= 16 * 512 // BLOCK
    engine.close()
    assert engine.blocks.used == 0


def test_a_small_context():
    decoder = with_group(2, context=64)
    wanted = [Request(i, prompt(i, 9 + i), FREE, i) for i in range(3)]
    served, trained = run(LocalEngine(decoder, chunk_tokens=CHUNK), wanted), run(LocalEngine(decoder), wanted)
    assert all((served[i].ids, served[i].logprobs) == (trained[i].ids, trained[i].logprobs) for i in range(3))


def test_chunk_tokens_out_of_range_are_refused(decoder):
    with pytest.raises(ValueError, match="chunk_tokens must be at least 32, got 31"):
        serving(decoder, chunk_tokens=31)
