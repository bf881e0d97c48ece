"""Sampling processes: the same answers as one engine, the learner's weights in place, failures that say so."""

import dataclasses
import os
import signal

import pytest
import torch

from ponder.engine.build import SamplingEngine
from ponder.engine.local import LocalEngine
from ponder.engine.workers import WorkerEngine
from ponder.model.weights import load_decoder
from ponder.recipe.schema import EngineSettings
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
