"""The goal of reward models: pairs stay together, and the gradient does not depend on how a step is cut (law 6)."""

import random

import pytest
import torch
import torch.nn.functional as F

from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import build_random
from ponder.model.scoring import sequence_scores, with_score
from ponder.recipe.stages import Optimizer
from ponder.training.batch import Sample, divide, micro_batches, pack
from ponder.training.learner import Learner
from ponder.training.master import MasterWeights
from ponder.training.preference import Preference, pooled_scores
from ponder.training.preference_pairs import pair_samples
from ponder.training.replicas import Replicas

CONFIG = ModelConfig("qwen2", 50, 32, 48, 2, 4, 2, 8, True, False, False, True, 1e-6, 128, RopeConfig())


def decoder():
    return with_score(build_random(CONFIG, 1), seed=2)


def pairs() -> list[Sample]:
    """Prompts of many lengths, three of them twice, answers from one token to thirty."""
    rng = random.Random(0)
    prompts = [[rng.randrange(50) for _ in range(rng.randint(1, 20))] for _ in range(6)]
    made = []
    for number, prompt in enumerate([*prompts, *prompts[:3]]):
        sides = [[*prompt, side, *(rng.randrange(50) for _ in range(rng.randint(0, 30)))] for side in (1, 2)]
        made += pair_samples(tuple(sides), number)
    return made


def learner(budget, replicas=None) -> Learner:
    return Learner(MasterWeights.of(decoder()), Optimizer(lr=1e-3, max_grad_norm=1e9), 10, budget, accumulator=replicas)


def learned(one: Learner) -> tuple[dict[str, float], torch.Tensor]:
    made = pairs()
    metrics = one.learn(made, Preference.of(made, center=0.1), 1).metrics
    return metrics, one.gradients.clone()


def test_loss_and_gradient_are_those_of_every_pair_alone():
    plain, made = decoder(), pairs()
    losses, margins = [], []
    for chosen, rejected in zip(made[::2], made[1::2], strict=True):
        scores = [pooled_scores(plain, pack([Sample(s.ids, s.mask, [])], plain.device)) for s in (chosen, rejected)]
        margin = scores[0] - scores[1]
        losses.append(-F.logsigmoid(margin) + 0.1 * (scores[0] + scores[1]) ** 2)
        margins.append(margin.item())
    torch.stack(losses).mean().backward()
    expected = {name: p.grad for name, p in plain.named_parameters() if p.grad is not None}
    together = learner(10_000)
    metrics, _ = learned(together)
    for name, parameter in together.decoder.named_parameters():
        assert torch.allclose(parameter.grad, expected[name], atol=1e-6), name
    assert metrics["preference/margin"] == pytest.approx(sum(margins) / len(margins), abs=1e-6)
    assert metrics["preference/accuracy"] == sum(m > 0 for m in margins) / len(margins)


@pytest.mark.parametrize("budget", [16, 60, 150])
def test_micro_batches_do_not_change_the_gradient(budget):
    whole_metrics, whole = learned(learner(10_000))
    metrics, cut = learned(learner(budget))
    assert torch.allclose(cut, whole, atol=1e-6) and metrics["loss"] == pytest.approx(whole_metrics["loss"], abs=1e-6)


def test_helping_processes_do_not_change_the_gradient():
    _, alone = learned(learner(60))
    helped = learner(60)
    replicas = Replicas(helped.decoder, 1)
    try:
        helped.accumulator = replicas
        _, gradient = learned(helped)
    finally:
        replicas.close()
    assert torch.allclose(gradient, alone, atol=1e-6)


@pytest.mark.parametrize("shares", [1, 2, 3, 8])
def test_both_sides_of_a_pair_are_in_one_micro_batch_behind_each_other(shares):
    made = pairs()
    for share in divide(made, 40, shares):
        for micro in share:
            numbers = [sample.pair for sample in micro]
            assert numbers[::2] == numbers[1::2] and len(set(numbers)) * 2 == len(numbers)
            assert [sample.ids for sample in micro[::2]] == [made[2 * n].ids for n in numbers[::2]], "chosen first"


def test_scores_of_a_shared_prompt_are_those_of_whole_sequences():
    model, made = decoder(), pairs()
    whole = sequence_scores(model, [sample.ids for sample in made])
    for micro in micro_batches(made, 120):
        with torch.no_grad():
            scores = pooled_scores(model, pack(micro, model.device)).tolist()
        expected = [whole[2 * s.pair + (s.ids == made[2 * s.pair + 1].ids)] for s in micro]
        assert scores == pytest.approx(expected, abs=1e-5)


def test_equal_scores_count_half():
    metrics = Preference(pairs=2, center=0.0).loss(torch.tensor([1.0, 1.0, 2.0, 1.0]), None)[1]
    assert metrics["preference/accuracy"] == 0.75


def test_many_pairs_of_one_prompt_are_cut_to_the_budget():
    prompt = list(range(10))
    made = [s for n in range(20) for s in pair_samples(([*prompt, 11, n], [*prompt, 12, n]), n)]
    sizes = [len(micro) for micro in micro_batches(made, 60)]
    assert sum(sizes) == 40 and max(sizes) <= 8, "a pair takes 14 tokens with its prompt"
