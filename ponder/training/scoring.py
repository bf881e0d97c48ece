"""How the learner sees the tokens of a micro-batch: log-probabilities with gradient, and the entropy at each of them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ponder.model.decoder import Decoder
from ponder.training.batch import MicroBatch

# Logits of more elements than this are made, used and made again in pieces, instead of being kept for the backward pass.
LOGITS_AT_ONCE = 2**26


@dataclass
class Scores:
    """How the learner sees the learned tokens of a micro-batch."""

    logprobs: Tensor  # [learned], with gradient
    entropy: Tensor  # [learned], nats, detached
    reference_logprobs: Tensor | None = None  # [learned], by the stage's first weights, where the goal asks for them


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
