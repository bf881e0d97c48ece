"""From verdicts to rewards, advantages and exits: what counts, what leaves the loss, when a stage ends."""

import dataclasses
import math

import pytest

from ponder.chat.parser import ParsedOutput
from ponder.ledger import Ledger
from ponder.recipe.stages import RlStage
from ponder.tasks.task import Task
from ponder.training.advantages import ADVANTAGES
from ponder.training.data import _shares, spread
from ponder.training.exits import has_plateaued
from ponder.training.first_rollouts import check_signal
from ponder.training.objectives import OBJECTIVES
from ponder.training.references import SelfCheckError
from ponder.training.rewards import (
    by_group,
    has_variance,
    overlong_penalty,
    part_weights,
    score_parts,
    set_advantages,
    set_rewards,
    teaches,
)
from ponder.training.rollouts import Rollout
from ponder.training.stages.rl import ReinforcementStage
from ponder.training.step_metrics import summarise
from ponder.verifiers.verdict import Part, Verdict


def rollout(group: int, sample: int, status: str, length: int = 4) -> Rollout:
    score = {"correct": 1.0, "error": None, "timeout": None}.get(status, 0.0)
    task = Task(({"role": "user", "content": f"{group}"},), "sums", "math", "1")
    ledger = Ledger.of_turn([1, 2], [5] * length, [-0.5] * length, "length" if status == "truncated" else "stop")
    parsed = ParsedOutput("", "1", (), True, 2)
    return Rollout(task, group, sample, ledger, parsed, Verdict(status, score, "because"))


def stage(**settings) -> RlStage:
    return RlStage(name="math", steps=1, max_tokens=100, **settings)


def test_a_failing_verifier_is_never_a_zero():
    group = [rollout(0, i, status) for i, status in enumerate(["correct", "wrong", "error", "timeout", "unparseable"])]
    set_rewards(group, stage())
    assert [r.reward for r in group] == [{"score": 1.0}, {"score": 0.0}, None, None, {"score": 0.0}]
    set_advantages(group, OBJECTIVES["dr_grpo"])
    assert [r.advantage for r in group] == [
        pytest.approx(2 / 3),
        pytest.approx(-1 / 3),
        None,
        None,
        pytest.approx(-1 / 3),
    ]


@pytest.mark.parametrize(
    ("choice", "reward"), [("mask", None), ("wrong", {"score": 0.0}), ("soft", {"score": 0.0, "overlong": -1.0})]
)
def test_truncated_answers_by_choice(choice, reward):
    cut = rollout(0, 0, "truncated", 100)
    set_rewards([cut], stage(truncated=choice))
    assert cut.reward == reward


def test_soft_overlong_penalty_grows_over_the_margin():
    assert [overlong_penalty(n, 100, 20) for n in (50, 80, 90, 100, 120)] == [0, 0, 0.5, 1, 1]
    right = rollout(0, 0, "correct", 90)
    set_rewards([right], stage(truncated="soft", soft_margin=20))
    assert right.reward == {"score": 1.0, "overlong": -0.5}


def test_a_margin_that_reaches_every_answer_is_said():
    assert stage().max_tokens == 100
    (remark,) = ReinforcementStage(stage(truncated="soft", soft_margin=101)).check(None, None)
    assert "stages.math.soft_margin (101) is more than max_tokens (100): every answer is penalised" in remark
    for fine in ({"truncated": "soft", "soft_margin": 100}, {"soft_margin": 101}):
        assert ReinforcementStage(stage(**fine)).check(None, None) == []


def test_groups_without_a_reward_teach_nothing_and_crash_nothing():
    failed = [rollout(0, i, "error") for i in range(3)]
    set_rewards(failed, stage())
    set_advantages(failed, OBJECTIVES["dapo"])
    assert all(r.advantage is None for r in failed) and not has_variance(failed)


def test_summary_keeps_statuses_apart():
    rollouts = [
        rollout(0, 0, "correct"),
        rollout(0, 1, "wrong"),
        rollout(1, 0, "timeout"),
        rollout(1, 1, "truncated", 9),
    ]
    set_rewards(rollouts, stage(truncated="mask"))
    metrics = summarise(rollouts)
    assert metrics["pass_rate"] == metrics["status/timeout"] == metrics["status/truncated"] == 0.25
    assert metrics["reward/mean"] == metrics["reward/sums"] == 0.5
    assert metrics["groups/zero_variance_share"] == 0.5 and metrics["length/max"] == 9
    assert len(by_group(rollouts)) == 2


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("correct", "choose harder ones"),
        ("wrong", "choose easier tasks"),
        ("truncated", "raise max_tokens"),
        ("unparseable", "cold-start stage"),
        ("error", "the verifier fails"),
    ],
)
def test_no_signal_says_why(status, remedy):
    rollouts = [rollout(g, s, status) for g in range(2) for s in range(2)]
    set_rewards(rollouts, stage(truncated="wrong"))
    with pytest.raises(SelfCheckError, match=remedy):
        check_signal(rollouts, 2, OBJECTIVES["dapo"])
    check_signal([*rollouts, *_mixed()], 2, OBJECTIVES["dapo"])


def _mixed() -> list[Rollout]:
    mixed = [rollout(9, 0, "correct"), rollout(9, 1, "wrong")]
    set_rewards(mixed, stage())
    return mixed


def test_plateau():
    assert not has_plateaued([0.1, 0.2, 0.3], 3, 0.01)
    assert not has_plateaued([0.1, 0.2, 0.3, 0.4], 3, 0.01)
    assert has_plateaued([0.4, 0.4, 0.405, 0.3], 3, 0.01)
    assert has_plateaued([0.5, 0.1, 0.1, 0.1], 3, 0.0)


def test_shares_and_spread():
    assert _shares(10, [(1.0, None), (1.0, None), (2.0, None)]) == [3, 2, 5]
    assert _shares(2, [(1.0, None), (100.0, None), (1.0, None)]) == [1, 1, 1]
    assert spread(list(range(10)), 5) == [0, 2, 4, 6, 8] and spread([1, 2], 5) == [1, 2]


def test_an_objective_over_the_batch_learns_from_groups_that_are_all_alike():
    """One prompt always right, one always wrong: nothing within a group, everything between them."""
    rollouts = [rollout(g, i, status) for g, status in enumerate(["correct", "wrong"]) for i in range(2)]
    set_rewards(rollouts, stage())
    check_signal(rollouts, 2, OBJECTIVES["reinforce_pp"])
    assert all(teaches(group, OBJECTIVES["reinforce_pp"]) for group in by_group(rollouts))
    with pytest.raises(SelfCheckError, match="in none of 2 groups"):
        check_signal(rollouts, 2, OBJECTIVES["dapo"])
    with pytest.raises(SelfCheckError, match="in none of 1 groups"):
        check_signal(rollouts[:2], 2, OBJECTIVES["reinforce_pp"])


def test_parts_apart_learns_where_parts_differ_and_their_sums_do_not():
    group = [rollout(0, i, "correct") for i in range(2)]
    group[0].reward, group[1].reward = {"math": 0.5, "format": 0.0}, {"math": 0.0, "format": 0.5}
    apart = dataclasses.replace(OBJECTIVES["dapo"], advantage=ADVANTAGES["parts_apart"])
    assert teaches(group, apart) and not teaches(group, OBJECTIVES["dapo"])


def test_the_parts_of_a_sum_stay_apart_behind_a_gate_too():
    sums = (Part("math", Verdict("wrong", 0.0, ""), 0.75), Part("length", Verdict("correct", 1.0, ""), 0.25))
    whole = Verdict("wrong", 0.25, "", parts=sums)
    gated = Verdict("wrong", 0.25, "", parts=(Part("format", Verdict("correct", 1.0, "")), Part("sum", whole)))
    assert score_parts(whole) == score_parts(gated) == {"math": 0.0, "length": 0.25}
    assert part_weights(whole) == part_weights(gated) == {"math": 0.75, "length": 0.25}
    shut = Verdict("wrong", 0.0, "", parts=(Part("format", Verdict("wrong", 0.0, "")),))
    assert score_parts(shut) == {"score": 0.0}


def test_no_reward_is_no_zero():
    failed = [rollout(0, i, "error") for i in range(3)]
    set_rewards(failed, stage())
    metrics = summarise(failed)
    assert math.isnan(metrics["reward/mean"]) and math.isnan(metrics["reward/sums"]) and metrics["pass_rate"] == 0
