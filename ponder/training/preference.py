"""The goal of a reward model: of two answers to a prompt the preferred one has the higher score (Bradley & Terry 1952; Ouyang et al.
2022, arXiv:2203.02155)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ponder.model.decoder import Decoder
from ponder.model.scoring import head_scores
from ponder.training.batch import MicroBatch, Sample


def pooled_scores(decoder: Decoder, batch: MicroBatch, recompute: bool = False) -> Tensor:
    """# [samples]: the score of each sample of a micro-batch at its last token, with gradient."""
    attend = batch.attend
    hidden = decoder(
        batch.ids, attend.positions, attend, attend.width, recompute=recompute, wanted=batch.ends
    )  # [samples, hidden]
    return head_scores(decoder, hidden)


@dataclass(frozen=True)
class Preference:
    """Mean of -log sigmoid(chosen - rejected) over the pairs of a step, and `center` times the mean of (chosen + rejected)^2:
    the first is the same for scores that are all moved alike, the second keeps them around 0 (Eisenstein et al. 2023,
    arXiv:2312.09244).

    A micro-batch holds whole pairs, the preferred sample of each first.
    """

    pairs: int  # of the whole step
    center: float

    needs_reference = False
    scored = False
    score = staticmethod(pooled_scores)

    @classmethod
    def of(cls, samples: Sequence[Sample], center: float) -> "Preference":
        return cls(len(samples) // 2, center)

    def computed(self, samples: Sequence[Sample]) -> list[Sample]:
        return list(samples)

    def loss(self, scores: Tensor, batch: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """scores # [2 * pairs of the micro-batch]"""
        chosen, rejected = scores.view(-1, 2).unbind(1)
        margins = chosen - rejected
        preferred = -F.logsigmoid(margins).sum() / self.pairs
        loss = preferred + self.center * (chosen + rejected).square().sum() / self.pairs
        detached = margins.detach()
        return loss, {
            "loss": preferred,
            "preference/accuracy": ((detached > 0).double() + 0.5 * (detached == 0)).sum() / self.pairs,
            "preference/margin": detached.double().sum() / self.pairs,
            "preference/score": scores.detach().double().sum() / (2 * self.pairs),
        }
