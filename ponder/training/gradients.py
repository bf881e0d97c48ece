"""The gradients of a step, added up over its micro-batches, by this process alone or with others (`Accumulator`)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ponder.model.decoder import Decoder
from ponder.training.batch import Sample, pack
from ponder.training.goals import Goal
from ponder.training.scoring import Scores, score

# Elements. One float32 sum over a large model's gradient on a CPU is off by up to 9%, so larger ones are cut into pieces.
ONE_SUM, PIECE = 10**6, 2**16


@dataclass(frozen=True)
class TokenScores:
    """How the learner saw the learned tokens of one sample, before the update that learned from it."""

    number: int  # Sample.number
    logprobs: np.ndarray  # [learned], float32
    entropy: np.ndarray  # [learned], float32, nats


@dataclass
class Accumulated:
    """What the micro-batches of a step have said so far."""

    metrics: dict[str, float] = field(default_factory=dict)
    scores: list[TokenScores] = field(default_factory=list)

    def add(self, other: "Accumulated") -> None:
        """Metrics add up, but for those whose names end in `/max`, whose largest counts."""
        for name, value in other.metrics.items():
            if name.endswith("/max"):
                self.metrics[name] = max(self.metrics.get(name, value), value)
            else:
                self.metrics[name] = self.metrics.get(name, 0.0) + value
        self.scores += other.scores


class Accumulator(Protocol):
    """Whoever makes a step's gradients."""

    @property
    def shares(self) -> int:
        """Among how many processes a step is divided."""
        ...

    def set_reference(self, reference: Decoder | None) -> None: ...

    def accumulate(
        self,
        decoder: Decoder,
        reference: Decoder | None,
        gradients: Tensor,
        shares: Sequence[Sequence[Sequence[Sample]]],
        goal: Goal,
        recompute: bool = False,
    ) -> Accumulated:
        """Add the gradients of all micro-batches, those of each process apart (`batch.divide`), to `gradients` # [elements], float32 (`master.collect_gradients`)."""
        ...


class OneProcess:
    """The accumulator of a learner without helpers."""

    shares = 1

    def set_reference(self, reference: Decoder | None) -> None:
        pass  # it comes with every call

    def accumulate(
        self,
        decoder: Decoder,
        reference: Decoder | None,
        gradients: Tensor,
        shares: Sequence[Sequence[Sequence[Sample]]],
        goal: Goal,
        recompute: bool = False,
    ) -> Accumulated:
        return accumulate(decoder, reference, shares[0], goal, recompute)


def accumulate(
    decoder: Decoder,
    reference: Decoder | None,
    micro: Sequence[Sequence[Sample]],
    goal: Goal,
    recompute: bool = False,
) -> Accumulated:
    """Add the gradients of some micro-batches to the decoder's. `recompute`: as in `score`."""
    total = Accumulated()
    for samples in micro:
        batch = pack(samples, decoder.device)
        scores = goal.score(decoder, batch, recompute)
        if goal.needs_reference:
            assert reference is not None, "a goal with a KL needs the reference weights"
            with torch.no_grad():
                scores.reference_logprobs = score(reference, batch).logprobs
        loss, metrics = goal.loss(scores, batch)
        loss.backward()
        values = torch.stack([value.detach().double() for value in metrics.values()]).tolist()  # one way from a GPU
        total.add(
            Accumulated(dict(zip(metrics, values, strict=True)), _token_scores(samples, scores) if goal.scored else [])
        )
    return total


def _token_scores(samples: Sequence[Sample], scores: Scores) -> list[TokenScores]:
    both = torch.stack([scores.logprobs.detach(), scores.entropy]).cpu().numpy()  # [2, learned]
    ends = np.cumsum([sum(sample.mask) for sample in samples])[:-1]
    pieces = np.split(both, ends, axis=1)
    return [TokenScores(sample.number, *piece) for sample, piece in zip(samples, pieces, strict=True)]


def norm(gradients: Tensor) -> Tensor:
    """The Euclidean norm of `gradients` # [elements]; of large ones as the norm of the norms of its pieces."""
    if gradients.numel() <= ONE_SUM:
        return gradients.norm()
    return torch.stack([piece.norm() for piece in gradients.split(PIECE)]).double().norm().float()
