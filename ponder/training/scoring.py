"""How the learner sees the tokens of a micro-batch: log-probabilities with gradient, and the entropy at each of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder
from ponder.training.batch import MicroBatch

# Elements. Logits are made in pieces of so many.
LOGITS_AT_ONCE = 2**24
# Bytes. The probabilities of a micro-batch are kept for the backward pass, where they are no more than this, else made again.
KEPT = 2**29
# Elements of logits that a CPU works on at a time, in float32: what fits in a core's cache. A pass over more goes through memory.
IN_CACHE = 2**17


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
    return Scores(*HeadLogProbs.apply(hidden, decoder.head.weight, targets))


class HeadLogProbs(torch.autograd.Function):
    """Log-probabilities of targets, and the entropy at each, from hidden states and the output matrix. Of the logits
    # [learned, vocab] only the probabilities are kept, in the dtype of the matrix, whose gradient they become in place."""

    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """hidden # [learned, hidden], weight # [vocab, hidden], targets # [learned]"""
        logprobs = torch.empty(len(targets), device=hidden.device)  # float32, whatever is computed in
        entropy = torch.empty_like(logprobs)
        fits = len(targets) * len(weight) * hidden.itemsize <= KEPT
        kept = hidden.new_empty(len(targets), len(weight)) if fits and any(ctx.needs_input_grad) else None
        for rows in _pieces(len(targets), LOGITS_AT_ONCE // len(weight)):
            logits = torch.mm(hidden[rows], weight.T, out=None if kept is None else kept[rows])
            logprobs[rows], entropy[rows] = _to_probabilities(logits, targets[rows])
        ctx.save_for_backward(hidden, weight, targets, kept)
        ctx.mark_non_differentiable(entropy)
        return logprobs, entropy

    @staticmethod
    def backward(ctx, grad: Tensor, _: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """d logprob / d logits = (1 at the target) - probs"""
        hidden, weight, targets, kept = ctx.saved_tensors
        of_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        of_weight = None
        # What is kept is one factor of one product; what is made again is not there at once, and adds up in float32.
        for rows in _pieces(len(targets), LOGITS_AT_ONCE // len(weight) if kept is None else len(targets)):
            probs = kept
            if probs is None:
                _to_probabilities(probs := hidden[rows] @ weight.T, targets[rows])
            of_logits = _to_gradient(probs, targets[rows], grad[rows])
            if of_hidden is not None:
                torch.mm(of_logits, weight, out=of_hidden[rows])
            if ctx.needs_input_grad[1]:
                part = of_logits.T @ hidden[rows]
                of_weight = part if of_weight is None else of_weight.float().add_(part)
        return of_hidden, None if of_weight is None else of_weight.to(weight.dtype), None


def _to_probabilities(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of targets # [rows], and the entropy at each, in float32; logits # [rows, vocab] become probabilities."""
    logprobs, entropy = torch.empty(len(targets), device=logits.device), torch.empty(len(targets), device=logits.device)
    for rows in _pieces(len(targets), _rows_at_once(logits)):
        exact = logits[rows].float()
        probs = torch.softmax(exact, -1)
        total = exact.amax(-1) - probs.amax(-1).log()  # logsumexp of each row
        logprobs[rows] = exact.gather(1, targets[rows].unsqueeze(1)).squeeze(1) - total
        entropy[rows] = total - torch.linalg.vecdot(probs, exact)
        logits[rows] = probs
    return logprobs, entropy


def _to_gradient(probs: Tensor, targets: Tensor, grad: Tensor) -> Tensor:
    """Of logits # [rows, vocab], in place of their probabilities; grad # [rows], of the log-probabilities."""
    grad = grad.to(probs.dtype).unsqueeze(1)
    return probs.mul_(-grad).scatter_add_(1, targets.unsqueeze(1), grad)


def _rows_at_once(logits: Tensor) -> int:
    return IN_CACHE // logits.shape[1] if logits.device.type == "cpu" else len(logits)


def _pieces(count: int, size: int) -> Iterator[slice]:
    """Slices of `size` rows, of one at least, that together are `count` rows."""
    size = max(1, size)
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


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
