"""YaRN per request: factors side by side in one batch, each as transformers' static YaRN of its factor."""

import copy
from dataclasses import replace

import pytest
import torch

from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.yarn import context_of, offered_factors, smallest_factor
from ponder.model.config import RopeConfig
from ponder.model.weights import load_decoder
from tests.engine.test_local import FREE, prompt, run
from tests.model.families import make_checkpoint, static_yarn

FACTORS = (1.0, 2.0, 4.0)


@pytest.fixture(scope="module")
def model_and_path(tmp_path_factory):
    directory = tmp_path_factory.mktemp("qwen3")
    return make_checkpoint("qwen3", directory), directory


def mixed_requests() -> list[Request]:
    params = replace(FREE, max_tokens=24)
    lengths = (5, 40, 700, 5, 1200, 33, 1900, 90)
    factors = (1.0, 2.0, 2.0, 4.0, 4.0, 1.0, 4.0, 2.0)
    # The first two and the fourth have a prompt in common, so that only its factor tells them apart.
    prompts = [prompt(0 if i in (0, 3) else i, length) for i, length in enumerate(lengths)]
    return [Request(i, p, params, seed=i, rope_factor=f) for i, (p, f) in enumerate(zip(prompts, factors, strict=True))]


def test_logprobs_equal_static_yarn_and_factor_one_equals_the_plain_engine(model_and_path):
    model, path = model_and_path
    engine = LocalEngine(load_decoder(path), rope_factors=FACTORS)
    found = run(engine, mixed_requests())
    plain = LocalEngine(load_decoder(path))
    for request in mixed_requests():
        ours = found[request.id]
        if request.rope_factor == 1:
            alone = next(plain.generate([request]))
            assert (ours.ids, ours.logprobs) == (alone.ids, alone.logprobs), "bit for bit"
            continue
        theirs = static_yarn(copy.deepcopy(model), request.rope_factor)
        with torch.no_grad():
            logits = theirs(torch.tensor([list(request.prompt) + ours.ids])).logits[0]
        expected = torch.log_softmax(logits[len(request.prompt) - 1 : -1], -1)
        expected = expected.gather(1, torch.tensor(ours.ids).unsqueeze(1)).squeeze(1)
        torch.testing.assert_close(torch.tensor(ours.logprobs), expected, atol=1e-4, rtol=0)
    assert found[0].logprobs != found[3].logprobs


def test_a_scaled_request_is_the_same_in_any_batch(model_and_path):
    decoder = load_decoder(model_and_path[1])
    together = run(LocalEngine(decoder, rope_factors=FACTORS), mixed_requests())
    crowded = run(LocalEngine(decoder, rope_factors=FACTORS, max_rows=3), mixed_requests()[::-1])
    for request in mixed_requests():
        alone = next(LocalEngine(decoder, rope_factors=FACTORS).generate([request]))
        for other in (together[request.id], crowded[request.id]):
            assert (other.ids, other.logprobs) == (alone.ids, alone.logprobs)


def test_the_context_grows_with_the_factor_and_only_offered_factors_run(model_and_path):
    engine = LocalEngine(load_decoder(model_and_path[1]), rope_factors=(1.0, 2.0))
    params = SamplingParams(max_tokens=24)
    engine.limits.check([Request(0, (1,) * 1000, params, 0, rope_factor=2.0)])
    with pytest.raises(ValueError, match=r"exceeds the model's context of 1024; set max_tokens to 23"):
        engine.limits.check([Request(0, (1,) * 1001, params, 0, rope_factor=2.0)])
    with pytest.raises(ValueError, match=r"rope_factor 4 is not offered; there are: 1, 2"):
        engine.limits.check([Request(0, (1,) * 10, params, 0, rope_factor=4.0)])
    with pytest.raises(ValueError, match="1 among them"):
        LocalEngine(load_decoder(model_and_path[1]), rope_factors=(2.0,))


def test_a_checkpoint_with_static_yarn_keeps_it(tmp_path):
    make_checkpoint("qwen2-yarn", tmp_path)
    decoder = load_decoder(tmp_path)
    assert offered_factors(decoder.config) == (1.0,)
    with pytest.raises(ValueError, match="scaled already"):
        LocalEngine(decoder, rope_factors=FACTORS)
    assert LocalEngine(decoder).limits.context == 512
    asks = replace(decoder.config, rope=RopeConfig(kind="yarn", factor=4.0, original_max_positions=512))
    assert context_of(asks) == 2048, "max_position_embeddings may stay at the trained length"


def test_smallest_factor_that_covers():
    assert [smallest_factor(p, m, 100, FACTORS) for p, m in ((60, 40), (61, 40), (100, 100), (1, 200), (399, 1))] == [
        1.0,
        2.0,
        2.0,
        4.0,
        4.0,
    ]
    with pytest.raises(ValueError, match="more than 400"):
        smallest_factor(400, 1, 100, FACTORS)


def test_the_tables_of_a_factor_are_made_when_a_request_has_it(model_and_path):
    decoder = load_decoder(model_and_path[1])
    engine = LocalEngine(decoder, rope_factors=FACTORS, chunk_tokens=512)
    assert decoder.rotary.tables[0].numel() == 0
    run(engine, [Request("short", prompt(0, 20), replace(FREE, max_tokens=8), 0)])
    assert decoder.rotary.tables[0].shape[:2] == (1, 512)
    run(engine, [Request("long", prompt(0, 2000), replace(FREE, max_tokens=8), 0, rope_factor=4.0)])
    assert len(decoder.rotary.tables[0]) == 2 and 2008 <= decoder.rotary.tables[0].shape[1] <= 4096
