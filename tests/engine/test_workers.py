"""Sampling processes: the same answers as one engine, the learner's weights in place, failures that say so."""

import dataclasses
import os
import signal

import pytest
import torch

from ponder.engine import packed
from ponder.engine.build import SamplingEngine
from ponder.engine.invariance import choose_forms
from ponder.engine.local import LocalEngine
from ponder.engine.packed import PackedView, can_pack, packs_for_training
from ponder.engine.workers import WorkerEngine
from ponder.model.config import LoraConfig
from ponder.model.decoder import build_random
from ponder.model.weights import load_decoder
from ponder.recipe.schema import EngineSettings
from tests.engine.test_decode import shape
from tests.engine.test_local import FREE, requests, run
from tests.model.families import make_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    make_checkpoint("qwen2", directory)
    return directory


def test_workers_answer_as_one_engine_and_see_updates(checkpoint):
    decoder = load_decoder(checkpoint)
    wanted = requests(40)
    engine = WorkerEngine(decoder, workers=2, token_budget=20_000, max_rows=32)
    try:
        for _ in range(2):
            expected = run(LocalEngine(decoder), wanted)
            found = run(engine, wanted)
            assert {i: c.ids for i, c in found.items()} == {i: c.ids for i, c in expected.items()}
            assert {i: c.logprobs for i, c in found.items()} == {i: c.logprobs for i, c in expected.items()}
            with torch.no_grad():
                decoder.layers[0].attention.o_proj.weight.mul_(1.7)  # the second round must sample from this
        too_long = dataclasses.replace(wanted[0], params=dataclasses.replace(FREE, max_tokens=10_000))
        with pytest.raises(ValueError, match="set max_tokens to"):
            next(engine.generate([too_long]))
        os.kill(engine.processes.processes[0].pid, signal.SIGKILL)
        with pytest.raises(RuntimeError, match=r"ponder-sampler-0 died with exit code -9"):
            list(engine.generate(wanted))
    finally:
        engine.close()
    assert all(process.poll() is not None for process in engine.processes.processes)


@pytest.mark.skipif(not can_pack(build_random(shape(2, 16), seed=1)), reason="this processor has no packed products")
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("lora", [False, True])
def test_packed_copies_see_every_update_and_any_number_of_processes_answers_alike(monkeypatch, workers, lora):
    monkeypatch.setattr(packed, "LEAST_PARAMETERS", 0)
    config = dataclasses.replace(shape(2, 16), lora=LoraConfig(4, 8.0) if lora else None)
    decoder = build_random(config, seed=1).eval().requires_grad_(False)
    wanted = requests(12)
    engine = SamplingEngine(decoder, EngineSettings(workers=workers))
    seen = []
    try:
        for _ in range(2):
            fresh = PackedView(decoder).decoder
            expected = run(LocalEngine(fresh, forms=choose_forms(fresh, threads=1)), wanted)
            found = run(engine, wanted)
            assert {i: (c.ids, c.logprobs) for i, c in found.items()} == {
                i: (c.ids, c.logprobs) for i, c in expected.items()
            }
            plain = run(LocalEngine(decoder), wanted)
            for i, completion in found.items():
                assert completion.ids == plain[i].ids
                torch.testing.assert_close(completion.logprobs, plain[i].logprobs, atol=1e-4, rtol=0)
            seen.append({i: c.logprobs for i, c in found.items()})
            for name, parameter in decoder.named_parameters():  # the second round must sample from this
                if ".adapter.b" in name if lora else name.endswith(("o_proj.weight", "norm.weight")):
                    parameter.copy_(torch.linspace(0.5, 1.5, parameter.numel()).view(parameter.shape))
    finally:
        engine.close()
    assert seen[0] != seen[1]


def test_what_is_packed_is_a_matter_of_size():
    """The tiny recipe's models are not: their numbers stay."""
    assert not packs_for_training(build_random(shape(2, 16), seed=1))
    big = dataclasses.replace(shape(2, 16), vocab_size=40_000, intermediate_size=512)
    assert packs_for_training(build_random(big, seed=1)) == can_pack(build_random(big, seed=1))


def test_another_dtype_samples_from_a_copy_that_refresh_renews(checkpoint):
    decoder = load_decoder(checkpoint)
    engine = SamplingEngine(decoder, EngineSettings(dtype="bfloat16", workers=0))
    wanted = requests(6)
    before = run(engine, wanted)
    with torch.no_grad():
        decoder.norm.weight.mul_(2.0)
    assert {i: c.ids for i, c in run(engine, wanted).items()} == {i: c.ids for i, c in before.items()}
    engine.refresh()
    assert {i: c.ids for i, c in run(engine, wanted).items()} != {i: c.ids for i, c in before.items()}
