"""From logits to tokens: temperature, logit bias, repetition, presence and frequency penalties, masks of structured
output, top-k, top-p (nucleus sampling) and min-p, and one counted uniform number per token."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ponder.engine.protocol import SamplingParams
from ponder.engine.truncation import NARROW, ROWS_AT_ONCE, Truncation, draw_nucleus, draw_ranked, first, invert_rows


@dataclass
class SamplerState:
    """The sampling parameters of a batch as tensors, each # [rows]; made anew when the batch changes."""

    temperature: Tensor
    presence: Tensor
    frequency: Tensor
    repetition: Tensor
    any_scaled: bool
    any_penalised: bool
    truncations: list[Truncation]
    untruncated: Tensor | None  # rows, int64; None: all
    # logit_bias of all rows as triplets, each # [biases]; values are divided by the row's temperature
    bias_rows: Tensor
    bias_tokens: Tensor
    bias_values: Tensor
    top_logprobs: list[int]  # by row

    @classmethod
    def of(cls, params: Sequence[SamplingParams], device: torch.device) -> "SamplerState":
        def column(values: Sequence[float], dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)

        def all_or(rows: list[int]) -> Tensor | None:
            return None if len(rows) == len(params) else column(rows, torch.int64)

        def truncation(rows: list[int]) -> Truncation:
            ks = [_top_k(params[row]) for row in rows]
            # The likeliest token is greedy's, whatever the other parameters say.
            of = [SamplingParams(top_p=1.0) if params[row].temperature == 0 else params[row] for row in rows]
            width = max(ks) or None
            top_p, min_p = column([p.top_p for p in of]), column([p.min_p for p in of])
            return Truncation(all_or(rows), width, column(ks, torch.int64), top_p, min_p)

        # Apart, so that rows which need little do not pay for those which need much.
        narrow = [row for row, p in enumerate(params) if 0 < _top_k(p) <= NARROW]
        wide = [row for row, p in enumerate(params) if _top_k(p) > NARROW]
        nucleus = [row for row, p in enumerate(params) if p.truncates and not p.top_k]
        truncated = {*narrow, *wide, *nucleus}
        biases = [
            (row, token, bias / (p.temperature or 1.0)) for row, p in enumerate(params) for token, bias in p.logit_bias
        ]
        return cls(
            temperature=column([p.temperature or 1.0 for p in params]),
            presence=column([p.presence_penalty for p in params]),
            frequency=column([p.frequency_penalty for p in params]),
            repetition=column([p.repetition_penalty for p in params]),
            any_scaled=any(p.temperature not in (0, 1) for p in params),
            any_penalised=any(p.penalises for p in params),
            truncations=[truncation(rows) for rows in (narrow, wide, nucleus) if rows],
            untruncated=all_or([row for row in range(len(params)) if row not in truncated]),
            bias_rows=column([row for row, _, _ in biases], torch.int64),
            bias_tokens=column([token for _, token, _ in biases], torch.int64),
            bias_values=column([value for _, _, value in biases]),
            top_logprobs=[p.top_logprobs for p in params],
        )


def _top_k(params: SamplingParams) -> int:
    """0 is off; greedy keeps one."""
    return 1 if params.temperature == 0 else params.top_k


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
    if state.any_scaled:
        logits /= state.temperature.unsqueeze(1)
    if not (state.any_penalised or len(state.bias_rows) or allowed is not None):
        probs = _softmax_in_place(logits)
        tokens = _draw(probs, uniform, state)
        return tokens, probs.gather(1, tokens.unsqueeze(1)).squeeze(1).log()
    changed = _changed(logits, state, in_prompt, answer_counts, allowed)
    tokens = _draw(_softmax_in_place(changed), uniform, state)
    chosen, most = logits.gather(1, tokens.unsqueeze(1)).squeeze(1), logits.amax(-1)
    probs = _softmax_in_place(logits)
    logprobs = probs.gather(1, tokens.unsqueeze(1)).squeeze(1).log()
    # A forced token's probability may be below what float32 holds; its logarithm is not.
    exact = chosen - (most - probs.amax(-1).log())
    return tokens, torch.where(torch.isinf(logprobs), exact, logprobs)


def likeliest(logits: Tensor, state: SamplerState) -> list[tuple[tuple[int, float], ...]]:
    """For each row its `top_logprobs` likeliest tokens as (id, log-probability), best first, () where none are asked
    for, of the distribution whose log-probabilities `sample` returns.

    Args:
        logits: # [rows, vocab], float32, before `sample` has overwritten them
    """
    asking = [row for row, count in enumerate(state.top_logprobs) if count]
    best: list[tuple[tuple[int, float], ...]] = [()] * len(logits)
    if not asking:
        return best
    width, found = min(max(state.top_logprobs), logits.shape[1]), []
    for some in torch.tensor(asking, device=logits.device).split(ROWS_AT_ONCE):
        scaled = logits.index_select(0, some).div_(state.temperature[some].unsqueeze(1))
        logprobs = torch.log_softmax(scaled, -1)
        ids = first(logprobs, width)
        found.append(torch.stack((ids.double(), logprobs.gather(1, ids).double()), 2))
    for row, pairs in zip(asking, torch.cat(found).tolist(), strict=True):  # one way from a GPU
        best[row] = tuple((int(i), v) for i, v in pairs[: state.top_logprobs[row]])
    return best


def _softmax_in_place(logits: Tensor) -> Tensor:
    """Probabilities in the memory of the logits: new memory of this size costs a CPU more than the exponentials."""
    if logits.device.type != "cpu":
        return torch.softmax(logits, -1)
    return torch.softmax(logits, -1, out=logits)


def _draw(probs: Tensor, uniform: Tensor, state: SamplerState) -> Tensor:
    """A row's token depends on nothing of the batch: each is drawn by its own way, and sums run along the row, where the
    zeros of a batch's greater width change nothing."""
    if state.untruncated is None:
        return invert_rows(probs, uniform)
    tokens = torch.zeros(len(probs), dtype=torch.int64, device=probs.device)
    if len(state.untruncated):
        rows = state.untruncated
        tokens[rows] = invert_rows(probs[rows], uniform[rows])
    for truncation in state.truncations:
        draw = draw_ranked if truncation.width else draw_nucleus
        rows = truncation.rows
        if rows is None:
            return draw(probs, uniform, truncation)
        tokens[rows] = draw(probs[rows], uniform[rows], truncation)
    return tokens


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
