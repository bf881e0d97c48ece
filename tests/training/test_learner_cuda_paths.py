"""The learner on a GPU that is not there (tests/shared/fake_cuda.py): no CPU tensor meets one of the GPU's, and every dtype
and shape is right, forward and backward. Numbers are not looked at."""

import random
from dataclasses import replace

import pytest
import torch

from ponder.model.config import LoraConfig, ModelConfig, RopeConfig
from ponder.model.decoder import Decoder
from ponder.model.lora import adapter_digest, initialise_adapters
from ponder.recipe.stages import Optimizer
from ponder.training import gradients, scoring
from ponder.training import learner as learner_module
from ponder.training.batch import Sample, pack
from ponder.training.goals import Imitation, Reinforcement
from ponder.training.gradients import norm
from ponder.training.learner import Learner
from ponder.training.master import MasterWeights, trained
from ponder.training.objectives import OBJECTIVES
from ponder.training.scoring import Scores
from tests.shared.fake_cuda import fake_cuda

VOCAB = 60
QWEN2 = ModelConfig("qwen2", VOCAB, 32, 48, 2, 4, 2, 8, True, False, False, False, 1e-6, 128, RopeConfig())
QWEN3 = replace(QWEN2, family="qwen3", qkv_bias=False, qk_norm=True, tie_embeddings=True)
LORA = replace(QWEN2, lora=LoraConfig(4, 8.0, ("q_proj", "v_proj", "down_proj")))
WEIGHTS = {
    "float32": (QWEN3, torch.float32),
    "bfloat16": (QWEN2, torch.bfloat16),
    "lora in float32": (LORA, torch.float32),
    "lora in bfloat16": (LORA, torch.bfloat16),
}
GOALS = {
    **OBJECTIVES,
    "dual clip": replace(OBJECTIVES["dapo"], dual_clip=3.0),
    "importance sampling": replace(OBJECTIVES["dapo"], tis_cap=2.0),
    **{f"kl {name}": replace(OBJECTIVES["grpo"], kl_estimator=name) for name in ("k1", "k2", "k3", "unbiased")},
}


@pytest.fixture
def mode(monkeypatch):
    monkeypatch.setattr(learner_module, "free_memory", lambda device: 10**12)
    with fake_cuda() as mode:
        yield mode


def on_gpu(config: ModelConfig, dtype: torch.dtype = torch.float32) -> Decoder:
    with torch.device("cuda"):
        return Decoder(config).to(dtype)


def weights_of(name: str) -> MasterWeights:
    config, dtype = WEIGHTS[name]
    if config.lora is None:
        return MasterWeights.of(on_gpu(config), dtype)
    decoder = on_gpu(config, dtype)
    return MasterWeights.of_adapters(decoder, initialise_adapters(decoder, 0))


def learner(name: str, budget: int = 64) -> Learner:
    return Learner(weights_of(name), Optimizer(lr=1e-3), 10, budget, on_gpu(QWEN3))


def samples(shared: bool = True, old: bool = False) -> list[Sample]:
    """Groups of two to a prompt, or of one; of many lengths."""
    rng, made = random.Random(0), []
    for group in range(3):
        prompt = [rng.randrange(VOCAB) for _ in range(rng.randint(3, 9))]
        for _ in range(2 if shared else 1):
            answer = [rng.randrange(VOCAB) for _ in range(rng.randint(2, 9))]
            mask = [0] * len(prompt) + [1] * len(answer)
            logprobs = [-1.0] * len(answer)
            old_logprobs = list(logprobs) if old else None
            made.append(Sample(prompt + answer, mask, logprobs, rng.gauss(0, 1), len(made), old_logprobs, group))
    return made


@pytest.mark.parametrize("shared", [True, False], ids=["shared prompts", "packed"])
@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_update(mode, monkeypatch, weights, recompute, shared):
    """Forward, backward, norm, optimizer and what the decoder then computes with."""
    monkeypatch.setattr(Learner, "_recomputes", lambda *_: recompute)
    one, made = learner(weights), samples(shared)
    update = one.learn(made, Reinforcement.of(made, OBJECTIVES["dapo"], 9), 1)
    assert len(update.scores) == len(made) and update.metrics["grad_norm"] == 1.0
    assert one.gradients.device.type == "cuda" and one.gradients.dtype == torch.float32
    states = [one.optimizer.state[master] for master in one.weights.masters.values()]
    assert len(states) == len(trained(one.decoder))
    assert {value.dtype for state in states for value in state.values()} == {torch.float32}
    assert {p.dtype for p in one.decoder.parameters()} == {WEIGHTS[weights][1]}


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("old", [False, True])
def test_objectives(mode, goal, old):
    made = samples(old=old)
    reinforcement, batch = Reinforcement.of(made, GOALS[goal], 9), pack(made, torch.device("cuda"))
    logprobs = torch.zeros(len(batch.targets), device="cuda", requires_grad=True)
    scores = Scores(logprobs, torch.zeros_like(logprobs), torch.zeros_like(logprobs))
    loss, metrics = reinforcement.loss(scores, batch)
    loss.backward()
    assert logprobs.grad is not None and logprobs.grad.device.type == "cuda"
    assert {(m.device.type, m.shape) for m in metrics.values()} == {("cuda", ())}


@pytest.mark.parametrize("weights", WEIGHTS)
def test_imitation(mode, weights):
    one, made = learner(weights), [replace(sample, logprobs=[]) for sample in samples(shared=False)]
    assert "loss" in one.learn(made, Imitation.of(made), 1).metrics


@pytest.mark.parametrize("weights", WEIGHTS)
def test_logits_in_pieces(mode, monkeypatch, weights):
    monkeypatch.setattr(scoring, "LOGITS_AT_ONCE", 4 * VOCAB)
    monkeypatch.setattr(scoring, "KEPT", 0)
    one, made = learner(weights), samples()
    one.learn(made, Reinforcement.of(made, OBJECTIVES["grpo"], 9), 1)


def test_scoring_without_learning(mode):
    one, made = learner("lora in bfloat16"), samples()
    assert one.gaps(made) == (1.0, 1.0)
    assert [len(one.logprobs(made)[s.number]) for s in made] == [sum(s.mask) for s in made]


@pytest.mark.parametrize("weights", ["bfloat16", "lora in bfloat16"])
def test_optimizer_state_goes_to_a_file_and_back(mode, tmp_path, weights):
    one, made = learner(weights), samples()
    one.learn(made, Reinforcement.of(made, OBJECTIVES["dapo"], 9), 1)
    one.save_state(tmp_path / "optimizer.safetensors")
    other = learner(weights)
    other.load_state(tmp_path / "optimizer.safetensors")
    loaded = [value for state in other.optimizer.state.values() for value in state.values()]
    assert loaded and {value.device.type for value in loaded} == {"cuda"}
    other.learn(made, Reinforcement.of(made, OBJECTIVES["dapo"], 9), 2)


def test_whether_the_adapters_were_published(mode):
    weights = weights_of("lora in bfloat16")
    own = dict(weights.decoder.named_parameters())
    assert adapter_digest(own, torch.bfloat16) == adapter_digest(weights.masters, torch.bfloat16)


def test_a_large_gradients_norm(mode, monkeypatch):
    monkeypatch.setattr(gradients, "ONE_SUM", 10)
    monkeypatch.setattr(gradients, "PIECE", 4)
    assert norm(torch.zeros(30, device="cuda")).device.type == "cuda"


def test_a_micro_batch_lies_on_the_device(mode):
    for batch in (pack(samples(), torch.device("cuda")), pack(samples(False, old=True), torch.device("cuda"))):
        tensors = [value for value in vars(batch).values() if isinstance(value, torch.Tensor)]
        assert len(tensors) >= 6 and {tensor.device.type for tensor in tensors} == {"cuda"}
    assert mode.waits == 0


def test_a_cpu_tensor_in_the_loss_is_found(mode, monkeypatch):
    """The instrument itself: what torch would refuse on a GPU is refused here."""
    one, made = learner("float32", 10_000), samples()
    ones = torch.ones(sum(sum(sample.mask) for sample in made))
    monkeypatch.setattr(gradients, "pack", lambda made, device: replace(pack(made, device), advantages=ones))
    with pytest.raises(RuntimeError, match="same device"):
        one.learn(made, Reinforcement.of(made, OBJECTIVES["dapo"], 9), 1)
