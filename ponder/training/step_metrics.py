"""What a step of RL says of itself: rewards, verdicts, lengths."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import get_args

from ponder.agents.episode import UNFINISHED
from ponder.training.advantages import total
from ponder.training.error_budget import part_metrics
from ponder.training.rewards import by_group, has_variance
from ponder.training.rollouts import Rollout
from ponder.verifiers.verdict import Status


def summarise(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Rewards, verdicts and lengths of a step."""
    groups = by_group(rollouts)
    lengths = [r.ledger.sampled for r in rollouts]
    statuses = Counter(r.verdict.status for r in rollouts)
    rewards = [total(r.reward) for r in rollouts if r.reward is not None]
    advantages = [r.advantage for r in rollouts if r.advantage is not None]
    metrics = {
        "pass_rate": statuses["correct"] / len(rollouts),
        "truncated_share": sum(r.truncated for r in rollouts) / len(rollouts),
        "reward/mean": _mean(rewards),
        "reward/std": _std(rewards),
        "advantage/mean": _mean(advantages),
        "advantage/std": _std(advantages),
        "advantage/abs_max": max(map(abs, advantages), default=0.0),
        "length/mean": _mean(lengths),
        "length/max": max(lengths),
        "length/thinking": _mean([r.parsed.reasoning_tokens for r in rollouts]),
        "groups/zero_variance_share": sum(not has_variance(g) for g in groups) / len(groups),
    }
    metrics |= {f"status/{status}": statuses[status] / len(rollouts) for status in get_args(Status)}
    for domain in sorted({r.task.domain for r in rollouts}):
        rewards = [total(r.reward) for r in rollouts if r.task.domain == domain and r.reward is not None]
        metrics[f"reward/{domain}"] = _mean(rewards)
    return metrics | part_metrics(rollouts) | _episode_metrics([r for r in rollouts if r.episode is not None])


def _episode_metrics(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Of rollouts that are episodes; nothing where there are none."""
    if not rollouts:
        return {}
    facts = [r.episode for r in rollouts]
    calls = sum(f.calls for f in facts)
    stumbled = [r for r in rollouts if r.episode.failed_calls and not r.verdict.failed]
    return {
        "episode/turns": _mean([f.turns for f in facts]),
        "episode/calls": calls / len(facts),
        "episode/failed_calls_share": sum(f.failed_calls for f in facts) / calls if calls else math.nan,
        "episode/recovered_share": _mean([r.verdict.status == "correct" for r in stumbled]),
        "episode/unfinished_share": sum(f.end in UNFINISHED for f in facts) / len(facts),
    }


def _std(values: Sequence[float]) -> float:
    return statistics.pstdev(values) if values else math.nan


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
