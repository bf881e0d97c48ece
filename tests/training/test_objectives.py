"""Each named objective against values worked out by hand on three tokens of two sequences."""

import math

import pytest
import torch

from ponder.training.objectives import (
    OBJECTIVES,
    StepCounts,
    batch_whitened,
    group_mean,
    group_mean_std,
    kl_estimate,
    leave_one_out,
    policy_loss,
)

# Sequence 0 has two tokens with ratios 1.5 and 0.5, sequence 1 one token with ratio 1.1.
RATIOS = [1.5, 0.5, 1.1]
SAMPLER = [-1.0, -2.0, -0.5]
LEARNER = [s + math.log(r) for s, r in zip(SAMPLER, RATIOS, strict=True)]
ADVANTAGES = [2.0, 2.0, -1.0]
COUNTS = StepCounts(tokens=3, sequences=2, max_tokens=10)


def loss_of(name: str) -> tuple[float, list[float]]:
    logprobs = torch.tensor(LEARNER, dtype=torch.float64, requires_grad=True)
    parts = policy_loss(
        OBJECTIVES[name],
        COUNTS,
        logprobs,
        torch.tensor(SAMPLER, dtype=torch.float64),
        torch.tensor(ADVANTAGES, dtype=torch.float64),
        torch.tensor([0, 0, 1]),
        reference_logprobs=torch.tensor(LEARNER, dtype=torch.float64),  # KL 0, so that only the policy term shows
    )
    parts.loss.backward()
    return parts.loss.item(), logprobs.grad.tolist()


def test_grpo():
    # clip 0.2: min(1.5, 1.2) * 2 = 2.4; min(0.5, 0.8) * 2 = 1.0; min(-1.1, -1.1) = -1.1. Means per sequence, then over both.
    loss, gradient = loss_of("grpo")
    assert loss == pytest.approx(-((2.4 + 1.0) / 2 + -1.1) / 2)
    assert gradient == pytest.approx([0.0, -0.5 * 2 / 4, 1.1 / 2])


def test_dr_grpo():
    loss, gradient = loss_of("dr_grpo")
    assert loss == pytest.approx(-(2.4 + 1.0 - 1.1) / (2 * 10))
    assert gradient == pytest.approx([0.0, -1.0 / 20, 1.1 / 20])


def test_dapo():
    # clip 0.2 below, 0.28 above; mean over the three tokens.
    loss, gradient = loss_of("dapo")
    assert loss == pytest.approx(-(1.28 * 2 + 1.0 - 1.1) / 3)
    assert gradient == pytest.approx([0.0, -1.0 / 3, 1.1 / 3])


def test_gspo():
    # Sequence ratios: sqrt(1.5 * 0.5) and 1.1; with clip 3e-4 / 4e-4 the first is below (kept: A > 0), the second above
    # (kept: A < 0), so both are unclipped and every token carries its sequence's ratio.
    first, second = math.sqrt(0.75), 1.1
    loss, gradient = loss_of("gspo")
    assert loss == pytest.approx(-(2 * first - second) / 2)
    assert gradient == pytest.approx([-2 * first / 2 / 2, -2 * first / 2 / 2, second / 2])


def test_gspo_clips_the_sequence():
    logprobs = torch.tensor([-0.9, -0.9], requires_grad=True)
    parts = policy_loss(
        OBJECTIVES["gspo"],
        StepCounts(2, 1, 10),
        logprobs,
        torch.tensor([-1.0, -1.0]),
        torch.tensor([1.0, 1.0]),
        torch.tensor([0, 0]),
    )
    assert parts.loss.item() == pytest.approx(-(1 + 4e-4)) and parts.clipped.all()


def test_cispo():
    # The weight is clipped at 1.28 and detached; every token learns: gradient = -weight * A / 3.
    loss, gradient = loss_of("cispo")
    weights = [1.28, 0.5, 1.1]
    terms = [w * a * lp for w, a, lp in zip(weights, ADVANTAGES, LEARNER, strict=True)]
    assert loss == pytest.approx(-sum(terms) / 3)
    assert gradient == pytest.approx([-1.28 * 2 / 3, -0.5 * 2 / 3, 1.1 / 3])


def test_rloo():
    loss, gradient = loss_of("rloo")
    assert loss == pytest.approx(-(1.5 * 2 + 0.5 * 2 - 1.1) / 2)
    assert gradient == pytest.approx([-3.0 / 2, -1.0 / 2, 1.1 / 2])


def test_reinforce_pp():
    loss, gradient = loss_of("reinforce_pp")
    assert loss == pytest.approx(-(2.4 + 1.0 - 1.1) / 3)
    assert gradient == pytest.approx([0.0, -1.0 / 3, 1.1 / 3])


def test_kl_enters_with_its_weight():
    objective = OBJECTIVES["grpo"]
    logprobs, reference = torch.tensor([-1.0, -2.0]), torch.tensor([-1.5, -1.0])
    zero = torch.zeros(2)
    parts = policy_loss(objective, StepCounts(2, 1, 9), logprobs, logprobs, zero, torch.tensor([0, 0]), reference)
    k3 = [math.exp(d) - 1 - d for d in (-0.5, 1.0)]
    assert parts.loss.item() == pytest.approx(0.04 * sum(k3) / 2)


def test_kl_estimators():
    learner, reference = torch.tensor([-1.0]), torch.tensor([-1.5])
    assert kl_estimate("k1", learner, reference).item() == pytest.approx(0.5)
    assert kl_estimate("k2", learner, reference).item() == pytest.approx(0.125)
    assert kl_estimate("k3", learner, reference).item() == pytest.approx(math.exp(-0.5) - 1 + 0.5)


def test_advantages():
    groups = [[1.0, 0.0, 0.0], [1.0, 1.0]]
    std = math.sqrt(((2 / 3) ** 2 + 2 * (1 / 3) ** 2) / 2)
    assert group_mean(groups) == [pytest.approx([2 / 3, -1 / 3, -1 / 3]), [0.0, 0.0]]
    assert group_mean_std(groups)[0] == pytest.approx([2 / 3 / std, -1 / 3 / std, -1 / 3 / std], rel=1e-5)
    assert group_mean_std(groups)[1] == [0.0, 0.0]
    assert leave_one_out(groups) == [[1.0, -0.5, -0.5], [0.0, 0.0]]
    std = math.sqrt((3 * 0.4**2 + 2 * 0.6**2) / 4)
    assert batch_whitened(groups)[1] == pytest.approx([0.4 / std] * 2, rel=1e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_on_policy_gradient_pushes_towards_what_paid(name):
    logprobs = torch.tensor([-1.0, -1.0, -1.0], requires_grad=True)
    parts = policy_loss(
        OBJECTIVES[name],
        StepCounts(3, 2, 10),
        logprobs,
        logprobs.detach(),
        torch.tensor([1.0, 1.0, -1.0]),
        torch.tensor([0, 0, 1]),
        logprobs.detach(),
    )
    parts.loss.backward()
    assert (parts.ratio == 1).all() and not parts.clipped.any()
    assert (logprobs.grad[:2] < 0).all() and logprobs.grad[2] > 0
