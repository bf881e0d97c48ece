"""From logits to tokens: temperature, penalties, truncation, and one counted uniform number per token."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ponder.engine.protocol import SamplingParams


@dataclass
class SamplerState:
    """The sampling parameters of a batch as tensors, each # [rows]; made anew when the batch changes."""

    temperature: Tensor
    greedy: Tensor
    top_k: Tensor
    top_p: Tensor
    min_p: Tensor
    presence: Tensor
    repetition: Tensor
    any_greedy: bool
    any_truncated: bool
    any_penalised: bool
    widest_top_k: int  # 0 where some row that truncates has no top_k

    @classmethod
    def of(cls, params: Sequence[SamplingParams], device: torch.device) -> "SamplerState":
        def column(values: Sequence[float], dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)

        truncating = [p for p in params if p.truncates]
        return cls(
            temperature=column([p.temperature or 1.0 for p in params]),
            greedy=column([p.temperature == 0 for p in params], torch.bool),
            top_k=column([p.top_k if p.truncates and p.top_k else 2**31 - 1 for p in params], torch.int64),
            top_p=column([p.top_p if p.truncates else 1.0 for p in params]),
            min_p=column([p.min_p if p.truncates else 0.0 for p in params]),
            presence=column([p.presence_penalty for p in params]),
            repetition=column([p.repetition_penalty for p in params]),
            any_greedy=any(p.temperature == 0 for p in params),
            any_truncated=bool(truncating),
            any_penalised=any(p.penalises for p in params),
            widest_top_k=max((p.top_k for p in truncating), default=0) if all(p.top_k for p in truncating) else 0,
        )


def sample(
    logits: Tensor, uniform: Tensor, state: SamplerState, in_prompt: Tensor | None, in_answer: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Draw one token a row by inverting the cumulative distribution at `uniform`.

    Args:
        logits: # [rows, vocab], float32; overwritten
        uniform: # [rows], float32 in [0, 1)
        in_prompt, in_answer: # [rows, vocab], bool; needed only where a row penalises
    Returns:
        tokens: # [rows], int64
        logprobs: # [rows], float32, under softmax(logits / temperature): untruncated, unpenalised
    """
    logits /= state.temperature.unsqueeze(1)
    probs = torch.softmax(logits, -1)
    chosen = probs
    if state.any_penalised:
        assert in_prompt is not None and in_answer is not None
        chosen = torch.softmax(_penalised(logits, state, in_prompt, in_answer), -1)
    tokens = _draw_truncated(chosen, uniform, state) if state.any_truncated else _invert(chosen, uniform)
    if state.any_greedy:
        tokens = torch.where(state.greedy, chosen.argmax(-1), tokens)
    logprobs = probs.gather(1, tokens.unsqueeze(1)).squeeze(1).log()
    return tokens, logprobs


def _invert(probs: Tensor, uniform: Tensor) -> Tensor:
    """First index whose cumulative sum exceeds uniform * total; never an index of probability 0."""
    cumulative = probs.cumsum(-1)
    total = cumulative[:, -1:].contiguous()
    index = torch.searchsorted(cumulative, uniform.unsqueeze(1) * total, right=True)
    # Rounding can carry uniform * total up to the total itself; the first index that reaches it is the last possible.
    last = torch.searchsorted(cumulative, total)
    return torch.minimum(index, last).squeeze(1)


def _draw_truncated(probs: Tensor, uniform: Tensor, state: SamplerState) -> Tensor:
    """top_k, then top_p over what it keeps, then min_p relative to the likeliest: the order of transformers.

    Rows without truncation in the same batch keep everything, which needs a full sort; with a top_k on every
    truncating row (the default) those rows are drawn apart instead.
    """
    vocab = probs.shape[1]
    width = min(state.widest_top_k or vocab, vocab)
    values, order = (
        torch.topk(probs, width, dim=-1) if width < vocab else probs.sort(dim=-1, descending=True, stable=True)
    )
    rank = torch.arange(width, device=probs.device)
    values = values.masked_fill(rank >= state.top_k.unsqueeze(1), 0.0)
    before = values.cumsum(-1) - values
    values = values.masked_fill(before > state.top_p.unsqueeze(1) * values.sum(-1, keepdim=True), 0.0)
    values = values.masked_fill(values < state.min_p.unsqueeze(1) * values[:, :1], 0.0)
    tokens = order.gather(1, _invert(values, uniform).unsqueeze(1)).squeeze(1)
    if width < vocab:
        untruncated = state.top_k > width
        if bool(untruncated.any()):
            tokens = torch.where(untruncated, _invert(probs, uniform), tokens)
    return tokens


def _penalised(logits: Tensor, state: SamplerState, in_prompt: Tensor, in_answer: Tensor) -> Tensor:
    """Repetition penalty (Keskar et al. 2019, arXiv:1909.05858) over prompt and answer; presence over the answer.

    The logits come divided by the temperature, so the presence penalty is divided too.
    """
    repetition = state.repetition.unsqueeze(1)
    scaled = torch.where(logits > 0, logits / repetition, logits * repetition)
    logits = torch.where(in_prompt | in_answer, scaled, logits)
    return logits - in_answer * (state.presence / state.temperature).unsqueeze(1)
