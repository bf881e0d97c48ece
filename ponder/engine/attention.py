"""How tokens attend to what is cached: whole prompts, more of a sequence, and one new token of each."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ponder.engine.kernels import LENGTH_BUCKET, Forms, add_values, attend_whole, round_up, score_keys
from ponder.engine.kv_cache import KVCache, Slot


class Prefill:
    """Prompts padded to one bucketed width; each prompt's keys and values go to all slots that share it."""

    def __init__(self, width: int, slots: Sequence[Sequence[Slot]], device: torch.device, forms: Forms):
        """slots: of each prompt"""
        self.prompts, self.width, self.forms = len(slots), width, forms
        of_cache: dict[KVCache, list[tuple[int, int]]] = {}
        for prompt, shared in enumerate(slots):
            for cache, row in shared:
                of_cache.setdefault(cache, []).append((prompt, row))
        self.parts = [(cache, *torch.tensor(pairs, device=device).unbind(1)) for cache, pairs in of_cache.items()]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.reshape(self.prompts, self.width, *x.shape[1:]).transpose(1, 2) for x in (q, k, v))
        for cache, prompts, rows in self.parts:
            cache.keys[layer][rows, :, : self.width] = k[prompts]
            cache.values[layer][rows, :, : self.width] = v[prompts]
        out = attend_whole(q, k, v, self.forms.prompts)
        return out.transpose(1, 2).reshape(self.prompts * self.width, -1)


class Extend:
    """More tokens of sequences whose beginnings are cached: each sees its row's beginning and the new ones to itself.

    Each sequence attends by itself, over a length that is its own: kernels choose their order by it (law 4).
    """

    def __init__(self, width: int, sequences: Sequence[tuple[Slot, int, int]], device: torch.device):
        """
        Args:
            width: new tokens of each sequence, padding included
            sequences: slot, tokens that are cached, new tokens
        """
        self.width, self.sequences = width, sequences
        places = torch.arange(width, device=device)
        self.positions = torch.cat([places + start for _, start, _ in sequences])  # [sequences * width]
        self.masks = []  # by sequence # [width, length], added to the scores
        for (cache, _), start, new in sequences:
            length = round_up(start + new, LENGTH_BUCKET)
            hidden = torch.arange(length, device=device) > (places + start).unsqueeze(1)
            mask = torch.zeros(width, length, dtype=cache.keys[0].dtype, device=device)
            self.masks.append(mask.masked_fill_(hidden, float("-inf")))

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Padding of a sequence writes nothing, and what comes out for it means nothing."""
        kv_heads, head_dim = k.shape[1:]
        out = []
        for index, (((cache, row), start, new), mask) in enumerate(zip(self.sequences, self.masks, strict=True)):
            own = slice(index * self.width, (index + 1) * self.width)
            keys, values = cache.keys[layer][row], cache.values[layer][row]  # [kv_heads, length of the cache, head_dim]
            keys[:, start : start + new] = k[own][:new].transpose(0, 1)
            values[:, start : start + new] = v[own][:new].transpose(0, 1)
            # Query heads of one key head stand as a batch: kernels that take a mask do not share keys among heads.
            grouped = q[own].unflatten(1, (kv_heads, -1)).permute(2, 1, 0, 3)  # [group, kv_heads, width, head_dim]
            shape = (len(grouped), kv_heads, mask.shape[1], head_dim)
            keys, values = keys[:, : mask.shape[1]].expand(shape), values[:, : mask.shape[1]].expand(shape)
            attended = F.scaled_dot_product_attention(grouped, keys, values, attn_mask=mask)
            out.append(attended.permute(2, 1, 0, 3).reshape(self.width, -1))
        return out[0] if len(out) == 1 else torch.cat(out)


class Decode:
    """One new token for each of the first `rows` rows, over everything cached for its row."""

    def __init__(self, cache: KVCache, positions: Tensor, longest: int, forms: Forms):
        """positions # [rows], where each row's new token stands; longest bounds positions + 1."""
        self.cache, self.positions, self.forms = cache, positions, forms
        self.rows = torch.arange(len(positions), device=positions.device)
        self.length = min(round_up(longest, LENGTH_BUCKET), cache.length)
        hidden = torch.arange(self.length, device=positions.device) > positions.unsqueeze(1)  # [rows, length]
        dtype = cache.keys[0].dtype
        self.mask = torch.zeros(hidden.shape, dtype=dtype, device=positions.device)
        self.mask = self.mask.masked_fill_(hidden, float("-inf"))[:, None, None, :]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        count, kv_heads, head_dim = k.shape
        keys, values = self.cache.keys[layer], self.cache.values[layer]
        keys[self.rows, :, self.positions] = k
        values[self.rows, :, self.positions] = v
        # Query heads of one key head form the rows of a small product: keys are read once, never repeated.
        q = q.reshape(count, kv_heads, -1, head_dim) * head_dim**-0.5
        scores = score_keys(q, keys[:count, :, : self.length], self.forms.keys)  # [rows, kv_heads, group, length]
        weights = torch.softmax(scores.add_(self.mask), -1)
        return add_values(weights, values[:count, :, : self.length], self.forms.values).reshape(count, -1)
