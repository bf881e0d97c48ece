"""Attention of one new token of each running sequence where batches need not be invariant: as `engine/decode.py`, but every
block's scores stand once, whatever the length of the longest, and the softmax is put together from its blocks' parts."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ponder.engine.decode import Decode, layout, seen
from ponder.engine.kernels import BLOCK
from ponder.engine.kv_cache import KVCache

# Times the blocks that rows have, up to which all rows are rather as wide as the longest.
MOST_PADDING = 1.5


def fast_decode_rows(cache: KVCache, tables: Sequence[np.ndarray], positions: np.ndarray) -> "Decode | RaggedDecode":
    """What is quicker for these rows."""
    counts = positions // BLOCK + 1
    ragged = len(counts) * counts.max() > MOST_PADDING * counts.sum()
    return (RaggedDecode if ragged else Decode)(cache, tables, positions)


class RaggedDecode:
    """
    Args:
        tables: of each row its block table # [blocks], int64
        positions: # [rows], int64, where each row's new token stands; its keys are cached
    """

    def __init__(self, cache: KVCache, tables: Sequence[np.ndarray], positions: np.ndarray):
        self.cache, self.rows = cache, len(tables)
        counts, numbers, rows = seen(tables, positions)
        stretches, places, owners = layout(numbers, rows)
        last = places[np.cumsum(counts) - 1]  # of each row
        hidden = np.ones((len(owners), BLOCK), dtype=bool)  # a block between those in use stays hidden as a whole
        hidden[places] = False
        hidden[last] = np.arange(BLOCK) > (positions % BLOCK)[:, None]

        def tensor(numbers: np.ndarray) -> Tensor:
            return torch.from_numpy(numbers).to(cache.device)

        self.table = None if stretches else tensor(numbers)
        self.stretches = stretches or [(0, len(numbers))]
        self.owners = tensor(owners)  # [places], the row of each block
        self.hidden = tensor(hidden)[:, None, None]  # [places, 1, 1, BLOCK]

    def __call__(self, layer: int, q: Tensor) -> Tensor:
        """q # [rows, heads, head_dim] -> [rows, heads * head_dim]"""
        kv_heads, head_dim = self.cache.config.num_kv_heads, q.shape[-1]
        # Query heads of one key head form the rows of a small product: keys are read once, never repeated.
        q = (q * head_dim**-0.5).reshape(self.rows, kv_heads, -1, head_dim).index_select(0, self.owners)
        places, _, group, _ = q.shape
        scores = self._products(q, self.cache.keys[layer], BLOCK, transposed=True).float()
        scores = scores.view(places, kv_heads, group, BLOCK).masked_fill_(self.hidden, float("-inf"))
        owners = self.owners[:, None, None].expand(places, kv_heads, group)
        most = torch.full((self.rows, kv_heads, group), float("-inf"), device=q.device)
        most.scatter_reduce_(0, owners, scores.amax(-1), "amax")
        weights = scores.sub_(most.index_select(0, self.owners).unsqueeze(-1)).exp_()
        sums = torch.zeros_like(most).scatter_add_(0, owners, weights.sum(-1))
        parts = self._products(weights.to(q.dtype), self.cache.values[layer], head_dim, transposed=False)
        out = torch.zeros(self.rows, kv_heads, group, head_dim, device=q.device)
        out.index_add_(0, self.owners, parts.view(places, kv_heads, group, head_dim).float())
        return out.div_(sums.unsqueeze(-1)).to(q.dtype).view(self.rows, -1)

    def _products(self, rows: Tensor, cached: Tensor, width: int, transposed: bool) -> Tensor:
        """rows # [places, kv_heads, group, n] with each place's keys or values -> [places * kv_heads, group, width]"""
        if self.table is not None:
            cached = cached.index_select(0, self.table)
        rows, heads = rows.flatten(0, 1), cached.shape[1]
        out = rows.new_empty(*rows.shape[:2], width)
        done = 0
        for first, end in self.stretches:
            blocks = cached[first:end].flatten(0, 1)
            own = slice(done, done + len(blocks))
            torch.bmm(rows[own], blocks.transpose(1, 2) if transposed else blocks, out=out[own])
            done += (end - first) * heads
        return out
