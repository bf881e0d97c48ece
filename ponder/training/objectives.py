"""The loss of RL, as a small set of choices. A named objective is one line of them, with its paper.

Every objective works on the learned tokens of a step. Sums are divided by counts of the whole step (law 6), so that
micro-batches add up to the same gradient however they are cut.
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ponder.recipe.stages.rl import Objective as ObjectiveSettings
from ponder.training.advantages import (
    ADVANTAGES,
    Advantage,
    batch_whitened,
    group_mean,
    group_mean_std,
    leave_one_out,
)
from ponder.training.batch import MicroBatch
from ponder.training.scoring import Scores

LARGEST_LOG_RATIO = 20.0
K3_LINEAR = 5.0  # nats


@dataclass(frozen=True)
class Objective:
    """
    advantage: from rewards grouped by prompt to advantages
    ratio: learner over sampler, per token, or per sequence (the geometric mean over its tokens)
    trust: "clip" takes the worse of clipped and unclipped (PPO), "detach" weighs log-probabilities by the clipped ratio
        and lets every token learn (CISPO), "none" leaves the ratio alone
    clip_low, clip_high: the ratio is held in [1 - clip_low, 1 + clip_high]
    aggregate: "token" is the mean over all tokens of the step, "sequence" the mean over sequences of their token means,
        "sum" the mean over sequences of their token sums, "constant" that divided by the longest allowed answer
    dual_clip: with a negative advantage the loss is at most this many times its size, however large the ratio (Ye et al.
        2020, arXiv:1912.09729); None is off
    kl, kl_estimator: weight and form of the penalty against the stage's first weights
    tis_cap: truncated importance sampling (Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy
        RL training"): the ratio is learner now over learner before the step, and each token is weighted by learner over
        sampler, at most this; None: the ratio is learner over sampler, which holds both
    """

    advantage: Advantage
    ratio: Literal["token", "sequence"] = "token"
    trust: Literal["clip", "detach", "none"] = "clip"
    clip_low: float = 0.2
    clip_high: float = 0.2
    aggregate: Literal["token", "sequence", "sum", "constant"] = "token"
    kl: float = 0.0
    dual_clip: float | None = None
    kl_estimator: Literal["k1", "k2", "k3", "unbiased"] = "k3"
    tis_cap: float | None = None


OBJECTIVES: dict[str, Objective] = {
    # Shao et al. 2024, DeepSeekMath, arXiv:2402.03300
    "grpo": Objective(group_mean_std, aggregate="sequence", kl=0.04),
    # Liu et al. 2025, Understanding R1-Zero-Like Training, arXiv:2503.20783: no std, no division by the own length
    "dr_grpo": Objective(group_mean, aggregate="constant"),
    # Yu et al. 2025, DAPO, arXiv:2503.14476: clip-higher, token mean, no KL. The default.
    "dapo": Objective(group_mean_std, clip_high=0.28),
    # Zheng et al. 2025, GSPO, arXiv:2507.18071: the ratio and its (much tighter) clip are the sequence's
    "gspo": Objective(group_mean_std, ratio="sequence", clip_low=3e-4, clip_high=4e-4, aggregate="sequence"),
    # MiniMax 2025, MiniMax-M1, arXiv:2506.13585: clip the weight, never the gradient
    "cispo": Objective(group_mean_std, trust="detach", clip_low=1.0, clip_high=0.28),
    # Ahmadian et al. 2024, Back to Basics, arXiv:2402.14740
    "rloo": Objective(leave_one_out, trust="none", aggregate="sum"),
    # Hu et al. 2025, REINFORCE++, arXiv:2501.03262: one baseline for the whole batch
    "reinforce_pp": Objective(batch_whitened, kl=1e-3, kl_estimator="k2"),
}


def resolve(settings: ObjectiveSettings) -> Objective:
    """A named objective, with the recipe's own choices where it makes them."""
    chosen = settings.model_dump(exclude={"name"}, exclude_none=True)
    if "advantage" in chosen:
        chosen["advantage"] = ADVANTAGES[chosen["advantage"]]
    return dataclasses.replace(OBJECTIVES[settings.name], **chosen)


@dataclass(frozen=True)
class StepCounts:
    """Of the whole step, before it is cut into micro-batches."""

    tokens: int  # learned tokens
    sequences: int
    max_tokens: int  # the longest answer the stage allows


@dataclass(frozen=True)
class LossParts:
    loss: Tensor  # scalar; parts of a step add up to the step's loss
    ratio: Tensor  # [learned], detached
    clipped: Tensor  # [learned], bool: tokens that the trust region holds back
    dual_clipped: Tensor | None = None  # [learned], bool; None without a dual clip
    weights: Tensor | None = None  # [learned], of truncated importance sampling; None without
    kl: Tensor | None = None  # [learned], detached; None without a KL


def policy_loss(objective: Objective, counts: StepCounts, scores: Scores, batch: MicroBatch) -> LossParts:
    """The loss of some samples of a step; all learned tokens of a sample must be in the micro-batch.

    `scores.reference_logprobs` is needed where objective.kl is not 0. With tis_cap and several updates a step,
    `batch.old_logprobs` is; without them the learner is taken to be as it was before the step.
    """
    logprobs, advantages, sample_of = scores.logprobs, batch.advantages, batch.sample_of
    lengths = torch.bincount(sample_of).clamp(min=1)  # [samples]
    old, weights = batch.sampler_logprobs, None
    if objective.tis_cap is not None:
        old = logprobs.detach() if batch.old_logprobs is None else batch.old_logprobs
        weights = bounded_log_ratio(old, batch.sampler_logprobs).exp().clamp(max=objective.tis_cap)
    log_ratio = bounded_log_ratio(logprobs, old)
    if objective.ratio == "sequence":
        log_ratio = _sequence_mean(log_ratio, sample_of, lengths)[sample_of]
    ratio = log_ratio.exp()
    bounded = ratio.clamp(1 - objective.clip_low, 1 + objective.clip_high)
    dual_clipped = None
    match objective.trust:
        case "clip":
            gain = torch.minimum(ratio * advantages, bounded * advantages)
            clipped = bounded * advantages < ratio * advantages
            if objective.dual_clip is not None:
                least = objective.dual_clip * advantages
                dual_clipped = (advantages < 0) & (gain < least)
                gain = torch.where(dual_clipped, least, gain)
        case "detach":
            gain = bounded.detach() * advantages * logprobs
            clipped = bounded != ratio
        case "none":
            gain = ratio * advantages
            clipped = torch.zeros_like(ratio, dtype=torch.bool)
    loss, kl = -gain, None
    if weights is not None:
        loss = loss * weights
    if objective.kl:
        assert scores.reference_logprobs is not None
        sampled = bounded_log_ratio(logprobs, batch.sampler_logprobs).exp()
        kl = kl_estimate(objective.kl_estimator, logprobs, scores.reference_logprobs, sampled)
        loss = loss + objective.kl * kl
    total = (loss * _token_weights(objective, counts, lengths, sample_of)).sum()
    return LossParts(
        total, ratio.detach(), clipped.detach(), dual_clipped, weights, None if kl is None else kl.detach()
    )


def bounded_log_ratio(logprobs: Tensor, old: Tensor) -> Tensor:
    """logprobs - old, held in +-LARGEST_LOG_RATIO: beyond it a ratio would overflow, and its gradient teaches nothing."""
    return (logprobs - old).clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)


def kl_estimate(estimator: str, logprobs: Tensor, reference_logprobs: Tensor, ratio: Tensor | None = None) -> Tensor:
    """KL(learner || reference) per token from samples of the learner (Schulman 2020, "Approximating KL divergence").

    "unbiased" weighs k3 by `ratio`, each token's probability by the learner over that when it was sampled, so that its
    gradient is that of the KL (DeepSeek-V3.2 2025, arXiv:2512.02556, section 3.1). k3 goes on as a line where the reference
    is more than e**K3_LINEAR times as likely, or one such token would be the whole gradient.
    """
    log_ratio = reference_logprobs - logprobs
    match estimator:
        case "k1":
            return -log_ratio
        case "k2":
            return log_ratio.square() / 2
        case "k3":
            return _k3(log_ratio)
        case "unbiased":
            assert ratio is not None
            return ratio * _k3(log_ratio)
    raise AssertionError(estimator)


def _k3(log_ratio: Tensor) -> Tensor:
    """exp(x) - 1 - x; beyond K3_LINEAR its tangent there."""
    held = log_ratio.clamp(max=K3_LINEAR)
    return held.exp() * (1 + log_ratio - held) - 1 - log_ratio


def _token_weights(objective: Objective, counts: StepCounts, lengths: Tensor, sample_of: Tensor) -> Tensor | float:
    match objective.aggregate:
        case "token":
            return 1 / counts.tokens
        case "sequence":
            return 1 / (counts.sequences * lengths[sample_of])
        case "sum":
            return 1 / counts.sequences
        case "constant":
            return 1 / (counts.sequences * counts.max_tokens)


def _sequence_mean(values: Tensor, sample_of: Tensor, lengths: Tensor) -> Tensor:
    sums = torch.zeros(len(lengths), dtype=values.dtype, device=values.device).index_add(0, sample_of, values)
    return sums / lengths
