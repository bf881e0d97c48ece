"""What the learner learns from: token ledgers with a mask, cut into micro-batches by a token budget."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ponder.model.attention import PackedCausal, SharedPrompts, attends_as_rows


@dataclass(frozen=True)
class Sample:
    """One sequence. `mask` is 1 on the tokens that are learned (sampled by the policy, or written by the demonstrator);
    `logprobs` holds the sampler's log-probability of exactly those tokens, in order (empty for demonstrations), and
    `old_logprobs` the learner's before the step's first update, where an objective asks for these too. `number` tells the
    samples of a step apart, `group` says with which others its advantage was made. Samples with a `pair` are computed together with
    the other of that number, which has the same prompt, and stand behind each other."""

    ids: list[int]
    mask: list[int]
    logprobs: list[float]
    advantage: float = 0.0
    number: int = 0
    old_logprobs: list[float] | None = None
    group: int = 0
    pair: int | None = None

    def __post_init__(self):
        assert len(self.ids) == len(self.mask) and not self.mask[0], "the first token is never predicted"
        assert not self.logprobs or len(self.logprobs) == sum(self.mask)

    @cached_property
    def prompt_length(self) -> int:
        """Tokens before the first learned one."""
        return self.mask.index(1)

    @cached_property
    def prompt(self) -> tuple[int, ...]:
        return tuple(self.ids[: self.prompt_length])


@dataclass(frozen=True)
class MicroBatch:
    """Some samples in one stream; tensors on the learner's device.

    `learned` points at the hidden states that predict the learned tokens, so that only those rows meet the vocabulary.
    """

    ids: Tensor  # [tokens]
    attend: PackedCausal | SharedPrompts
    learned: Tensor  # [learned], index of each predicting position in the stream
    targets: Tensor  # [learned], token ids
    sampler_logprobs: Tensor  # [learned]
    advantages: Tensor  # [learned]
    sample_of: Tensor  # [learned], number of the token's sample within this micro-batch
    old_logprobs: Tensor | None = None  # [learned], the learner's before the step's first update
    ends: Tensor | None = None  # [samples], index of each sample's last token in the stream


def divide(samples: Sequence[Sample], token_budget: int, shares: int) -> list[list[list[Sample]]]:
    """The micro-batches of each of `shares` processes, so that none has much more to do than the others.

    Whole bundles go to whoever has least, longest first. While the busiest has a tenth more than an even share, its longest
    bundle is dealt out in as many parts as there are processes, each with the prompt: where three groups meet two processes,
    each takes one and half of the third.
    """
    if shares == 1:
        return [list(micro_batches(samples, token_budget))]
    bundles = _bundles(samples)
    best = _dealt(bundles, shares)
    for _ in range(len(bundles)):
        if _busiest(best) * shares <= 1.1 * sum(map(_share_cost, best)):
            break
        fullest = max(best, key=_share_cost)
        longest = max(fullest, key=lambda bundle: (_divisible(bundle), _cost(bundle)))
        if not _divisible(longest):
            break
        parts = [part for i in range(shares) if (part := longest[i::shares])]
        bundles = [bundle for bundle in bundles if bundle is not longest] + parts
        tried = _dealt(bundles, shares)
        if _busiest(tried) >= _busiest(best):
            break
        best = tried
    return [list(micro_batches([s for bundle in share for s in bundle], token_budget)) for share in best]


def _dealt(bundles: Sequence[list[Sample]], shares: int) -> list[list[list[Sample]]]:
    dealt: list[list[list[Sample]]] = [[] for _ in range(shares)]
    costs = [0] * shares
    for bundle in sorted(bundles, key=_cost, reverse=True):
        least = costs.index(min(costs))
        dealt[least].append(bundle)
        costs[least] += _cost(bundle)
    return dealt


def _busiest(dealt: Sequence[list[list[Sample]]]) -> int:
    return max(map(_share_cost, dealt))


def _share_cost(share: Sequence[list[Sample]]) -> int:
    return sum(map(_cost, share))


def _cost(bundle: Sequence[Sample]) -> int:
    """Tokens that go through the decoder."""
    prompt = bundle[0].prompt_length
    return prompt + sum(len(sample.ids) - prompt for sample in bundle)


def micro_batches(samples: Sequence[Sample], token_budget: int) -> Iterator[list[Sample]]:
    """Whole bundles of samples that share a prompt, equally many in each bundle, at most `token_budget` tokens in all
    (padding counted). A bundle that has more is cut, and then shares its prompt less often; one sample may have more.

    Longest first, so that like lengths are padded together and the peak of memory comes at once.
    """
    bundles = [part for bundle in _bundles(samples) for part in _cut(bundle, token_budget)]
    by_size: dict[int, list[list[Sample]]] = {}
    for bundle in bundles:
        by_size.setdefault(len(bundle), []).append(bundle)
    for size, bundles in sorted(by_size.items()):
        bundles.sort(key=lambda bundle: -max(len(s.ids) for s in bundle))
        taken: list[list[Sample]] = []
        for bundle in bundles:
            if taken and _padded_tokens([*taken, bundle], size) > token_budget:
                yield [sample for one in taken for sample in one]
                taken = []
            taken.append(bundle)
        yield [sample for one in taken for sample in one]


def pack(samples: Sequence[Sample], device: torch.device) -> MicroBatch:
    """`samples` as cut by `micro_batches`. A prompt that several share stands in the stream once, before all answers."""
    bundles = _bundles(samples)
    share = len(bundles) < len(samples)
    ids, prompt_ends = [], []
    if share:
        for bundle in bundles:
            ids += bundle[0].prompt
            prompt_ends.append(len(ids) - 1)
    learned, targets, logprobs, advantages, sample_of, ends, old = [], [], [], [], [], [], []
    numbered = [(b, sample) for b, bundle in enumerate(bundles) for sample in bundle]
    for number, (b, sample) in enumerate(numbered):
        skipped = sample.prompt_length if share else 0
        start = len(ids) - skipped  # where the sample's first token stands, or would stand
        where = [t for t, m in enumerate(sample.mask) if m]
        # The first token of an answer is predicted by the last of its prompt.
        learned += [prompt_ends[b] if share and t == skipped else start + t - 1 for t in where]
        targets += [sample.ids[t] for t in where]
        logprobs += sample.logprobs or [0.0] * len(where)
        advantages += [sample.advantage] * len(where)
        sample_of += [number] * len(where)
        ends.append(start + len(sample.ids) - 1)
        old += sample.old_logprobs or []
        ids += sample.ids[skipped:]

    def tensor(values: list, dtype: torch.dtype) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    if share:
        answers = [[len(s.ids) - s.prompt_length for s in bundle] for bundle in bundles]
        attend = SharedPrompts([bundle[0].prompt_length for bundle in bundles], answers, device)
    else:
        attend = PackedCausal([len(s.ids) for s in samples], device)
    return MicroBatch(
        ids=tensor(ids, torch.int64),
        attend=attend,
        learned=tensor(learned, torch.int64),
        targets=tensor(targets, torch.int64),
        sampler_logprobs=tensor(logprobs, torch.float32),
        advantages=tensor(advantages, torch.float32),
        sample_of=tensor(sample_of, torch.int64),
        ends=tensor(ends, torch.int64),
        old_logprobs=tensor(old, torch.float32) if old else None,
    )


def kept_weights(samples: Sequence[Sample]) -> int:
    """How many attention weights each token of a micro-batch keeps for the backward pass, for each head; 0 where a fused
    kernel keeps none."""
    if len({sample.prompt for sample in samples}) == len(samples):
        return 0
    prompt = max(sample.prompt_length for sample in samples)
    answer = max(len(sample.ids) - sample.prompt_length for sample in samples)
    return 0 if attends_as_rows(prompt, answer) else prompt + answer


def _bundles(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Those that share a prompt; pairs are by themselves, whatever else has their prompt."""
    by_prompt: dict[tuple[tuple[int, ...], int | None], list[Sample]] = {}
    for sample in samples:
        by_prompt.setdefault((sample.prompt, sample.pair), []).append(sample)
    return list(by_prompt.values())


def _divisible(bundle: list[Sample]) -> bool:
    return len(bundle) > 1 and bundle[0].pair is None


def _cut(bundle: list[Sample], token_budget: int) -> list[list[Sample]]:
    """A bundle in equal parts that keep to the budget, as far as single samples do: one prompt may be a step's only one
    (one-shot RLVR)."""
    if not _divisible(bundle) or _padded_tokens([bundle], len(bundle)) <= token_budget:
        return [bundle]
    prompt = bundle[0].prompt_length
    answer = max(len(s.ids) for s in bundle) - prompt
    size = max(1, (token_budget - prompt) // max(1, answer))
    count = -(-len(bundle) // size)
    return [bundle[i::count] for i in range(count)]


def _padded_tokens(bundles: list[list[Sample]], size: int) -> int:
    prompt = max(bundle[0].prompt_length for bundle in bundles)
    answer = max(len(s.ids) - s.prompt_length for bundle in bundles for s in bundle)
    return len(bundles) * (prompt + size * answer)
