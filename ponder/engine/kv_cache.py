"""Keys and values of the running sequences, one row each, and attention over them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ponder.model.config import ModelConfig

# Matrix kernels choose their inner order by the number of rows when there are few. Whole tiles of rows, and whole
# buckets of positions, make a sequence's numbers the same alone and in any company (law 4; tests/engine).
ROW_TILE = 16
LENGTH_BUCKET = 32
SMALL = 4096  # multiplications of a batch of matrix products, up to which oneDNN leaves bfloat16 to another kernel
FEW = 3  # query heads of one key head, with which a product over positions is added in order


def round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


class KVCache:
    """Rectangles # [rows, kv_heads, length, head_dim], one pair per layer, sized to what the running batch needs."""

    def __init__(self, config: ModelConfig, device: torch.device, dtype: torch.dtype):
        self.kv_heads, self.head_dim = config.num_kv_heads, config.head_dim
        empty = torch.zeros(0, self.kv_heads, 0, self.head_dim, device=device, dtype=dtype)
        self.keys, self.values = [empty] * config.num_layers, [empty] * config.num_layers
        self.rows = self.length = 0

    def reserve(self, rows: int, length: int, limit: int) -> None:
        """Make room for `rows` sequences of `length` tokens, in whole tiles; what is in the first `rows` rows stays.

        Lengths grow by half at least, so that growing costs little in all, but never past `limit`, the longest that
        any running sequence may become.
        """
        if rows <= self.rows and length <= self.length:
            return
        length = round_up(min(max(length, self.length * 3 // 2), max(limit, length)), LENGTH_BUCKET)
        self.resize(round_up(rows, ROW_TILE), length)

    def release(self) -> None:
        self.resize(0, 0)

    def resize(
        self, rows: int, length: int, adopted: "KVCache | None" = None, target: int = 0, tokens: int = 0
    ) -> None:
        """Exactly so many rows, so long; what of the old lies within stays.

        Args:
            adopted: a cache whose first row's first `tokens` become the row `target`. It is emptied, layer by layer, so
                that no more than one layer is held twice.
        """
        for layer in range(len(self.keys)):
            self.keys[layer] = self._resized(self.keys[layer], rows, length)
            self.values[layer] = self._resized(self.values[layer], rows, length)
            if adopted:
                for ours, theirs in ((self.keys, adopted.keys), (self.values, adopted.values)):
                    ours[layer][target, :, :tokens] = theirs[layer][0, :, :tokens]
                    theirs[layer] = theirs[layer].new_zeros(0, self.kv_heads, 0, self.head_dim)
        if adopted:
            adopted.rows = adopted.length = 0
        self.rows, self.length = rows, length

    def _resized(self, old: Tensor, rows: int, length: int) -> Tensor:
        if (rows, length) == (self.rows, self.length):
            return old
        kept_rows, kept_length = min(rows, self.rows), min(length, self.length)
        # Zeros, not empty: masked positions get weight 0, and 0 * NaN would still be NaN.
        new = old.new_zeros(rows, self.kv_heads, length, self.head_dim)
        new[:kept_rows, :, :kept_length] = old[:kept_rows, :, :kept_length]
        return new

    def copy_row(self, other: "KVCache", source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of a row of another cache, or of this one, onto one of this."""
        for ours, theirs in ((self.keys, other.keys), (self.values, other.values)):
            for to, of in zip(ours, theirs, strict=True):
                to[target, :, :length] = of[source, :, :length]


Seat = tuple[KVCache, int]  # a sequence's row


class Prefill:
    """Prompts padded to one bucketed width; each prompt's keys and values go to all seats that share it."""

    def __init__(self, width: int, seats: Sequence[Sequence[Seat]], device: torch.device):
        """seats: of each prompt"""
        self.prompts, self.width = len(seats), width
        of_cache: dict[KVCache, list[tuple[int, int]]] = {}
        for prompt, shared in enumerate(seats):
            for cache, row in shared:
                of_cache.setdefault(cache, []).append((prompt, row))
        self.parts = [(cache, *torch.tensor(pairs, device=device).unbind(1)) for cache, pairs in of_cache.items()]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.reshape(self.prompts, self.width, *x.shape[1:]).transpose(1, 2) for x in (q, k, v))
        for cache, prompts, rows in self.parts:
            cache.keys[layer][rows, :, : self.width] = k[prompts]
            cache.values[layer][rows, :, : self.width] = v[prompts]
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
        return out.transpose(1, 2).reshape(self.prompts * self.width, -1)


class Extend:
    """More tokens of sequences whose beginnings are cached: each sees its row's beginning and the new ones to itself.

    Each sequence attends by itself, over a length that is its own: kernels choose their order by it (law 4).
    """

    def __init__(self, width: int, sequences: Sequence[tuple[Seat, int, int]], device: torch.device):
        """
        Args:
            width: new tokens of each sequence, padding included
            sequences: seat, tokens that are cached, new tokens
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

    def __init__(self, cache: KVCache, positions: Tensor, longest: int):
        """positions # [rows], where each row's new token stands; longest bounds positions + 1."""
        self.cache, self.positions = cache, positions
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
        scores = _product(q, keys[:count, :, : self.length].transpose(-1, -2))  # [rows, kv_heads, group, length]
        weights = torch.softmax(scores.add_(self.mask), -1)
        return _weighted(weights, values[:count, :, : self.length]).reshape(count, -1)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Matrix products of rows and heads # [rows, kv_heads, ...]. In bfloat16 another kernel takes those that are small in
    all; so that one row does not depend on there being others, it has copies beside it."""
    if a.dtype == torch.float32 or a.numel() * b.shape[-1] > SMALL:
        return torch.matmul(a, b)
    return torch.matmul(a.repeat(ROW_TILE, 1, 1, 1), b.repeat(ROW_TILE, 1, 1, 1))[: len(a)]


def _weighted(weights: Tensor, values: Tensor) -> Tensor:
    """weights # [rows, kv_heads, group, length], values # [rows, kv_heads, length, head_dim] -> their product, added up
    in an order that does not depend on the length: positions whose weight is 0 change nothing.

    In float32 on the CPU the matrix kernel for groups of more than FEW heads takes its order from the length; these are
    added bucket by bucket, at up to twice the time. With FEW heads, and in bfloat16, the order is fixed anyway.
    """
    group, length = weights.shape[2:]
    if group <= FEW or weights.dtype != torch.float32 or weights.device.type != "cpu":
        return _product(weights, values)
    rows = weights.shape[:2]
    weights, values = weights.flatten(0, 1), values.flatten(0, 1)
    out = torch.bmm(weights[..., :LENGTH_BUCKET], values[:, :LENGTH_BUCKET])
    for start in range(LENGTH_BUCKET, length, LENGTH_BUCKET):
        bucket = slice(start, start + LENGTH_BUCKET)
        out.baddbmm_(weights[..., bucket], values[:, bucket])
    return out.unflatten(0, rows)
