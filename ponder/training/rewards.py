"""From verdicts to rewards to advantages. An `error` verdict is never a 0: its rollout leaves the loss (law 3)."""

from collections.abc import Sequence

from ponder.recipe.stages import RlStage
from ponder.training.objectives import Objective
from ponder.training.rollouts import Rollout


def set_rewards(rollouts: Sequence[Rollout], stage: RlStage) -> None:
    for rollout in rollouts:
        rollout.reward = _reward(rollout, stage)


def _reward(rollout: Rollout, stage: RlStage) -> float | None:
    if rollout.verdict.failed:
        return None
    if rollout.truncated:
        match stage.truncated:
            case "mask":
                return None
            case "wrong":
                return 0.0
            case "soft":
                return -1.0
    assert rollout.verdict.score is not None
    if stage.truncated == "soft":
        return rollout.verdict.score - overlong_penalty(
            len(rollout.completion.ids), stage.max_tokens, stage.soft_margin
        )
    return rollout.verdict.score


def overlong_penalty(length: int, limit: int, margin: int) -> float:
    """0 up to `limit - margin` tokens, then linearly up to 1 at `limit` (DAPO's soft overlong punishment)."""
    return min(1.0, max(0.0, (length - (limit - margin)) / margin))


def set_advantages(rollouts: Sequence[Rollout], objective: Objective) -> None:
    """Advantages within groups; rollouts without a reward get none, and do not count in their group's statistics."""
    groups = [[r for r in group if r.reward is not None] for group in by_group(rollouts)]
    groups = [group for group in groups if group]
    if not groups:
        return
    advantages = objective.advantage([[r.reward for r in group] for group in groups])
    for group, values in zip(groups, advantages, strict=True):
        for rollout, advantage in zip(group, values, strict=True):
            rollout.advantage = advantage


def by_group(rollouts: Sequence[Rollout]) -> list[list[Rollout]]:
    groups: dict[int, list[Rollout]] = {}
    for rollout in rollouts:
        groups.setdefault(rollout.group, []).append(rollout)
    return list(groups.values())


def has_variance(group: Sequence[Rollout]) -> bool:
    """Whether a group teaches anything: at least two different rewards among those that count."""
    return len({r.reward for r in group if r.reward is not None}) > 1
