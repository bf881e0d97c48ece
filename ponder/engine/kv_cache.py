"""Keys and values of the running sequences, one row each, and attention over them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ponder.model.config import ModelConfig

# Matrix kernels choose their inner order by the number of rows when there are few. Whole tiles of rows, and whole
# buckets of positions, make a sequence's numbers the same alone and in any company (law 4; tests/engine).
ROW_TILE = 16
LENGTH_BUCKET = 32


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
        """Make room for `rows` sequences of `length` tokens; what is there stays.

        Lengths grow by half at least, so that growing costs little in all, but never past `limit`, the longest that
        any running sequence may become.
        """
        if rows <= self.rows and length <= self.length:
            return
        length = round_up(min(max(length, self.length * 3 // 2), max(limit, length)), LENGTH_BUCKET)
        self._resize(round_up(rows, ROW_TILE), length)

    def release(self) -> None:
        self._resize(0, 0)

    def _resize(self, rows: int, length: int) -> None:
        kept_rows, kept_length = min(rows, self.rows), min(length, self.length)
        for store in (self.keys, self.values):
            for layer, old in enumerate(store):
                # Zeros, not empty: masked positions get weight 0, and 0 * NaN would still be NaN.
                new = old.new_zeros(rows, self.kv_heads, length, self.head_dim)
                new[:kept_rows, :, :kept_length] = old[:kept_rows, :, :kept_length]
                store[layer] = new
        self.rows, self.length = rows, length

    def move(self, source: int, target: int, length: int) -> None:
        """Copy one row's first `length` positions onto another row."""
        for store in (self.keys, self.values):
            for tensor in store:
                tensor[target, :, :length] = tensor[source, :, :length]


class Prefill:
    """Prompts padded to one bucketed width; each prompt's keys and values go to all rows that share it."""

    def __init__(self, cache: KVCache, prompts: int, width: int, prompt_of_row: Tensor, rows: Tensor):
        self.cache, self.prompts, self.width = cache, prompts, width
        self.prompt_of_row, self.rows = prompt_of_row, rows  # [rows that share], [rows that share]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.reshape(self.prompts, self.width, *x.shape[1:]).transpose(1, 2) for x in (q, k, v))
        self.cache.keys[layer][self.rows, :, : self.width] = k[self.prompt_of_row]
        self.cache.values[layer][self.rows, :, : self.width] = v[self.prompt_of_row]
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
        return out.transpose(1, 2).reshape(self.prompts * self.width, -1)


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
        scores = torch.matmul(q, keys[:count, :, : self.length].transpose(-1, -2))  # [rows, kv_heads, group, length]
        weights = torch.softmax(scores.add_(self.mask), -1)
        return torch.matmul(weights, values[:count, :, : self.length]).reshape(count, -1)
