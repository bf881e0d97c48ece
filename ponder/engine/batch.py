"""What one step of the engine reads and advances: the running sequences as tensors."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ponder.engine.counting import uniforms
from ponder.engine.kernels import ROW_TILE, round_up
from ponder.engine.protocol import Completion
from ponder.engine.sampler import SamplerState
from ponder.model.decoder import Decoder


class Batch:
    """Some sequences as tensors, padded to whole tiles of rows: what one step reads and advances."""

    def __init__(self, completions: Sequence[Completion], decoder: Decoder):
        device, self.vocab_size = decoder.device, decoder.config.vocab_size
        self.rows = len(completions)
        padding = [0] * (round_up(self.rows, ROW_TILE) - self.rows)
        lengths = [len(c.request.prompt) + len(c.ids) for c in completions]
        last_ids = [c.ids[-1] if c.ids else c.request.prompt[-1] for c in completions]
        self.last_ids = torch.tensor(last_ids + padding, device=device)  # [padded], tokens not yet cached
        self.positions = torch.tensor([n - 1 for n in lengths] + padding, device=device)  # [padded], where they stand
        self.longest = max(lengths)
        self.factors = factor_indices(decoder, [c.request.rope_factor for c in completions] + [1.0] * len(padding))
        self.seeds = np.array([c.request.seed for c in completions], dtype=np.uint64)
        self.counts = np.array([len(c.ids) for c in completions], dtype=np.uint64)
        self.sampler = SamplerState.of([c.request.params for c in completions], device)
        self.in_prompt = self.answer_counts = None
        if self.sampler.any_penalised:
            self.in_prompt = _counts([c.request.prompt for c in completions], self.vocab_size, device) > 0
            self.answer_counts = _counts([_answer(c) for c in completions], self.vocab_size, device)
        self.masked = [(row, c) for row, c in enumerate(completions) if c.request.mask]

    def allowed(self) -> Tensor | None:
        """# [rows, vocab], bool: what the masks let through; None where no row has one. A sequence whose mask has
        failed is ended as aborted, and everything is let through for it."""
        if not self.masked:
            return None
        allowed = torch.ones(self.rows, self.vocab_size, dtype=torch.bool)
        for row, completion in self.masked:
            try:
                allowed[row] = _let_through(completion, self.vocab_size)
            except BaseException as error:  # a panic in a grammar written in Rust is no Exception
                completion.fail(error)
                allowed[row] = True
        return allowed.to(self.last_ids.device)

    def next_uniforms(self) -> Tensor:
        return torch.from_numpy(uniforms(self.seeds, self.counts)).to(self.last_ids.device)

    def advance(self, tokens: Tensor) -> None:
        self.last_ids[: self.rows] = tokens
        self.positions[: self.rows] += 1
        self.longest += 1
        self.counts += np.uint64(1)
        if self.answer_counts is not None:
            places = tokens.unsqueeze(1)
            self.answer_counts.scatter_add_(1, places, torch.ones_like(places, dtype=torch.int32))


def _answer(completion: Completion) -> Sequence[int]:
    prompt, answered = completion.request.prompt, completion.request.answered
    return (*prompt[len(prompt) - answered :], *completion.ids)


def _counts(sequences: Sequence[Sequence[int]], vocab_size: int, device: torch.device) -> Tensor:
    """# [rows, vocab], int32: how many times each token stands in each row's sequence."""
    counts = [torch.bincount(torch.tensor(list(s), dtype=torch.int64), minlength=vocab_size) for s in sequences]
    return torch.stack(counts).to(device, torch.int32)


def factor_indices(decoder: Decoder, factors: Sequence[float]) -> Tensor | None:
    """# [len(factors)], int64: for the rotary table; None where all are 1, the common case, which needs no look-up."""
    if all(factor == 1 for factor in factors):
        return None
    return torch.tensor([decoder.rotary.index(factor) for factor in factors], device=decoder.device)


def _let_through(completion: Completion, vocab_size: int) -> Tensor:
    """# [vocab], bool. Raises ValueError where nothing is, or the mask is of another size."""
    mask = completion.request.mask
    assert mask is not None
    if mask.finished:
        allowed = torch.zeros(vocab_size, dtype=torch.bool)
        allowed[[token for token in completion.request.params.stop_ids if 0 <= token < vocab_size]] = True
    else:
        allowed = mask.allowed()
    if tuple(allowed.shape) != (vocab_size,):
        raise ValueError(f"the mask has the shape {tuple(allowed.shape)}, and the vocabulary {vocab_size} tokens")
    if not bool(allowed.any()):
        raise ValueError("the mask allows no token")
    return allowed
