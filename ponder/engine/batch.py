"""What the sampler reads and advances: the sequences that get a token in this step, as tensors."""

import operator
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ponder.engine.counting import uniforms
from ponder.engine.protocol import Completion
from ponder.engine.sampler import SamplerState
from ponder.model.decoder import Decoder


class Batch:
    """Good for as many steps as the same sequences get a token."""

    def __init__(self, completions: Sequence[Completion], decoder: Decoder):
        self.device, self.vocab_size = decoder.device, decoder.config.vocab_size
        self.completions = completions
        self.seeds = np.array([c.request.seed for c in completions], dtype=np.uint64)
        self.counts = np.array([len(c.ids) for c in completions], dtype=np.uint64)
        self.sampler = SamplerState.of([c.request.params for c in completions], self.device)
        self.in_prompt = self.answer_counts = None
        if self.sampler.any_penalised:
            self.in_prompt = _counts([c.request.prompt for c in completions], self.vocab_size, self.device) > 0
            self.answer_counts = _counts([_answer(c) for c in completions], self.vocab_size, self.device)
        self.masked = [(row, c) for row, c in enumerate(completions) if c.request.mask]

    def of(self, completions: Sequence[Completion]) -> bool:
        """Whether it is these sequences' batch."""
        return len(completions) == len(self.completions) and all(map(operator.is_, completions, self.completions))

    def allowed(self) -> Tensor | None:
        """# [rows, vocab], bool: what the masks let through; None where no row has one. A sequence whose mask has
        failed is ended as aborted, and everything is let through for it."""
        if not self.masked:
            return None
        allowed = torch.ones(len(self.completions), self.vocab_size, dtype=torch.bool)
        for row, completion in self.masked:
            try:
                allowed[row] = _let_through(completion, self.vocab_size)
            except BaseException as error:  # a panic in a grammar written in Rust is no Exception
                completion.fail(error)
                allowed[row] = True
        return allowed.to(self.device)

    def next_uniforms(self) -> Tensor:
        return torch.from_numpy(uniforms(self.seeds, self.counts)).to(self.device)

    def advance(self, tokens: Tensor) -> None:
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
