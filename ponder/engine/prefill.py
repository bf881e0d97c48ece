"""Prefill: the prompts of new sequences, computed once for all rows that share one, and only as far as no prefix is
kept."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ponder.engine.attention import Extend, Prefill
from ponder.engine.batch import factor_indices
from ponder.engine.kernels import LENGTH_BUCKET, ROW_TILE, Forms, round_up
from ponder.engine.kv_cache import Slot
from ponder.engine.prefix import BLOCK, PrefixCache
from ponder.engine.protocol import Completion
from ponder.model.decoder import Decoder

# New tokens of a prompt with a kept beginning that attend at a time: the mask has this many rows of the whole length.
EXTEND_TOKENS = 256

Beginning = tuple[float, tuple[int, ...]]  # a YaRN factor and a prompt: rows that have both in common have equal keys
Group = dict[Beginning, list[int]]  # of each, where its sequences stand among those that are prefilled


def beginning_of(completion: Completion) -> Beginning:
    return completion.request.rope_factor, completion.request.prompt


class Prefiller:
    """Fills the slots of new sequences. `prefixes` is None where nothing is kept."""

    def __init__(self, decoder: Decoder, prefixes: PrefixCache | None, forms: Forms):
        self.decoder, self.prefixes, self.forms = decoder, prefixes, forms

    def __call__(self, sequences: Sequence[Completion], slots: Sequence[Slot]) -> Tensor:
        """Cache the sequences' prompts in their slots, which are long enough for them in whole buckets.

        Returns:
            # [sequences, vocab], float32, logits of the next token
        """
        cold: dict[int, Group] = {}  # by padded width
        warm: dict[int, Group] = {}  # by padded width of what is left to compute
        kept: dict[Beginning, list[int]] = {}
        for place, completion in enumerate(sequences):
            beginning = beginning_of(completion)
            factor, prompt = beginning
            blocks = kept[beginning] = self.prefixes.find(prompt, factor) if self.prefixes else []
            completion.cached_tokens = start = len(blocks) * BLOCK
            width = round_up(len(prompt) - start, LENGTH_BUCKET)
            groups = warm if blocks else cold
            groups.setdefault(width, {}).setdefault(beginning, []).append(place)
        shape = (round_up(len(sequences), ROW_TILE), self.decoder.config.hidden_size)
        hidden = torch.zeros(shape, device=self.decoder.device, dtype=self.decoder.dtype)
        # Prompts of one width go together, so that a prompt's padding does not depend on the batch.
        for width, group in cold.items():
            for end, places in zip(self._whole(group, slots, width), group.values(), strict=True):
                hidden[places] = end
        for width, group in warm.items():
            for beginning, places in group.items():
                self.prefixes.load(kept[beginning], *slots[places[0]])
            starts = [len(kept[beginning]) * BLOCK for beginning in group]
            for end, places in zip(self._rest(group, slots, starts, width), group.values(), strict=True):
                hidden[places] = end
        if self.prefixes:
            for (factor, prompt), slot in {beginning_of(c): s for c, s in zip(sequences, slots, strict=True)}.items():
                self.prefixes.store(prompt, factor, *slot)
        return self.decoder.logits(hidden, self.forms.rows)[: len(sequences)].float()

    def _whole(self, group: Group, slots: Sequence[Slot], width: int) -> Tensor:
        """Last hidden state of each prompt # [prompts, hidden]."""
        device = self.decoder.device
        ids = torch.zeros(len(group), width, dtype=torch.int64)
        for index, (_, prompt) in enumerate(group):
            ids[index, : len(prompt)] = torch.tensor(prompt)
        positions = torch.arange(width, device=device).repeat(len(group))
        attend = Prefill(width, [[slots[place] for place in places] for places in group.values()], device, self.forms)
        factors = self._factors(group, width)
        ids = ids.flatten().to(device)
        hidden = self.decoder(ids, positions, attend, width, factors, self.forms.rows)  # [prompts * width, hidden]
        ends = [index * width + len(prompt) - 1 for index, (_, prompt) in enumerate(group)]
        return hidden[torch.tensor(ends, device=device)]

    def _rest(self, group: Group, slots: Sequence[Slot], starts: list[int], width: int) -> Tensor:
        """Last hidden states # [prompts, hidden] of prompts whose first `starts` tokens lie in the first of their slots;
        at most `width` more of each are computed, and copied to their other slots."""
        device = self.decoder.device
        ids = torch.zeros(len(group), width, dtype=torch.int64)
        for index, ((_, prompt), start) in enumerate(zip(group, starts, strict=True)):
            ids[index, : len(prompt) - start] = torch.tensor(prompt[start:])
        ids = ids.to(device)
        for done in range(0, width, EXTEND_TOKENS):
            part = ids[:, done : done + EXTEND_TOKENS]
            sequences = [
                (slots[places[0]], start + done, min(part.shape[1], len(prompt) - start - done))
                for ((_, prompt), places), start in zip(group.items(), starts, strict=True)
            ]
            attend = Extend(part.shape[1], sequences, device)
            longest = max(starts) + done + part.shape[1]
            factors = self._factors(group, part.shape[1])
            hidden = self.decoder(part.flatten(), attend.positions, attend, longest, factors, self.forms.rows)
        # Padding is less than a bucket, so every prompt ends in the last part.
        last = [len(prompt) - start - done - 1 for (_, prompt), start in zip(group, starts, strict=True)]
        for (_, prompt), (first, *others) in group.items():
            for other in others:
                cache, row = slots[other]
                cache.copy_row(*slots[first], row, len(prompt))
        return hidden.unflatten(0, part.shape)[torch.arange(len(group)), last]

    def _factors(self, group: Group, width: int) -> Tensor | None:
        factors = factor_indices(self.decoder, [factor for factor, _ in group])
        return None if factors is None else factors.repeat_interleave(width)
