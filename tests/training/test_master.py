"""Mixed precision and adapters: float32 masters behind one decoder in bfloat16, which learner and sampler both read."""

import copy
from dataclasses import replace

import pytest
import torch

from ponder.engine.build import SamplingEngine
from ponder.engine.protocol import Request, rl_sampling
from ponder.model.config import LoraConfig, ModelConfig, RopeConfig
from ponder.model.decoder import Decoder, build_random
from ponder.model.lora import initialise_adapters, is_adapter
from ponder.recipe.schema import EngineSettings
from ponder.recipe.stages import Optimizer
from ponder.training.batch import Sample
from ponder.training.goals import Imitation, Reinforcement
from ponder.training.learner import Learner
from ponder.training.master import MasterWeights
from ponder.training.objectives import OBJECTIVES
from ponder.training.replicas import Replicas

CONFIG = ModelConfig("qwen2", 64, 32, 48, 2, 4, 2, 8, True, False, False, False, 1e-6, 128, RopeConfig())
DEMONSTRATIONS = [Sample([1, 2, 3, 4 + n, 5, 6], [0, 0, 0, 1, 1, 1], []) for n in range(12)]


def adapted(dtype: torch.dtype, targets=("q_proj", "v_proj", "up_proj", "down_proj")) -> MasterWeights:
    base = build_random(CONFIG, 1)
    decoder = Decoder(replace(CONFIG, lora=LoraConfig(4, 8.0, targets)))
    decoder.load_state_dict(base.state_dict(), strict=False)
    decoder.to(dtype)
    return MasterWeights.of_adapters(decoder, initialise_adapters(decoder, 0))


def learn(weights: MasterWeights, steps: int, accumulator=None, lr: float = 1e-2, budget: int = 10_000) -> Learner:
    learner = Learner(weights, Optimizer(lr=lr, warmup_steps=0), steps, budget, accumulator=accumulator)
    for step in range(1, steps + 1):
        learner.last = learner.learn(DEMONSTRATIONS, Imitation.of(DEMONSTRATIONS), step).metrics
    return learner


def test_updates_too_small_for_bfloat16_add_up_in_the_masters():
    weights = MasterWeights.of(build_random(CONFIG, 1), torch.bfloat16)
    before = {name: master.detach().clone() for name, master in weights.masters.items()}
    learn(weights, 1, lr=1e-6)
    moved = [(weights.masters[name] - value).abs().max().item() for name, value in before.items()]
    assert all(0 < change < 3e-6 for change in moved), "AdamW's first step is lr"
    own = dict(weights.decoder.named_parameters())
    assert all(p.dtype == torch.bfloat16 and torch.equal(p, weights.masters[n].bfloat16()) for n, p in own.items())


def test_mixed_precision_learns_what_float32_learns():
    exact = learn(MasterWeights.of(build_random(CONFIG, 1)), 30)
    mixed = learn(MasterWeights.of(build_random(CONFIG, 1), torch.bfloat16), 30)
    assert mixed.last["loss"] == pytest.approx(exact.last["loss"], rel=0.05, abs=0.02) and exact.last["loss"] < 1.5


def test_micro_batches_add_up_in_float32():
    """Each of 12 micro-batches is rounded once, their sum is not."""
    whole = learn(MasterWeights.of(build_random(CONFIG, 1), torch.bfloat16), 1, budget=10_000)
    pieces = learn(MasterWeights.of(build_random(CONFIG, 1), torch.bfloat16), 1, budget=6)
    assert pieces.gradients.dtype == torch.float32
    difference = (pieces.gradients - whole.gradients).norm() / whole.gradients.norm()
    assert difference < 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_only_adapters_learn(dtype):
    weights = adapted(dtype)
    before = copy.deepcopy(weights.decoder)
    learner = learn(weights, 20)
    first = learn(adapted(dtype), 1).last["loss"]
    assert learner.last["loss"] < first - 0.5
    for (name, old), new in zip(before.named_parameters(), weights.decoder.parameters(), strict=True):
        assert torch.equal(old, new) != is_adapter(name), name
        assert new.requires_grad == is_adapter(name)
    assert learner.gradients.numel() < 10_000 and all(m.dtype == torch.float32 for m in weights.masters.values())


@pytest.mark.parametrize("form", ["mixed", "adapters"])
def test_a_helping_process_and_the_sampler_see_each_update(form):
    """One copy: what the learner writes is what the helper learns with, and what the sampling processes sample from."""
    weights = MasterWeights.of(build_random(CONFIG, 1), torch.bfloat16) if form == "mixed" else adapted(torch.bfloat16)
    engine = SamplingEngine(weights.decoder, EngineSettings(workers=2))
    replicas = Replicas(weights.decoder, 1)
    try:
        learner = learn(weights, 3, replicas)
        alone = learn(
            adapted(torch.bfloat16)
            if form == "adapters"
            else MasterWeights.of(build_random(CONFIG, 1), torch.bfloat16),
            3,
        )
        if form == "adapters":
            assert engine.adapters_seen(weights.masters) == 1
            with torch.no_grad():
                next(iter(weights.masters.values())).add_(1.0)
            assert engine.adapters_seen(weights.masters) == 0, "not published yet"
            weights.publish()
            assert engine.adapters_seen(weights.masters) == 1
        assert learner.last["loss"] == pytest.approx(alone.last["loss"], rel=0.02)
        requests = [Request(n, (1, 2, 3 + n), rl_sampling(12, frozenset()), seed=n) for n in range(8)]
        done = list(engine.generate(requests))
        samples = [
            Sample([*c.request.prompt, *c.ids], [0] * 3 + [1] * 12, c.logprobs, 1.0 - n % 2 * 2, n)
            for n, c in enumerate(done)
        ]
        metrics = learner.learn(samples, Reinforcement.of(samples, OBJECTIVES["dapo"], 12), 1).metrics
        assert metrics["mismatch/mean"] < 0.05
    finally:
        engine.close()
        replicas.close()


def test_state_of_masters_and_adapters_survives_saving(tmp_path):
    for number, make in enumerate(
        (lambda: MasterWeights.of(build_random(CONFIG, 1), torch.bfloat16), lambda: adapted(torch.bfloat16))
    ):
        straight = learn(make(), 3)
        first = learn(make(), 2)
        first.save_state(tmp_path / f"{number}.safetensors")
        second = Learner(first.weights, Optimizer(lr=1e-2, warmup_steps=0), 3, 10_000)
        second.load_state(tmp_path / f"{number}.safetensors")
        second.learn(DEMONSTRATIONS, Imitation.of(DEMONSTRATIONS), 3)
        for name, master in straight.weights.masters.items():
            assert torch.equal(master, second.weights.masters[name]), name
