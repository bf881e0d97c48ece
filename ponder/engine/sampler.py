"""From logits to tokens: temperature, logit bias, repetition, presence and frequency penalties, masks of structured
output, top-k, top-p (nucleus sampling) and min-p, and one counted uniform number per token."""

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
    frequency: Tensor
    repetition: Tensor
    truncated: Tensor
    any_greedy: bool
    any_truncated: bool
    all_truncated: bool
    any_penalised: bool
    widest_top_k: int  # 0 where some row that truncates has no top_k
    # logit_bias of all rows as triplets, each # [biases]; values are divided by the row's temperature
    bias_rows: Tensor
    bias_tokens: Tensor
    bias_values: Tensor
    top_logprobs: list[int]  # by row

    @classmethod
    def of(cls, params: Sequence[SamplingParams], device: torch.device) -> "SamplerState":
        def column(values: Sequence[float], dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)

        truncating = [p for p in params if p.truncates]
        biases = [
            (row, token, bias / (p.temperature or 1.0)) for row, p in enumerate(params) for token, bias in p.logit_bias
        ]
        return cls(
            temperature=column([p.temperature or 1.0 for p in params]),
            greedy=column([p.temperature == 0 for p in params], torch.bool),
            top_k=column([p.top_k if p.truncates and p.top_k else 2**31 - 1 for p in params], torch.int64),
            top_p=column([p.top_p if p.truncates else 1.0 for p in params]),
            min_p=column([p.min_p if p.truncates else 0.0 for p in params]),
            presence=column([p.presence_penalty for p in params]),
            frequency=column([p.frequency_penalty for p in params]),
            repetition=column([p.repetition_penalty for p in params]),
            truncated=column([p.truncates for p in params], torch.bool),
            any_greedy=any(p.temperature == 0 for p in params),
            any_truncated=bool(truncating),
            all_truncated=len(truncating) == len(params),
            any_penalised=any(p.penalises for p in params),
            widest_top_k=max((p.top_k for p in truncating), default=0) if all(p.top_k for p in truncating) else 0,
            bias_rows=column([row for row, _, _ in biases], torch.int64),
            bias_tokens=column([token for _, token, _ in biases], torch.int64),
            bias_values=column([value for _, _, value in biases]),
            top_logprobs=[p.top_logprobs for p in params],
        )


def sample(
    logits: Tensor,
    uniform: Tensor,
    state: SamplerState,
    in_prompt: Tensor | None,
    answer_counts: Tensor | None,
    allowed: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw one token a row by inverting the cumulative distribution at `uniform`.

    Args:
        logits: # [rows, vocab], float32; overwritten
        uniform: # [rows], float32 in [0, 1)
        in_prompt: # [rows, vocab], bool; needed, like answer_counts, only where a row penalises
        answer_counts: # [rows, vocab], int32: how many times each token stands in the answer so far
        allowed: # [rows, vocab], bool; each row has at least one; None where no row has a mask
    Returns:
        tokens: # [rows], int64
        logprobs: # [rows], float32, under softmax(logits / temperature): untruncated, unpenalised, unbiased, unmasked
    """
    logits /= state.temperature.unsqueeze(1)
    probs = torch.softmax(logits, -1)
    chosen = probs
    if state.any_penalised or len(state.bias_rows) or allowed is not None:
        chosen = torch.softmax(_changed(logits, state, in_prompt, answer_counts, allowed), -1)
    tokens = _draw_truncated(chosen, uniform, state) if state.any_truncated else _invert(chosen, uniform)
    if state.any_greedy:
        tokens = torch.where(state.greedy, chosen.argmax(-1), tokens)
    logprobs = probs.gather(1, tokens.unsqueeze(1)).squeeze(1).log()
    if chosen is not probs:
        # A forced token's probability may be below what float32 holds; its logarithm is not.
        exact = logits.gather(1, tokens.unsqueeze(1)).squeeze(1) - logits.logsumexp(-1)
        logprobs = torch.where(torch.isinf(logprobs), exact, logprobs)
    return tokens, logprobs


def likeliest(logits: Tensor, state: SamplerState) -> list[tuple[tuple[int, float], ...]]:
    """For each row its `top_logprobs` likeliest tokens as (id, log-probability), best first, () where none are asked
    for, of the distribution whose log-probabilities `sample` returns.

    Args:
        logits: # [rows, vocab], float32, before `sample` has overwritten them
    """
    logprobs = torch.log_softmax(logits / state.temperature.unsqueeze(1), -1)
    ids = _first(2**31 - 1 - logprobs.abs().view(torch.int32), min(max(state.top_logprobs), logprobs.shape[1]))
    values = logprobs.gather(1, ids)
    found = torch.stack((ids.double(), values.double()), 2).tolist()  # [rows, most, 2], one way from a GPU
    return [tuple((int(i), v) for i, v in best[:count]) for best, count in zip(found, state.top_logprobs, strict=True)]


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

    A row's token depends on nothing of the batch: rows without truncation are drawn as they are alone, in the order of
    the vocabulary, and sums run along the row, where the zeros of a batch's greater width change nothing.
    """
    vocab = probs.shape[1]
    width = min(state.widest_top_k or vocab, vocab)
    order = _first(probs.view(torch.int32), width)
    values = probs.gather(1, order)
    rank = torch.arange(width, device=probs.device)
    values = values.masked_fill(rank >= state.top_k.unsqueeze(1), 0.0)
    cumulative = values.cumsum(-1)
    values = values.masked_fill(cumulative - values > state.top_p.unsqueeze(1) * cumulative[:, -1:], 0.0)
    values = values.masked_fill(values < state.min_p.unsqueeze(1) * values[:, :1], 0.0)
    tokens = order.gather(1, _invert(values, uniform).unsqueeze(1)).squeeze(1)
    return tokens if state.all_truncated else torch.where(state.truncated, tokens, _invert(probs, uniform))


def _first(ranks: Tensor, width: int) -> Tensor:
    """Where the `width` greatest of each row stand # [rows, width], greatest first, and equals by their index: the same
    whatever the width, which belongs to the batch (law 4). Logits of bfloat16 have many equals.

    Args:
        ranks: # [rows, vocab], int32, at least 0; the bits of a float32 that is not negative have its order
    """
    vocab = ranks.shape[1]
    keys = ranks.to(torch.int64).bitwise_left_shift_(32)
    keys |= torch.arange(vocab - 1, -1, -1, device=ranks.device)
    keys = keys.topk(width, dim=-1).values if width < vocab else keys.sort(dim=-1, descending=True).values
    return vocab - 1 - (keys & (2**32 - 1))


def _changed(
    logits: Tensor, state: SamplerState, in_prompt: Tensor | None, answer_counts: Tensor | None, allowed: Tensor | None
) -> Tensor:
    """New logits with what the request asks for, in vLLM's order: bias, penalties, mask."""
    changed = logits
    if len(state.bias_rows):
        changed = logits.index_put((state.bias_rows, state.bias_tokens), state.bias_values, accumulate=True)
    if state.any_penalised:
        assert in_prompt is not None and answer_counts is not None
        changed = _penalised(changed, state, in_prompt, answer_counts)
    return changed if allowed is None else changed.masked_fill(~allowed, float("-inf"))


def _penalised(logits: Tensor, state: SamplerState, in_prompt: Tensor, answer_counts: Tensor) -> Tensor:
    """Repetition penalty (Keskar et al. 2019, arXiv:1909.05858) over prompt and answer; presence and frequency over the
    answer.

    The logits come divided by the temperature, so the penalties that are subtracted are divided too.
    """
    in_answer = answer_counts > 0
    repetition = state.repetition.unsqueeze(1)
    scaled = torch.where(logits > 0, logits / repetition, logits * repetition)
    logits = torch.where(in_prompt | in_answer, scaled, logits)
    logits = logits - in_answer * (state.presence / state.temperature).unsqueeze(1)
    return logits - answer_counts * (state.frequency / state.temperature).unsqueeze(1)
