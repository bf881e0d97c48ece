"""From verdicts to rewards to advantages. An `error` verdict is never a 0: its rollout leaves the loss (law 3)."""

from collections.abc import Sequence

from ponder.recipe.stages import RlStage
from ponder.training.advantages import batch_whitened, parts_apart, total
from ponder.training.objectives import Objective
from ponder.training.rollouts import Rollout
from ponder.verifiers.verdict import Verdict


def set_rewards(rollouts: Sequence[Rollout], stage: RlStage) -> None:
    for rollout in rollouts:
        rollout.reward = _reward(rollout, stage)


def _reward(rollout: Rollout, stage: RlStage) -> dict[str, float] | None:
    """The named parts of a rollout's reward; None where it leaves the loss."""
    if rollout.verdict.failed:
        return None
    if rollout.truncated:
        match stage.truncated:
            case "mask":
                return None
            case "wrong":
                return {"score": 0.0}
            case "soft":
                return {"score": 0.0, "overlong": -1.0}
    parts = score_parts(rollout.verdict)
    if stage.truncated == "soft":
        parts["overlong"] = -overlong_penalty(rollout.ledger.sampled, stage.max_tokens, stage.soft_margin)
    return parts


def score_parts(verdict: Verdict) -> dict[str, float]:
    """A verdict's score: the weighted parts of a sum under their verifiers' names, else one part, "score"."""
    return {name: value for name, (value, _) in _weighted_parts(verdict).items()}


def part_weights(verdict: Verdict) -> dict[str, float]:
    """How much each part of `score_parts` counts."""
    return {name: weight for name, (_, weight) in _weighted_parts(verdict).items()}


def _weighted_parts(verdict: Verdict) -> dict[str, tuple[float, float]]:
    """{name: (weighted value, weight)}"""
    assert verdict.score is not None
    if not verdict.parts or any(part.weight is None for part in verdict.parts):
        inner = verdict.parts[-1].verdict if verdict.parts else None
        if inner is not None and inner.parts and inner.score == verdict.score:  # what a gate lets through
            return _weighted_parts(inner)
        return {"score": (verdict.score, 1.0)}
    parts: dict[str, tuple[float, float]] = {}
    for part in verdict.parts:
        value, weight = parts.get(part.name, (0.0, 0.0))
        parts[part.name] = value + part.weight * (part.verdict.score or 0.0), weight + part.weight
    return parts


def overlong_penalty(length: int, limit: int, margin: int) -> float:
    """0 up to `limit - margin` tokens, then linearly up to 1 at `limit` (DAPO's soft overlong punishment)."""
    return min(1.0, max(0.0, (length - (limit - margin)) / margin))


def set_advantages(rollouts: Sequence[Rollout], objective: Objective) -> None:
    """Advantages within groups; rollouts without a reward get none, and do not count in their group's statistics."""
    groups = [[r for r in group if r.reward is not None] for group in by_group(rollouts)]
    groups = [group for group in groups if group]
    if not groups:
        return
    rewards = [[r.reward for r in group] for group in groups]
    if objective.advantage is parts_apart:
        weights = [{name: w for r in group for name, w in part_weights(r.verdict).items()} for group in groups]
        advantages = parts_apart(rewards, weights, [group[0].task.domain for group in groups])
    else:
        advantages = objective.advantage(rewards)
    for group, values in zip(groups, advantages, strict=True):
        for rollout, advantage in zip(group, values, strict=True):
            rollout.advantage = advantage


def by_group(rollouts: Sequence[Rollout]) -> list[list[Rollout]]:
    groups: dict[int, list[Rollout]] = {}
    for rollout in rollouts:
        groups.setdefault(rollout.group, []).append(rollout)
    return list(groups.values())


def teaches(group: Sequence[Rollout], objective: Objective) -> bool:
    """Whether the objective can learn from a group as it is: where it compares answers within groups, they must differ in
    their reward, or in a part of it where it looks at parts apart."""
    rewards = [r.reward for r in group if r.reward is not None]
    if objective.advantage is batch_whitened:
        return bool(rewards)
    if objective.advantage is parts_apart:
        return len({tuple(sorted(reward.items())) for reward in rewards}) > 1
    return has_variance(group)


def has_variance(group: Sequence[Rollout]) -> bool:
    """Whether a group has at least two different rewards among those that count."""
    return len({total(r.reward) for r in group if r.reward is not None}) > 1
