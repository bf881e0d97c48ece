"""What turns batches into better weights: AdamW over one decoder, gradients from one process or several."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ponder.model.decoder import Decoder
from ponder.model.shared import flat_gradients
from ponder.recipe.stages import Optimizer
from ponder.training.batch import MicroBatch, Sample, micro_batches, pack
from ponder.training.objectives import Objective, StepCounts, policy_loss

if TYPE_CHECKING:
    from ponder.training.replicas import Replicas

# Logits of more elements than this are made, used and made again in pieces, instead of being kept for the backward pass.
LOGITS_AT_ONCE = 2**26


@dataclass
class Scores:
    """How the learner sees the learned tokens of a micro-batch."""

    logprobs: Tensor  # [learned], with gradient
    entropy: Tensor  # [learned], nats, detached


def score(decoder: Decoder, batch: MicroBatch) -> Scores:
    hidden = decoder(batch.ids, batch.attend.positions, batch.attend, batch.attend.width)
    return score_hidden(decoder, hidden[batch.learned], batch.targets)


def score_hidden(decoder: Decoder, hidden: Tensor, targets: Tensor) -> Scores:
    """hidden # [learned, hidden], targets # [learned]"""

    def piece(hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logprobs = F.log_softmax(decoder.logits(hidden).float(), -1)  # [learned, vocab]
        with torch.no_grad():
            entropy = -(logprobs.exp() * logprobs).sum(-1)
        return logprobs.gather(1, targets.unsqueeze(1)).squeeze(1), entropy

    rows = max(1, LOGITS_AT_ONCE // decoder.config.vocab_size)
    if len(targets) <= rows:
        return Scores(*piece(hidden, targets))
    pieces = [
        checkpoint(piece, h, t, use_reentrant=False)
        for h, t in zip(hidden.split(rows), targets.split(rows), strict=True)
    ]
    return Scores(torch.cat([p[0] for p in pieces]), torch.cat([p[1] for p in pieces]))


@dataclass(frozen=True)
class Imitation:
    """Mean cross-entropy over the learned tokens of a step."""

    tokens: int


@dataclass(frozen=True)
class Reinforcement:
    """An RL objective, with the counts of the whole step that its sums are divided by (law 6)."""

    objective: Objective
    counts: StepCounts


def accumulate(
    decoder: Decoder, reference: Decoder | None, micro: Sequence[Sequence[Sample]], goal: Imitation | Reinforcement
) -> dict[str, float]:
    """Add the gradients of some micro-batches to the decoder's; returns their part of the step's metrics.

    Parts of a step add up, but for `mismatch/max`, whose largest counts.
    """
    sums: dict[str, float] = {}
    for samples in micro:
        batch = pack(samples, decoder.device)
        if isinstance(goal, Imitation):
            loss = -score(decoder, batch).logprobs.sum() / goal.tokens
            loss.backward()
            part = {"loss": loss.item()}
        else:
            part = _reinforce(decoder, reference, batch, goal)
        sums = merge(sums, part)
    return sums


def merge(sums: dict[str, float], part: dict[str, float]) -> dict[str, float]:
    def joined(name: str, value: float) -> float:
        return max(sums.get(name, 0.0), value) if name == "mismatch/max" else sums.get(name, 0.0) + value

    return sums | {name: joined(name, value) for name, value in part.items()}


def _reinforce(decoder: Decoder, reference: Decoder | None, batch: MicroBatch, goal: Reinforcement) -> dict[str, float]:
    reference_logprobs = None
    if goal.objective.kl:
        assert reference is not None, "an objective with a KL needs the reference weights"
        with torch.no_grad():
            reference_logprobs = score(reference, batch).logprobs
    scores = score(decoder, batch)
    parts = policy_loss(
        goal.objective,
        goal.counts,
        scores.logprobs,
        batch.sampler_logprobs,
        batch.advantages,
        batch.sample_of,
        reference_logprobs,
    )
    parts.loss.backward()
    gap = scores.logprobs.detach() - batch.sampler_logprobs
    tokens = goal.counts.tokens
    return {
        "loss": parts.loss.item(),
        "entropy": scores.entropy.sum().item() / tokens,
        "clip_share": parts.clipped.sum().item() / tokens,
        "mismatch/mean": gap.abs().sum().item() / tokens,
        "mismatch/kl": (gap.exp() - 1 - gap).sum().item() / tokens,
        "mismatch/max": gap.abs().max().item(),
    }


class Learner:
    """
    Args:
        decoder: its parameters are updated in place, so an engine that reads them sees each update at once
        steps: number of updates in the stage, for the learning rate's decay
        reference: the stage's first weights; needed by objectives with a KL
        replicas: helping processes that take a share of the micro-batches each (CPU only)
    """

    def __init__(
        self,
        decoder: Decoder,
        settings: Optimizer,
        steps: int,
        token_budget: int,
        reference: Decoder | None = None,
        replicas: "Replicas | None" = None,
    ):
        self.decoder, self.reference, self.replicas = decoder, reference, replicas
        self.settings, self.steps, self.token_budget = settings, steps, token_budget
        decoder.train().requires_grad_(True)
        self.gradients = flat_gradients(decoder)
        if replicas is not None:
            replicas.set_reference(reference)
        matrices = [p for p in decoder.parameters() if p.dim() == 2]
        others = [p for p in decoder.parameters() if p.dim() != 2]  # norms and biases are not decayed
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=settings.lr,
            betas=settings.betas,
            fused=True,
        )

    def imitate(self, samples: Sequence[Sample], step: int) -> dict[str, float]:
        """One update towards demonstrations; `step` counts from 1."""
        return self._learn(samples, Imitation(sum(sum(s.mask) for s in samples)), step)

    def reinforce(
        self, samples: Sequence[Sample], objective: Objective, max_tokens: int, step: int
    ) -> dict[str, float]:
        """One update by policy gradient; metrics are means over the learned tokens.

        `mismatch/*` compares learner and sampler on the tokens as they were sampled: mean and largest gap of
        log-probabilities, and KL(sampler || learner) by the k3 estimator.
        """
        counts = StepCounts(sum(sum(s.mask) for s in samples), len(samples), max_tokens)
        return self._learn(samples, Reinforcement(objective, counts), step)

    @torch.no_grad()
    def largest_gap(self, samples: Sequence[Sample]) -> float:
        """Largest |learner - sampler| log-probability over the learned tokens, without learning."""
        batches = (pack(micro, self.decoder.device) for micro in self._cut(samples))
        return max((score(self.decoder, b).logprobs - b.sampler_logprobs).abs().max().item() for b in batches)

    def _learn(self, samples: Sequence[Sample], goal: Imitation | Reinforcement, step: int) -> dict[str, float]:
        self.gradients.zero_()
        micro = self._cut(samples)
        if self.replicas is None:
            metrics = accumulate(self.decoder, self.reference, micro, goal)
        else:
            metrics = self.replicas.accumulate(self.decoder, self.reference, self.gradients, micro, goal)
        return metrics | self._update(step)

    def _cut(self, samples: Sequence[Sample]) -> list[list[Sample]]:
        learnable = [s for s in samples if any(s.mask)]
        assert learnable, "a step without learned tokens"
        return list(micro_batches(learnable, self.token_budget, self.replicas.shares if self.replicas else 1))

    def _update(self, step: int) -> dict[str, float]:
        lr = learning_rate(self.settings, step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        norm = self.gradients.norm()
        if not torch.isfinite(norm):
            raise FloatingPointError(
                f"the gradient of update {step} is {norm.item()}: nothing was updated. Lower optimizer.lr or "
                "max_grad_norm, or lengthen warmup_steps"
            )
        self.gradients.mul_((self.settings.max_grad_norm / (norm + 1e-6)).clamp(max=1.0))
        self.optimizer.step()
        return {"lr": lr, "grad_norm": norm.item()}

    # ---- state (safetensors, never pickle) ----

    def save_state(self, path: Path) -> None:
        tensors = {}
        for name, parameter in self.decoder.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{name}/{key}"] = value.detach().cpu().clone()
        save_file(tensors, path)

    def load_state(self, path: Path) -> None:
        tensors = load_file(path)
        for name, parameter in self.decoder.named_parameters():
            keys = [key for key in tensors if key.rpartition("/")[0] == name]
            self.optimizer.state[parameter] = {
                key.rpartition("/")[2]: tensors[key].to(parameter.device) for key in keys
            }


def learning_rate(settings: Optimizer, step: int, steps: int) -> float:
    """Linear warm-up over the first steps, then constant, or linear or cosine decay to a tenth at the last step."""
    if step <= settings.warmup_steps:
        return settings.lr * step / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    match settings.decay:
        case "constant":
            return settings.lr
        case "linear":
            return settings.lr * (1 - 0.9 * progress)
        case "cosine":
            return settings.lr * (0.55 + 0.45 * math.cos(math.pi * progress))
    raise AssertionError(settings.decay)
