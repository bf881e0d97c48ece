"""How the learner sees the tokens of a micro-batch: log-probabilities with gradient, and the entropy at each of them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder
from ponder.training.batch import MicroBatch

# Elements. Logits are made in pieces of so many, in float32; of all pieces of a micro-batch the probabilities are kept for the
# backward pass, where they are no more than KEPT, else they are made again.
LOGITS_AT_ONCE = 2**24
KEPT = 2**27


@dataclass
class Scores:
    """How the learner sees the learned tokens of a micro-batch."""

    logprobs: Tensor  # [learned], with gradient
    entropy: Tensor  # [learned], nats, detached
    reference_logprobs: Tensor | None = None  # [learned], by the stage's first weights, where the goal asks for them


def score(decoder: Decoder, batch: MicroBatch, recompute: bool = False) -> Scores:
    """`recompute`: layers are computed again in the backward pass, which takes less memory."""
    attend = batch.attend
    hidden = decoder(batch.ids, attend.positions, attend, attend.width, recompute=recompute)
    return score_hidden(decoder, hidden[batch.learned], batch.targets)


def score_hidden(decoder: Decoder, hidden: Tensor, targets: Tensor) -> Scores:
    """hidden # [learned, hidden], targets # [learned]"""

    def piece(hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return _LogProbs.apply(decoder.logits(hidden), targets)

    rows = max(1, LOGITS_AT_ONCE // decoder.config.vocab_size)
    if len(targets) <= rows:
        return Scores(*piece(hidden, targets))
    again = len(targets) * decoder.config.vocab_size > KEPT
    pieces = [
        checkpoint(piece, h, t, use_reentrant=False) if again else piece(h, t)
        for h, t in zip(hidden.split(rows), targets.split(rows), strict=True)
    ]
    return Scores(torch.cat([p[0] for p in pieces]), torch.cat([p[1] for p in pieces]))


class _LogProbs(torch.autograd.Function):
    """Log-probabilities of targets, and the entropy at each, in float32 from one exponential of logits # [rows, vocab]; only the
    probabilities are kept, in the dtype of the logits, whose gradient they become in place."""

    @staticmethod
    def forward(ctx, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        exact = logits.float()
        probs = torch.softmax(exact, -1)
        total = exact.amax(-1) - probs.amax(-1).log()  # logsumexp of each row
        chosen = exact.gather(1, targets.unsqueeze(1)).squeeze(1)
        entropy = total - torch.linalg.vecdot(probs, exact)
        ctx.save_for_backward(probs.to(logits.dtype), targets)
        ctx.mark_non_differentiable(entropy)
        return chosen - total, entropy

    @staticmethod
    def backward(ctx, grad: Tensor, _: Tensor) -> tuple[Tensor, None]:
        """d logprob / d logits = (1 at the target) - probs"""
        probs, targets = ctx.saved_tensors
        grad = grad.to(probs.dtype).unsqueeze(1)
        logits = probs.mul_(-grad).scatter_add_(1, targets.unsqueeze(1), grad)
        return logits, None


def activation_bytes(config: ModelConfig, tokens: int, width: int, dtype: torch.dtype) -> int:
    """About what the layers keep for a backward pass over so many tokens.

    Args:
        width: how many attention weights each token keeps for each head (`kept_weights` of a micro-batch); 0: none
    """
    q_size, kv_size = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    # Two inputs, two norms and what was attended to; q, k, v before and after rotation; gate, up and their product; weights.
    layer = (
        5 * config.hidden_size + 2 * (q_size + 2 * kv_size) + 3 * config.intermediate_size + config.num_heads * width
    )
    return config.num_layers * tokens * layer * dtype.itemsize
