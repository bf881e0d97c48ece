"""What the learner learns from: token ledgers with a mask, cut into micro-batches by a token budget."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ponder.model.attention import PackedCausal


@dataclass(frozen=True)
class Sample:
    """One sequence. `mask` is 1 on the tokens that are learned (sampled by the policy, or written by the demonstrator);
    `logprobs` holds the sampler's log-probability of exactly those tokens, in order (empty for demonstrations)."""

    ids: list[int]
    mask: list[int]
    logprobs: list[float]
    advantage: float = 0.0

    def __post_init__(self):
        assert len(self.ids) == len(self.mask) and not self.mask[0], "the first token is never predicted"
        assert not self.logprobs or len(self.logprobs) == sum(self.mask)


@dataclass(frozen=True)
class MicroBatch:
    """Some samples packed end to end; tensors on the learner's device.

    `learned` points at the hidden states that predict the learned tokens, so that only those rows meet the vocabulary.
    """

    ids: Tensor  # [tokens]
    attend: PackedCausal
    learned: Tensor  # [learned], index of each predicting position in the stream
    targets: Tensor  # [learned], token ids
    sampler_logprobs: Tensor  # [learned]
    advantages: Tensor  # [learned]
    sample_of: Tensor  # [learned], number of the token's sample within this micro-batch
    samples: int


def micro_batches(samples: Sequence[Sample], token_budget: int) -> Iterator[list[Sample]]:
    """Longest first, so that sequences of like length are padded together and the peak of memory comes at once."""
    batch: list[Sample] = []
    for sample in sorted(samples, key=lambda s: -len(s.ids)):
        if batch and (len(batch) + 1) * len(batch[0].ids) > token_budget:
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch


def pack(samples: Sequence[Sample], device: torch.device) -> MicroBatch:
    ids, learned, targets, logprobs, advantages, sample_of = [], [], [], [], [], []
    for number, sample in enumerate(samples):
        where = [t for t, m in enumerate(sample.mask) if m]
        learned += [len(ids) + t - 1 for t in where]
        targets += [sample.ids[t] for t in where]
        logprobs += sample.logprobs or [0.0] * len(where)
        advantages += [sample.advantage] * len(where)
        sample_of += [number] * len(where)
        ids += sample.ids

    def tensor(values: list, dtype: torch.dtype) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    return MicroBatch(
        ids=tensor(ids, torch.int64),
        attend=PackedCausal([len(s.ids) for s in samples], device),
        learned=tensor(learned, torch.int64),
        targets=tensor(targets, torch.int64),
        sampler_logprobs=tensor(logprobs, torch.float32),
        advantages=tensor(advantages, torch.float32),
        sample_of=tensor(sample_of, torch.int64),
        samples=len(samples),
    )
