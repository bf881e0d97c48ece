"""What an update goes after: a goal is plain data with a loss, so that helping processes can be sent one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ponder.model.decoder import Decoder
from ponder.training.batch import MicroBatch, Sample
from ponder.training.objectives import Objective, StepCounts, bounded_log_ratio, policy_loss
from ponder.training.scoring import Scores, score


class Goal(Protocol):
    """The losses of a step's micro-batches add up to the step's loss (law 6), and so do their metrics, but for those
    whose names end in `/max`."""

    @property
    def needs_reference(self) -> bool:
        """Whether `loss` looks at `scores.reference_logprobs`."""
        ...

    @property
    def scored(self) -> bool:
        """Whether people want to see how the learner scored each token."""
        ...

    def computed(self, samples: Sequence[Sample]) -> list[Sample]:
        """Those of a step that go through forward and backward: one at least, and all that have a gradient."""
        ...

    def score(self, decoder: Decoder, batch: MicroBatch, recompute: bool = False) -> Any:
        """How the learner sees a micro-batch, with gradient: `scoring.Scores` of its learned tokens, or what else `loss` takes."""
        ...

    def loss(self, scores: Any, batch: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The micro-batch's part of the loss (a scalar with gradient) and of the metrics (scalars)."""
        ...


@dataclass(frozen=True)
class Imitation:
    """Mean cross-entropy over the learned tokens of a step."""

    tokens: int

    needs_reference = False
    scored = False
    score = staticmethod(score)

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Imitation":
        return cls(learned_tokens(samples))

    def computed(self, samples: Sequence[Sample]) -> list[Sample]:
        return learnable(samples)

    def loss(self, scores: Scores, batch: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        loss = -scores.logprobs.sum() / self.tokens
        return loss, {"loss": loss}


@dataclass(frozen=True)
class Reinforcement:
    """A policy gradient by an objective, with the counts of the whole step that its sums are divided by.

    Its metrics are means over the learned tokens that were computed. `mismatch/*` compares learner and sampler on the tokens as they were
    sampled: mean and largest gap of log-probabilities, and KL(sampler || learner) by the k3 estimator.
    """

    objective: Objective
    counts: StepCounts
    computed_tokens: int  # learned tokens of those that are computed

    scored = True
    score = staticmethod(score)

    @property
    def needs_reference(self) -> bool:
        return self.objective.kl != 0

    @classmethod
    def of(cls, samples: Sequence[Sample], objective: Objective, max_tokens: int) -> "Reinforcement":
        """`max_tokens`: the longest answer that the stage allows."""
        counts = StepCounts(learned_tokens(samples), len(samples), max_tokens)
        return cls(objective, counts, learned_tokens(teaching(samples, objective)))

    def computed(self, samples: Sequence[Sample]) -> list[Sample]:
        return teaching(samples, self.objective)

    def loss(self, scores: Scores, batch: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        parts = policy_loss(self.objective, self.counts, scores, batch)
        gap = bounded_log_ratio(scores.logprobs.detach(), batch.sampler_logprobs)
        tokens = self.computed_tokens
        metrics = {
            "loss": parts.loss,
            "entropy": scores.entropy.sum().double() / tokens,
            "clip_share": parts.clipped.sum().double() / tokens,
            "ratio/clipped_low": (parts.clipped & (parts.ratio < 1)).sum().double() / tokens,
            "ratio/clipped_high": (parts.clipped & (parts.ratio > 1)).sum().double() / tokens,
            "ratio/mean": parts.ratio.sum().double() / tokens,
            "ratio/max": parts.ratio.max(),
            "mismatch/mean": gap.abs().sum().double() / tokens,
            "mismatch/kl": (gap.exp() - 1 - gap).sum().double() / tokens,
            "mismatch/max": gap.abs().max(),
            "learned/computed_share": parts.loss.new_tensor(len(batch.targets) / self.counts.tokens),
        }
        if parts.dual_clipped is not None:
            metrics["dual_clip_share"] = parts.dual_clipped.sum().double() / tokens
        if parts.weights is not None:
            metrics["tis/weight_mean"] = parts.weights.sum().double() / tokens
            metrics["tis/capped_share"] = (parts.weights == self.objective.tis_cap).sum().double() / tokens
        if parts.kl is not None:
            metrics["kl"] = parts.kl.sum().double() / tokens
        return parts.loss, metrics


def teaching(samples: Sequence[Sample], objective: Objective) -> list[Sample]:
    """Samples that an update by `objective` has to compute. Where all advantages of a group are 0 and nothing else is in
    the loss, its gradient is 0: its samples stay in the counts alone. Where that is so of every group, the first is computed
    all the same, so that learner and sampler are compared at every step (law 1)."""
    made = learnable(samples)
    if objective.kl:
        return made
    teaching_groups = {sample.group for sample in made if sample.advantage} or {made[0].group}
    return [sample for sample in made if sample.group in teaching_groups]


def learnable(samples: Sequence[Sample]) -> list[Sample]:
    """Those with a learned token."""
    made = [sample for sample in samples if any(sample.mask)]
    assert made, "a step without learned tokens"
    return made


def learned_tokens(samples: Sequence[Sample]) -> int:
    return sum(sum(sample.mask) for sample in samples)
