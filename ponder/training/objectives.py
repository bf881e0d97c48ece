"""The loss of RL, as a small set of choices. A named objective is one line of them, with its paper.

Every objective works on the learned tokens of a step. Sums are divided by counts of the whole step (law 6), so that
micro-batches add up to the same gradient however they are cut.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

# ---- advantages: what a group's (or step's) rewards say of each sample ----


def group_mean_std(groups: Sequence[Sequence[float]]) -> list[list[float]]:
    """(r - mean) / (std + 1e-6) within each group, unbiased std; a group of equal rewards gets zeros."""
    return [
        [a / (_std(rewards) + 1e-6) for a in centred]
        for rewards, centred in zip(groups, group_mean(groups), strict=True)
    ]


def group_mean(groups: Sequence[Sequence[float]]) -> list[list[float]]:
    """r - mean within each group."""
    return [[r - sum(rewards) / len(rewards) for r in rewards] for rewards in groups]


def leave_one_out(groups: Sequence[Sequence[float]]) -> list[list[float]]:
    """r - mean of the others in the group: an unbiased baseline."""
    return [
        [r - (sum(rewards) - r) / (len(rewards) - 1) if len(rewards) > 1 else 0.0 for r in rewards]
        for rewards in groups
    ]


def batch_whitened(groups: Sequence[Sequence[float]]) -> list[list[float]]:
    """(r - mean) / (std + 1e-6) over all samples of the step."""
    everything = [r for rewards in groups for r in rewards]
    mean, std = sum(everything) / len(everything), _std(everything)
    return [[(r - mean) / (std + 1e-6) for r in rewards] for rewards in groups]


def _std(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = sum(values) / len(values)
    return (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5


# ---- the choices ----


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
    kl, kl_estimator: weight and form of the penalty against the stage's first weights
    """

    advantage: Callable[[Sequence[Sequence[float]]], list[list[float]]]
    ratio: Literal["token", "sequence"] = "token"
    trust: Literal["clip", "detach", "none"] = "clip"
    clip_low: float = 0.2
    clip_high: float = 0.2
    aggregate: Literal["token", "sequence", "sum", "constant"] = "token"
    kl: float = 0.0
    kl_estimator: Literal["k1", "k2", "k3"] = "k3"


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


def resolve(name: str, **overrides: float | None) -> Objective:
    """A named objective, with the recipe's own numbers where it gives them."""
    return dataclasses.replace(OBJECTIVES[name], **{k: v for k, v in overrides.items() if v is not None})


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


def policy_loss(
    objective: Objective,
    counts: StepCounts,
    logprobs: Tensor,
    sampler_logprobs: Tensor,
    advantages: Tensor,
    sample_of: Tensor,
    reference_logprobs: Tensor | None = None,
) -> LossParts:
    """The loss of some samples of a step.

    Args:
        logprobs: # [learned], the learner's, with gradient
        sampler_logprobs: # [learned], as recorded when the tokens were sampled
        advantages: # [learned], each token's sample's
        sample_of: # [learned], number of each token's sample; all tokens of a sample must be here
        reference_logprobs: # [learned]; needed where objective.kl is not 0
    """
    lengths = torch.bincount(sample_of).clamp(min=1)  # [samples]
    log_ratio = logprobs - sampler_logprobs
    if objective.ratio == "sequence":
        log_ratio = _sequence_mean(log_ratio, sample_of, lengths)[sample_of]
    ratio = log_ratio.exp()
    bounded = ratio.clamp(1 - objective.clip_low, 1 + objective.clip_high)
    match objective.trust:
        case "clip":
            gain = torch.minimum(ratio * advantages, bounded * advantages)
            clipped = bounded * advantages < ratio * advantages
        case "detach":
            gain = bounded.detach() * advantages * logprobs
            clipped = bounded != ratio
        case "none":
            gain = ratio * advantages
            clipped = torch.zeros_like(ratio, dtype=torch.bool)
    loss = -gain
    if objective.kl:
        assert reference_logprobs is not None
        loss = loss + objective.kl * kl_estimate(objective.kl_estimator, logprobs, reference_logprobs)
    total = (loss * _token_weights(objective, counts, lengths, sample_of)).sum()
    return LossParts(total, ratio.detach(), clipped.detach())


def kl_estimate(estimator: str, logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """KL(learner || reference) per token from samples of the learner (Schulman 2020, "Approximating KL divergence")."""
    log_ratio = reference_logprobs - logprobs
    match estimator:
        case "k1":
            return -log_ratio
        case "k2":
            return log_ratio.square() / 2
        case "k3":
            return log_ratio.exp() - 1 - log_ratio
    raise AssertionError(estimator)


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
