"""Each named objective against values worked out by hand on three tokens of two sequences."""

import math

import pytest
import torch

from ponder.recipe.stages.rl import TRUST, WITH_KL
from ponder.recipe.stages.rl import Objective as Settings
from ponder.training.advantages import batch_whitened, group_mean, group_mean_std, leave_one_out, parts_apart
from ponder.training.batch import MicroBatch
from ponder.training.objectives import OBJECTIVES, Objective, StepCounts, kl_estimate, policy_loss, resolve
from ponder.training.scoring import Scores

# Sequence 0 has two tokens with ratios 1.5 and 0.5, sequence 1 one token with ratio 1.1.
RATIOS = [1.5, 0.5, 1.1]
SAMPLER = [-1.0, -2.0, -0.5]
LEARNER = [s + math.log(r) for s, r in zip(SAMPLER, RATIOS, strict=True)]
ADVANTAGES = [2.0, 2.0, -1.0]
COUNTS = StepCounts(tokens=3, sequences=2, max_tokens=10)


def batch(sampler, advantages, sample_of, old=None) -> MicroBatch:
    """What a loss looks at of a micro-batch."""
    none = torch.tensor([])
    old = None if old is None else torch.as_tensor(old)
    return MicroBatch(
        none, None, none, none, torch.as_tensor(sampler), torch.as_tensor(advantages), torch.tensor(sample_of), old
    )


def scores(logprobs, reference=None) -> Scores:
    return Scores(logprobs, torch.zeros(len(logprobs)), reference)


def loss_of(objective: str | Objective) -> tuple[float, list[float]]:
    logprobs = torch.tensor(LEARNER, dtype=torch.float64, requires_grad=True)
    # KL 0, so that only the policy term shows
    reference = torch.tensor(LEARNER, dtype=torch.float64)
    sampler = torch.tensor(SAMPLER, dtype=torch.float64)
    advantages = torch.tensor(ADVANTAGES, dtype=torch.float64)
    objective = OBJECTIVES[objective] if isinstance(objective, str) else objective
    parts = policy_loss(objective, COUNTS, scores(logprobs, reference), batch(sampler, advantages, [0, 0, 1]))
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
        scores(logprobs),
        batch([-1.0, -1.0], [1.0, 1.0], [0, 0]),
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
    parts = policy_loss(objective, StepCounts(2, 1, 9), scores(logprobs, reference), batch(logprobs, zero, [0, 0]))
    k3 = [math.exp(d) - 1 - d for d in (-0.5, 1.0)]
    assert parts.loss.item() == pytest.approx(0.04 * sum(k3) / 2)


def test_kl_estimators():
    learner, reference = torch.tensor([-1.0]), torch.tensor([-1.5])
    assert kl_estimate("k1", learner, reference).item() == pytest.approx(0.5)
    assert kl_estimate("k2", learner, reference).item() == pytest.approx(0.125)
    assert kl_estimate("k3", learner, reference).item() == pytest.approx(math.exp(-0.5) - 1 + 0.5)


def test_advantages():
    groups = [[{"score": r} for r in group] for group in ([1.0, 0.0, 0.0], [1.0, 1.0])]
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
        scores(logprobs, logprobs.detach()),
        batch(logprobs.detach(), [1.0, 1.0, -1.0], [0, 0, 1]),
    )
    parts.loss.backward()
    assert (parts.ratio == 1).all() and not parts.clipped.any()
    assert (logprobs.grad[:2] < 0).all() and logprobs.grad[2] > 0


def test_a_dual_clip_bounds_the_loss_of_what_did_not_pay():
    """A negative advantage at a ratio of e**3 weighs 3 times itself, and no longer pushes."""
    objective = resolve(Settings(name="dapo", dual_clip=3))
    logprobs = torch.tensor([2.0, -1.0], requires_grad=True)
    parts = policy_loss(objective, StepCounts(2, 2, 9), scores(logprobs), batch([-1.0, -1.0], [-1.0, -1.0], [0, 1]))
    parts.loss.backward()
    assert parts.loss.item() == pytest.approx((3 + 1) / 2) and parts.dual_clipped.tolist() == [True, False]
    assert logprobs.grad.tolist() == pytest.approx([0.0, 0.5])


@pytest.mark.parametrize("name", OBJECTIVES)
def test_extreme_ratios_give_finite_gradients(name):
    logprobs = torch.tensor([-0.1, -400.0, -0.1], requires_grad=True)
    reference = torch.tensor([-300.0, -0.1, -300.0])
    sampler, advantages = torch.tensor([-400.0, -0.1, -400.0]), torch.tensor([-1.0, 1.0, 1.0])
    parts = policy_loss(OBJECTIVES[name], COUNTS, scores(logprobs, reference), batch(sampler, advantages, [0, 0, 1]))
    parts.loss.backward()
    assert torch.isfinite(parts.loss) and torch.isfinite(logprobs.grad).all()


def test_truncated_importance_sampling_weighs_by_learner_over_sampler():
    """One update a step: the ratio is 1 and its gradient the policy's, weighted by at most the cap."""
    objective = resolve(Settings(name="dapo", tis_cap=1.2))
    loss, gradient = loss_of(objective)
    weights = [1.2, 0.5, 1.1]
    terms = [w * a for w, a in zip(weights, ADVANTAGES, strict=True)]
    assert loss == pytest.approx(-sum(terms) / 3)
    assert gradient == pytest.approx([-t / 3 for t in terms])


def test_truncated_importance_sampling_keeps_the_clip_for_later_updates():
    """The learner has moved since the step began: the trust region is about that, the weight about the sampler."""
    objective = resolve(Settings(name="dapo", tis_cap=2))
    logprobs = torch.tensor([-0.5], requires_grad=True)
    moved = batch([-1.5], [1.0], [0], old=[-1.0])
    parts = policy_loss(objective, StepCounts(1, 1, 9), scores(logprobs), moved)
    assert parts.clipped.item() and parts.loss.item() == pytest.approx(-1.28 * math.exp(0.5))


def test_the_unbiased_kl_has_the_gradient_of_the_kl():
    """Averaged over all tokens by their probabilities, where k3's own gradient is another."""
    logits = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64, requires_grad=True)
    reference = torch.log_softmax(torch.tensor([1.0, 0.1, -0.5], dtype=torch.float64), -1)
    learner = torch.log_softmax(logits, -1)
    (exact,) = torch.autograd.grad((learner.exp() * (learner - reference)).sum(), logits, retain_graph=True)
    ratio = (learner - learner.detach()).exp()  # on policy
    sampled = learner.detach().exp()
    estimates = {
        name: torch.autograd.grad(
            (sampled * kl_estimate(name, learner, reference, ratio)).sum(), logits, retain_graph=True
        )[0]
        for name in ("unbiased", "k3")
    }
    torch.testing.assert_close(estimates["unbiased"], exact)
    assert not torch.allclose(estimates["k3"], exact, rtol=0.1)


def test_choices_replace_those_of_the_paper():
    chosen = resolve(Settings(name="grpo", advantage="leave_one_out", aggregate="token", clip_high=0.3, kl=0.0))
    assert (chosen.advantage, chosen.aggregate, chosen.clip_high, chosen.kl) == (leave_one_out, "token", 0.3, 0.0)
    assert chosen.clip_low == OBJECTIVES["grpo"].clip_low


def test_what_the_recipe_knows_of_the_papers_choices_is_what_they_chose():
    """Impossible combinations are refused when a recipe is read, where no objective is at hand."""
    assert {name: o.trust for name, o in OBJECTIVES.items() if o.trust != "clip"} == TRUST
    assert tuple(name for name, o in OBJECTIVES.items() if o.kl) == WITH_KL


def test_parts_apart_lets_no_part_drown_another():
    """A part of a hundredth's size decides nothing when added up, and as much as the other when apart."""
    group = [{"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 0.01}, {"a": 0.0, "b": 0.0}, {"a": 0.0, "b": 0.01}]
    (added,), (apart,) = group_mean([group]), parts_apart([group])
    assert added[0] > 0.4 and added[3] < -0.4
    assert apart[0] == pytest.approx(apart[3], abs=1e-2) and apart[1] > 0.5 and apart[2] < -0.5


def test_parts_apart_of_a_single_part_is_grpo_exactly():
    one = [[{"score": r} for r in group] for group in ([1.0, 0.0, 0.3], [0.2, 0.0], [0.5, 0.5])]
    assert parts_apart(one, [{"score": 0.25}] * 3, ["math", "chat", "math"]) == group_mean_std(one)


def test_parts_apart_adds_parts_up_by_their_weights():
    """The scale of a part says nothing, and its weight all."""
    group = [{"a": 0.75, "b": 0.0}, {"a": 0.0, "b": 0.25}, {"a": 0.75, "b": 0.25}, {"a": 0.0, "b": 0.0}]
    (heavy,) = parts_apart([group], [{"a": 0.75, "b": 0.25}])
    (equal,) = parts_apart([group])
    assert heavy[0] == pytest.approx(0.5 * heavy[2], rel=1e-4) and heavy[1] == pytest.approx(-heavy[0], rel=1e-4)
    assert equal[:2] == pytest.approx([0.0, 0.0], abs=1e-4)


def test_parts_apart_are_whitened_over_their_own_domain():
    """What another domain's rewards are like changes nothing."""
    mine = [[{"a": 1.0, "b": 0.2}, {"a": 0.0, "b": 0.1}], [{"a": 0.0, "b": 0.7}, {"a": 1.0, "b": 0.0}]]
    other = [[{"x": 5.0, "y": 0.0}, {"x": 5.0, "y": 0.0}, {"x": 4.0, "y": 1.0}]]
    both = parts_apart([mine[0], *other, mine[1]], domains=["chat", "math", "chat"])
    assert [both[0], both[2]] == parts_apart(mine)
    values = [a for group in parts_apart(mine) for a in group]
    assert sum(values) == pytest.approx(0.0) and sum(a * a for a in values) / 3 == pytest.approx(1.0, rel=1e-3)


def test_the_unbiased_kl_is_weighted_by_learner_over_sampler_whatever_the_trust_region():
    """gspo's ratio is the sequence's, and with truncated importance sampling the ratio is about the step's begin."""
    logprobs, reference = torch.tensor([-0.5, -2.0]), torch.tensor([-1.0, -1.0])
    sampler = [-1.0, -1.0]
    expected = [math.exp(0.5) * (math.exp(-0.5) - 1 + 0.5), math.exp(-1.0) * (math.exp(1.0) - 1 - 1.0)]
    for settings in ({"name": "dapo"}, {"name": "gspo"}, {"name": "dapo", "tis_cap": 1.0}):
        objective = resolve(Settings(**settings, kl=0.1, kl_estimator="unbiased"))
        parts = policy_loss(
            objective, StepCounts(2, 1, 9), scores(logprobs, reference), batch(sampler, [0.0, 0.0], [0, 0])
        )
        assert parts.kl.tolist() == pytest.approx(expected)


def test_the_kl_pulls_back_a_token_that_has_all_but_vanished():
    """As hard as at K3_LINEAR nats, where exp alone would make it the whole gradient, and a clamp none of it."""
    for estimator in ("k1", "k2", "k3"):
        learner = torch.tensor([-30.0], requires_grad=True)
        kl_estimate(estimator, learner, torch.tensor([-0.1])).backward()
        assert learner.grad.item() == pytest.approx(
            {"k1": 1.0, "k2": -29.9, "k3": 1 - math.exp(5)}[estimator], rel=1e-4
        )


def test_equal_rewards_get_exactly_nothing():
    assert group_mean_std([[{"score": 0.1}] * 3]) == [[0.0, 0.0, 0.0]]
