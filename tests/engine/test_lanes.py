"""Long prompts beside short streams: lanes by length, prompts in chunks, and law 4 through all of it."""

import dataclasses
import random

import pytest
import torch

from ponder.engine import lanes
from ponder.engine.kv_cache import KVCache
from ponder.engine.lanes import Reservation
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
def low_bounds(monkeypatch):
    """Parts of 32 tokens, and lanes of 64, 128, 256 and 512 tokens, so that a small model's sequences move up."""
    monkeypatch.setattr("ponder.engine.local.EXTEND_TOKENS", CHUNK)
    monkeypatch.setattr("ponder.engine.lanes.FIRST_BOUND", 64)


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


def test_chunks_and_lanes_compute_what_one_rectangle_does(decoder):
    wanted = mixed(2)
    expected = run(LocalEngine(decoder, rope_factors=(1.0, 2.0)), wanted)
    for options in ({}, {"prefix_tokens": 20_000}, {"chunk_tokens": 63}, {"chunk_tokens": 256}):
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
    for prefix_tokens in (0, 20_000):
        engine = serving(decoder, max_rows=12, prefix_tokens=prefix_tokens)
        engine.submit(wanted)
        aborted, halfway, finished = set(), 0, []
        while engine.busy:
            finished += engine.step()
            if rng.random() < 0.1:
                half = [engine.long.completion] if engine.long else []
                victim = rng.choice([*engine.running, *engine.waiting, *half])
                aborted.add(victim.request.id)
                engine.abort(victim.request.id)
            if engine.long and len(aborted) % 7 == 3:
                halfway += 1
                aborted.add(engine.long.completion.request.id)
                engine.abort(engine.long.completion.request.id)
        found = {c.request.id: c.ids for c in finished}
        assert halfway and found.keys() == expected.keys() - aborted
        assert all(ids == expected[i].ids for i, ids in found.items())
        engine.step()
        assert all(cache.keys[0].numel() == 0 for cache in engine.lanes.caches), "an idle engine holds no cache"


def test_running_sequences_wait_for_one_chunk_and_short_prompts_pass_a_long_one(decoder):
    engine = serving(decoder)
    short = [Request(i, prompt(i, 9), dataclasses.replace(FREE, max_tokens=60), i) for i in range(3)]
    completions = engine.submit(short)
    engine.step()
    long, second = engine.submit([Request(9, prompt(9, 300), FREE, 9), Request(10, prompt(10, 290), FREE, 10)])
    for _ in range(4):
        engine.step()
    (late,) = engine.submit([Request(11, prompt(11, 9), FREE, 11)])
    steps = 4
    while not long.ids:
        before = [len(c.ids) for c in completions]
        engine.step()
        engine.step()
        steps += 2
        assert [len(c.ids) for c in completions] == [n + 1 for n in before], "every other step is theirs"
        assert late.ids, "it came after two long prompts, and did not wait for them"
        assert not second.ids
    assert steps == 2 * -(-300 // CHUNK) and len(late.ids) > 5
    while not second.ids:
        engine.step()


def test_a_long_sequence_makes_no_other_row_long(decoder):
    engine = serving(decoder, token_budget=2500)
    asked = [Request(0, prompt(0, 350), dataclasses.replace(FREE, max_tokens=50), 0)]
    asked += [Request(i, prompt(i, 9), FREE, i) for i in range(1, 33)]
    engine.submit(asked)
    for _ in range(30):
        engine.step()
    assert len(engine.running) == 33, "416 + 32 x 64 tokens; as one rectangle they would be 13,728"
    rectangles = [(cache.rows, cache.length) for cache in engine.lanes.caches]
    assert rectangles[3] == (1, 416) and not any(rows for rows, _ in (*rectangles[1:3], *rectangles[4:]))
    assert 32 <= rectangles[0][0] <= 48 and rectangles[0][1] == 64
    assert engine.reserved().tokens == 416 + 32 * 64


def test_sequences_move_up_and_empty_lanes_hold_nothing(decoder):
    engine = serving(decoder)
    request = Request(0, prompt(0, 20), dataclasses.replace(FREE, max_tokens=300), 0)
    (completion,) = engine.submit([request])
    lanes_seen = []
    while engine.busy:
        engine.step()
        lanes_seen.append([lane for lane, cache in enumerate(engine.lanes.caches) if cache.length and lane])
    assert [lane for lane, before in zip(lanes_seen[1:], lanes_seen, strict=False) if lane != before] == [
        [1],
        [2],
        [3],
        [],
    ]
    assert lanes_seen.index([1]) + 20 == 65, "the step that feeds the 65th token"
    assert completion.ids == next(LocalEngine(decoder).generate([request])).ids


def test_the_first_that_finds_no_room_is_not_passed_for_ever(decoder):
    """A request that needs nearly all of the budget, among short ones that never stop coming."""
    engine = serving(decoder, token_budget=600, max_rows=64)
    big = Request("big", prompt(1, 400), dataclasses.replace(FREE, max_tokens=100), 1)
    engine.submit([Request(i, prompt(i, 9), FREE, i) for i in range(8)])
    engine.step()
    (completion,) = engine.submit([big])
    for number in range(8, 400):
        engine.submit([Request(number, prompt(number, 9), FREE, number)])
        engine.step()
    assert completion.finish_reason == "length"


def held(engine) -> int:
    """Tokens whose keys and values there is memory for."""
    caches = [*engine.lanes.caches, *([engine.long.cache] if engine.long else [])]
    return sum(tensor.numel() // (cache.kv_heads * cache.head_dim) for cache in caches for tensor in cache.keys) // len(
        caches[0].keys
    )


def test_lanes_hold_at_most_a_third_more_than_is_reserved(decoder):
    """Crowds that leave or move up, and stragglers that stay behind in every lane; long prompts among them."""
    engine = serving(decoder, token_budget=6000)
    rng = random.Random(6)
    used = []
    for wave in range(6):
        short = [Request((wave, i), prompt(i, 5), dataclasses.replace(FREE, max_tokens=20), i) for i in range(40)]
        growing = [
            Request(
                (wave, 100 + i), prompt(i, rng.choice((9, 70, 140, 290))), dataclasses.replace(FREE, max_tokens=200), i
            )
            for i in range(6)
        ]
        engine.submit(rng.sample(short + growing, 46))
        for _ in range(90):
            before = engine.reserved().tokens  # those that finish in the step count as well
            engine.step()
            reserved = max(before, engine.reserved().tokens)
            assert held(engine) <= reserved * 4 / 3
            used.append(reserved)
    assert max(used) > 5000, "the budget is made use of"


def test_a_long_prompt_is_not_held_twice(decoder, monkeypatch):
    """Not while it is computed, and not when its sequence takes its place among others."""
    engine = serving(decoder, token_budget=2000)
    most, resized = [0], KVCache._resized

    def watched(self, old, rows, length):
        new = resized(self, old, rows, length)
        extra = new.numel() / (self.kv_heads * self.head_dim) / (2 * len(self.keys)) if new is not old else 0
        caches = {*engine.lanes.caches, *parts}
        whole = sum(t.numel() for c in caches for t in (*c.keys, *c.values)) / (2 * len(self.keys))
        most[0] = max(most[0], whole / (self.kv_heads * self.head_dim) + extra)
        return new

    parts = set()
    monkeypatch.setattr(KVCache, "_resized", watched)
    params = dataclasses.replace(FREE, max_tokens=20)
    completions = engine.submit([Request(i, prompt(i, 480), params, i) for i in range(3)])
    while engine.busy:
        engine.step()
        if engine.long:
            parts.add(engine.long.cache)
    assert all(completion.finish_reason == "length" for completion in completions)
    assert 1024 < most[0] <= 1536 * (1 + 1 / 6) + 1, "three of them, and a sixth of the lane: one of 3 x 2 tensors"


def test_new_sequences_with_one_prompt_are_not_held_beside_their_lane(decoder):
    engine = serving(decoder, token_budget=20_000, chunk_tokens=256)
    engine.submit([Request(i, prompt(0, 240), FREE, i) for i in range(31)])
    engine.step()
    assert len(engine.running) == 31 and held(engine) == 34 * 256


def test_a_context_that_one_lane_holds():
    decoder = with_group(2, context=64)
    wanted = [Request(i, prompt(i, 9 + i), FREE, i) for i in range(3)]
    served, trained = run(LocalEngine(decoder, chunk_tokens=CHUNK), wanted), run(LocalEngine(decoder), wanted)
    assert all((served[i].ids, served[i].logprobs) == (trained[i].ids, trained[i].logprobs) for i in range(3))


def test_reservations():
    held = Reservation([64, 128], [(5, 10), (9, 60), (65, 65), (65, 100)])
    assert (held.rows, held.tokens) == (4, 2 * 64 + 2 * 128), "in whole buckets"
    held = Reservation([64, 128], [(5, 10), (6, 9)])
    assert held.tokens == 2 * 32
    held.add(65, 90)
    assert held.tokens == 2 * 32 + 96, "never stands in the first lane"
    held.add(64, 90)
    assert held.tokens == 2 * 64 + 2 * 96, "makes every row of the first lane as long as the lane allows"
    assert lanes.bounds_up_to(300) == [64, 128, 256, 512]


def test_chunk_tokens_out_of_range_are_refused(decoder):
    with pytest.raises(ValueError, match="chunk_tokens must be at least 32, got 31"):
        serving(decoder, chunk_tokens=31)
