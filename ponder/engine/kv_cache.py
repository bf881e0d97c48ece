"""The KV cache: keys and values of the running sequences, one row each."""

import torch
from torch import Tensor

from ponder.engine.kernels import LENGTH_BUCKET, ROW_TILE, round_up
from ponder.model.config import ModelConfig


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
        self, rows: int, length: int, inserted: "KVCache | None" = None, target: int = 0, tokens: int = 0
    ) -> None:
        """Exactly so many rows, so long; what of the old lies within stays.

        Args:
            inserted: a cache whose first row's first `tokens` become the row `target`. It is emptied, layer by layer, so
                that no more than one layer is held twice.
        """
        for layer in range(len(self.keys)):
            self.keys[layer] = self._resized(self.keys[layer], rows, length)
            self.values[layer] = self._resized(self.values[layer], rows, length)
            if inserted:
                for ours, theirs in ((self.keys, inserted.keys), (self.values, inserted.values)):
                    ours[layer][target, :, :tokens] = theirs[layer][0, :, :tokens]
                    theirs[layer] = theirs[layer].new_zeros(0, self.kv_heads, 0, self.head_dim)
        if inserted:
            inserted.rows = inserted.length = 0
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


Slot = tuple[KVCache, int]  # the row of one sequence
