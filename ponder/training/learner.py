"""What turns batches into better weights: AdamW over the master weights, gradients from one process or several."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from ponder.model.decoder import Decoder
from ponder.model.heap import give_back_much
from ponder.model.shared import flat_views
from ponder.model.tensor_files import write_safetensors
from ponder.recipe.stages import Optimizer
from ponder.training.batch import Sample, divide, kept_weights, micro_batches, pack
from ponder.training.goals import Goal, learnable
from ponder.training.gradients import Accumulator, OneProcess, TokenScores
from ponder.training.gradients import norm as gradient_norm
from ponder.training.master import MasterWeights, collect_gradients, trained
from ponder.training.precision import free_memory
from ponder.training.scoring import activation_bytes, score


@dataclass(frozen=True)
class Update:
    """What one update did: its metrics, and how the learner scored the tokens of each sample before it."""

    metrics: dict[str, float]
    scores: list[TokenScores]


class Learner:
    """
    Args:
        weights: the masters are updated, and the decoder with them in place, so that an engine that reads it sees each
            update at once
        steps: number of updates in the stage, for the learning rate's decay
        reference: the stage's first weights; needed by objectives with a KL
        accumulator: who makes the gradients; this process alone, or `Replicas` (CPU only)
    """

    def __init__(
        self,
        weights: MasterWeights,
        settings: Optimizer,
        steps: int,
        token_budget: int,
        reference: Decoder | None = None,
        accumulator: Accumulator | None = None,
    ):
        self.weights, self.decoder, self.reference = weights, weights.decoder, reference
        self.accumulator = accumulator or OneProcess()
        self.settings, self.steps, self.token_budget = settings, steps, token_budget
        self.decoder.train().requires_grad_(False)
        self.gradients = collect_gradients(trained(self.decoder))  # [elements], float32
        if weights.apart:
            masters = list(weights.masters.values())
            for master, view in zip(masters, flat_views(masters, self.gradients), strict=True):
                master.grad = view
        self.accumulator.set_reference(reference)
        matrices = [p for p in weights.masters.values() if p.dim() == 2]
        others = [p for p in weights.masters.values() if p.dim() != 2]  # norms and biases are not decayed
        self.optimizer = torch.optim.AdamW(
            [
                {"params": params, "weight_decay": decay}
                for params, decay in ((matrices, settings.weight_decay), (others, 0.0))
                if params
            ],
            lr=settings.lr,
            betas=settings.betas,
            eps=settings.eps,
            fused=True,
        )

    def learn(self, samples: Sequence[Sample], goal: Goal, step: int) -> Update:
        """One update towards a goal; `step` counts the stage's updates from 1.

        Raises:
            FloatingPointError: the gradient is not finite; nothing was updated.
        """
        self.gradients.zero_()
        shares = divide(goal.computed(samples), self.token_budget, self.accumulator.shares)
        done = self.accumulator.accumulate(
            self.decoder, self.reference, self.gradients, shares, goal, self._recomputes(shares)
        )
        give_back_much()
        return Update(done.metrics | self._update(step), done.scores)

    @torch.no_grad()
    def gaps(self, samples: Sequence[Sample]) -> tuple[float, float]:
        """|learner - sampler| log-probability over the learned tokens, without learning: the largest, and the mean."""
        cut = micro_batches(learnable(samples), self.token_budget)
        batches = (pack(micro, self.decoder.device) for micro in cut)
        gaps = torch.cat([(score(self.decoder, b).logprobs - b.sampler_logprobs).abs() for b in batches])
        return gaps.max().item(), gaps.mean().item()

    @torch.no_grad()
    def logprobs(self, samples: Sequence[Sample]) -> dict[int, list[float]]:
        """{sample number: the learner's log-probabilities of its learned tokens}, without learning."""
        found: dict[int, list[float]] = {sample.number: [] for sample in samples}
        for micro in micro_batches(learnable(samples), self.token_budget):
            logprobs = score(self.decoder, pack(micro, self.decoder.device)).logprobs.cpu()
            pieces = logprobs.split([sum(sample.mask) for sample in micro])
            found |= {sample.number: piece.tolist() for sample, piece in zip(micro, pieces, strict=True)}
        return found

    def _recomputes(self, shares: Sequence[Sequence[Sequence[Sample]]]) -> bool:
        """Whether what all processes would keep for their backward passes is more than half of the memory that is free."""
        config, dtype = self.decoder.config, self.decoder.dtype
        needed = 0
        for share in shares:
            sizes = ((sum(len(s.ids) for s in micro), kept_weights(micro)) for micro in share)
            needed += max((activation_bytes(config, tokens, width, dtype) for tokens, width in sizes), default=0)
        return needed > free_memory(self.decoder.device.type) / 2

    def _update(self, step: int) -> dict[str, float]:
        lr = learning_rate(self.settings, step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        norm = gradient_norm(self.gradients)
        if not torch.isfinite(norm):
            raise FloatingPointError(
                f"the gradient of update {step} is {norm.item()}: nothing was updated by it. Lower optimizer.lr or "
                "max_grad_norm, or lengthen warmup_steps"
            )
        self.gradients.mul_((self.settings.max_grad_norm / (norm + 1e-6)).clamp(max=1.0))
        self.optimizer.step()
        self.weights.publish()
        return {"lr": lr, "grad_norm": norm.item()}

    # ---- state (safetensors, never pickle) ----

    def save_state(self, path: Path) -> None:
        tensors = {}
        for name, parameter in self.weights.masters.items():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{name}/{key}"] = value.detach().cpu().clone()
        write_safetensors(tensors, path)

    def load_state(self, path: Path) -> None:
        tensors = load_file(path)
        for name, parameter in self.weights.masters.items():
            keys = [key for key in tensors if key.rpartition("/")[0] == name]
            self.optimizer.state[parameter] = {
                key.rpartition("/")[2]: tensors[key].to(parameter.device) for key in keys
            }


def learning_rate(settings: Optimizer, step: int, steps: int) -> float:
    """Linear warm-up over the first steps, then constant, or linear or cosine decay to `min_lr` at the last step."""
    if step <= settings.warmup_steps:
        return settings.lr * step / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    floor = 0.1 if settings.min_lr is None else settings.min_lr / settings.lr
    match settings.decay:
        case "constant":
            return settings.lr
        case "linear":
            return settings.lr * (1 - (1 - floor) * progress)
        case "cosine":
            return settings.lr * ((1 + floor) / 2 + (1 - floor) / 2 * math.cos(math.pi * progress))
    raise AssertionError(settings.decay)
