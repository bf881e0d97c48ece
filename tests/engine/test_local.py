"""The local engine: transformers as oracle, and law 4 (the same request gives the same tokens in any batch)."""

import dataclasses
import random

import pytest
import torch

from ponder.engine.counting import key
from ponder.engine.kernels import BLOCK, FAST
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.model.attention import score_sequences
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import build_random
from ponder.model.weights import load_decoder
from tests.model.families import FAMILIES, make_checkpoint

FREE = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, max_tokens=40)


def prompt(seed: int, length: int) -> tuple[int, ...]:
    generator = random.Random(seed)
    return tuple(generator.randrange(150) for _ in range(length))


def requests(count: int, params: SamplingParams = FREE, group: int = 3) -> list[Request]:
    """Groups that share a prompt, of many lengths, each request with a limit of its own."""
    rng = random.Random(1)
    return [
        Request(
            id=i,
            prompt=prompt(i // group, 1 + 17 * (i // group) % 90),
            params=dataclasses.replace(params, max_tokens=rng.randint(1, params.max_tokens)),
            seed=key("test", i),
        )
        for i in range(count)
    ]


def run(engine: LocalEngine, wanted: list[Request]) -> dict:
    return {c.request.id: c for c in engine.generate(wanted)}


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("qwen3")
    make_checkpoint("qwen3", directory)
    return load_decoder(directory)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_equals_transformers(family, tmp_path):
    model = make_checkpoint(family, tmp_path)
    engine = LocalEngine(load_decoder(tmp_path))
    greedy = SamplingParams(temperature=0.0, max_tokens=120, stop_ids=frozenset({159}))
    wanted = [Request(i, prompt(i, length), greedy, seed=0) for i, length in enumerate((3, 60, 31, 32, 33))]
    ours = run(engine, wanted)
    for request in wanted:
        theirs = model.generate(torch.tensor([request.prompt]), do_sample=False, max_new_tokens=120, eos_token_id=159)
        assert ours[request.id].ids == theirs[0, len(request.prompt) :].tolist()


@pytest.mark.parametrize("family", ["qwen2-yarn", "qwen3", "llama-3.1"])
def test_decode_logprobs_agree_with_transformers(family, tmp_path):
    """Token by token through the cache, against their full forward pass; temperature 0.7 scales, top_k does not renormalise."""
    model = make_checkpoint(family, tmp_path)
    engine = LocalEngine(load_decoder(tmp_path))
    params = SamplingParams(temperature=0.7, top_k=20, top_p=0.9, max_tokens=150)
    for completion in engine.generate([Request(i, prompt(i, 20 + i), params, seed=i) for i in range(4)]):
        request = completion.request
        with torch.no_grad():
            logits = model(torch.tensor([list(request.prompt) + completion.ids])).logits[0]
        expected = torch.log_softmax(logits[len(request.prompt) - 1 : -1] / 0.7, -1)
        expected = expected.gather(1, torch.tensor(completion.ids).unsqueeze(1)).squeeze(1)
        torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-4, rtol=0)


def with_group(group: int, context: int = 512):
    """A decoder with so many query heads to one key head: QwQ has 5, Qwen2.5-0.5B has 7."""
    rope = RopeConfig()
    config = ModelConfig("qwen2", 160, 64, 96, 2, 2 * group, 2, 16, True, False, False, False, 1e-6, context, rope)
    return build_random(config, seed=group).eval()


@pytest.mark.parametrize("group", [2, 5, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_same_request_same_tokens_in_any_batch(decoder, dtype, group):
    decoder = load_copy(decoder if group == 2 else with_group(group), dtype)
    long = [Request(100 + i, prompt(50 + i, 150 + 70 * i), FREE, seed=i) for i in range(3)]
    wanted = requests(45) + long
    together = run(LocalEngine(decoder), wanted)
    shuffled = wanted[:]
    random.Random(5).shuffle(shuffled)
    crowded = run(LocalEngine(decoder, max_rows=5), shuffled)
    alone = {r.id: next(LocalEngine(decoder).generate([r])) for r in wanted}
    for request in wanted:
        one = together[request.id]
        for other in (crowded[request.id], alone[request.id]):
            assert other.ids == one.ids
            assert other.logprobs == one.logprobs, "bit for bit"
    assert len({tuple(c.ids) for c in together.values()}) > 40, "different seeds give different answers"


def load_copy(decoder, dtype):
    import copy

    return copy.deepcopy(decoder).to(dtype)


def test_latecomers_change_nothing(decoder):
    wanted = requests(24)
    expected = run(LocalEngine(decoder), wanted)
    engine = LocalEngine(decoder, max_rows=16)
    found, pending = {}, wanted[:]
    while pending or engine.running or engine.waiting:
        if pending:
            engine.submit([pending.pop(0)])
        found |= {c.request.id: c for c in engine.step()}
    assert {i: c.ids for i, c in found.items()} == {i: c.ids for i, c in expected.items()}


def test_a_shared_prompt_is_prefilled_once(decoder, monkeypatch):
    widths = widths_of(decoder.layers[0].mlp, monkeypatch)
    list(LocalEngine(decoder).generate([Request(i, prompt(0, 30), FREE, seed=i) for i in range(16)]))
    assert widths[0] == 32, "sixteen samples of one 30-token prompt: one prompt, filled up to whole tiles"


def test_the_last_layer_computes_only_tokens_that_are_followed_by_a_new_one(decoder, monkeypatch):
    first, last = (widths_of(decoder.layers[at].mlp, monkeypatch) for at in (0, -1))
    list(LocalEngine(decoder).generate([Request(i, prompt(i, 30), FREE, seed=i) for i in range(4)]))
    assert (first[0], last[0]) == (128, 16), "four prompts of 30 tokens sample four: one tile"
    assert first[1:] == last[1:] == [16] * (len(first) - 1)


def widths_of(module, monkeypatch) -> list[int]:
    """How many tokens go through it, each time."""
    widths, forward = [], module.forward
    monkeypatch.setattr(module, "forward", lambda x: widths.append(len(x)) or forward(x))
    return widths


def test_rows_and_blocks_bound_the_cache(decoder):
    engine = LocalEngine(decoder, token_budget=600, max_rows=8)
    wanted = requests(40)
    engine.submit(wanted)
    done = 0
    while engine.waiting or engine.running:
        done += len(engine.step())
        assert len(engine.running) <= 8
        assert sum(len(sequence.table) for sequence in engine.running) == engine.blocks.used <= -(-600 // BLOCK)
        assert len(engine.cache.keys[0]) <= -(-600 // BLOCK)
    assert done == 40
    assert engine.blocks.used == 0 and engine.cache.keys[0].numel() == 0, "an idle engine holds no cache"


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_who_is_preempted_is_computed_again_bit_for_bit(decoder, dtype, keep):
    """Twelve sequences of up to eleven blocks in a cache of 13."""
    decoder = load_copy(decoder, dtype)
    params = dataclasses.replace(FREE, max_tokens=150)
    wanted = [Request(i, prompt(i // 2, 5 + 9 * i), params, seed=i) for i in range(12)]
    expected = run(LocalEngine(decoder), wanted)
    engine = LocalEngine(decoder, token_budget=13 * BLOCK, keep_prefixes=keep)
    found = run(engine, wanted)
    assert engine.scheduler.preemptions > 5 and engine.blocks.used == 0
    for i, completion in expected.items():
        assert (found[i].ids, found[i].logprobs) == (completion.ids, completion.logprobs)


def test_what_is_fast_is_the_same_to_rounding(decoder):
    """Beside each other, preempted, with prompts in chunks beside decoding rows."""
    params = dataclasses.replace(FREE, max_tokens=60)
    wanted = [Request(i, prompt(i, 5 + 29 * i), params, seed=i) for i in range(9)]
    expected = run(LocalEngine(decoder, forms=FAST), wanted[:1]) | run(LocalEngine(decoder), wanted[1:])
    engine = LocalEngine(decoder, token_budget=15 * BLOCK, chunk_tokens=64, keep_prefixes=True, forms=FAST)
    found = run(engine, wanted)
    assert engine.scheduler.preemptions
    for i, completion in expected.items():
        assert found[i].ids == completion.ids
        torch.testing.assert_close(
            torch.tensor(found[i].logprobs), torch.tensor(completion.logprobs), atol=1e-4, rtol=0
        )


def test_stop_token_is_kept_and_ends(decoder):
    free = next(LocalEngine(decoder).generate([Request(0, prompt(0, 5), FREE, seed=9)]))
    stop = free.ids[6]
    params = dataclasses.replace(FREE, stop_ids=frozenset({stop}))
    stopped = next(LocalEngine(decoder).generate([Request(0, prompt(0, 5), params, seed=9)]))
    assert stopped.ids == free.ids[: free.ids.index(stop) + 1]
    assert (stopped.finish_reason, free.finish_reason) == ("stop", "length")


def test_abort_frees_the_row_and_leaves_the_others_alone(decoder):
    wanted = requests(6, group=1)
    expected = run(LocalEngine(decoder), wanted)
    engine = LocalEngine(decoder, max_rows=4)
    engine.submit(wanted)
    finished = engine.step()
    engine.abort(1)  # running
    engine.abort(5)  # waiting
    while engine.running or engine.waiting:
        finished += engine.step()
    assert {c.request.id: c.ids for c in finished} == {i: expected[i].ids for i in (0, 2, 3, 4)}


def test_weights_are_read_in_place(decoder):
    decoder = load_copy(decoder, torch.float32)
    engine = LocalEngine(decoder)
    request = Request(0, prompt(0, 9), FREE, seed=4)
    before = next(engine.generate([request]))
    with torch.no_grad():
        decoder.layers[0].mlp.down_proj.weight.mul_(1.5)
    after = next(engine.generate([request]))
    assert after.ids != before.ids
    logits = score_sequences(decoder, [list(request.prompt) + after.ids])[0][len(request.prompt) - 1 : -1]
    learner = torch.log_softmax(logits, -1).gather(1, torch.tensor(after.ids).unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(torch.tensor(after.logprobs), learner.detach(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(7, (), FREE, 0), "prompt is empty"),
        (Request(7, (1,) * 512, FREE, 0), "shorten the prompt"),
        (Request(7, (1,) * 500, FREE, 0), "set max_tokens to 12 or less"),
        (Request(7, (1, 160), FREE, 0), "token id outside"),
        (Request(7, (1,), dataclasses.replace(FREE, logit_bias=((160, 1.0),)), 0), "token id outside"),
        (Request(7, (1,), FREE, 2**64), "seed must be between"),
        (Request(7, (1,), FREE, -1), "seed must be between"),
        (Request(7, (1, 2), FREE, 0, answered=3), "answered is 3"),
    ],
)
def test_impossible_requests_are_refused_before_any_work(decoder, request_, message):
    engine = LocalEngine(decoder)
    with pytest.raises(ValueError, match=message):
        engine.submit([Request(0, (1,), FREE, 0), request_])
    assert not engine.waiting


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": -1},
        {"temperature": 1e-272},
        {"temperature": 9e-4},
        {"temperature": 1e4},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_p": 0},
        {"top_p": float("nan")},
        {"top_k": -1},
        {"top_k": 2**31},
        {"min_p": 1},
        {"min_p": float("nan")},
        {"presence_penalty": float("nan")},
        {"frequency_penalty": 2.5},
        {"frequency_penalty": float("nan")},
        {"max_tokens": 0},
        {"repetition_penalty": 0},
        {"repetition_penalty": 1e-30},
        {"repetition_penalty": float("inf")},
        {"top_logprobs": 21},
        {"logit_bias": ((3, 100.5),)},
        {"logit_bias": ((3, float("nan")),)},
        {"logit_bias": ((3, 1.0), (3, 2.0))},
    ],
)
def test_sampling_values_out_of_range_are_refused_by_name(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        SamplingParams(**bad)
