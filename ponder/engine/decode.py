"""Attention of one new token of each running sequence over the blocks of its table (paged attention), in products of equal
shape: each block of a sequence is one matrix, whatever the batch. So a sequence's numbers do not depend on how long the
others are, nor on where its blocks lie (law 4), and no keys are copied where blocks lie together.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ponder.engine.kernels import BLOCK, block_products
from ponder.engine.kv_cache import KVCache

# Blocks in use that lie together are read in place, a few others between them included; what lies scattered is copied
# together first, layer by layer.
MOST_STRETCHES, MOST_BETWEEN = 8, 16
# Times the blocks that rows have, up to which all rows are as wide as the longest.
MOST_PADDING = 4


class Decode:
    """
    Args:
        tables: of each row its block table # [blocks], int64
        positions: # [rows], int64, where each row's new token stands; its keys are cached
    """

    def __init__(self, cache: KVCache, tables: Sequence[np.ndarray], positions: np.ndarray):
        self.cache, self.rows = cache, len(tables)
        counts, numbers, owners = seen(tables, positions)
        self.widest = int(counts.max())
        self.stretches, places, owner_of_place = layout(numbers, owners)
        # Of each row and block of its table, where its product comes from; beyond its end any will do, for it is hidden.
        columns = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)
        wide = owners * self.widest + columns
        sources = np.zeros(self.rows * self.widest, dtype=np.int64)
        sources[wide] = places
        back = np.zeros(len(owner_of_place), dtype=np.int64)
        back[places] = wide

        def tensor(numbers: np.ndarray) -> Tensor:
            return torch.from_numpy(numbers).to(cache.device)

        def index(numbers: np.ndarray, of: int) -> Tensor | None:
            """None where it takes all of so many in order."""
            same = len(numbers) == of and (numbers == np.arange(of)).all()
            return None if same else tensor(numbers)

        self.owner_of_place = index(owner_of_place, self.rows)
        self.sources = index(sources, len(back))  # [rows * widest]
        self.back = index(back, len(sources))  # [places]
        self.places = index(places, len(back))  # [blocks of all rows]
        self.owners = tensor(owners)
        self.table = None if self.stretches else tensor(numbers)
        hidden = np.arange(self.widest * BLOCK) > positions[:, None]
        self.hidden = tensor(hidden)[:, None, None]  # [rows, 1, 1, widest * BLOCK]

    def __call__(self, layer: int, q: Tensor) -> Tensor:
        """q # [rows, heads, head_dim] -> [rows, heads * head_dim]"""
        keys, values = self._blocks(self.cache.keys[layer]), self._blocks(self.cache.values[layer])
        kv_heads, head_dim = self.cache.config.num_kv_heads, q.shape[-1]
        # Query heads of one key head form the rows of a small product: keys are read once, never repeated.
        q = q.reshape(self.rows, kv_heads, -1, head_dim) * head_dim**-0.5
        group = q.shape[2]
        spread = _select(q, self.owner_of_place)  # [places, kv_heads, group, head_dim]
        scores = _select(self._products(spread, [block.transpose(-1, -2) for block in keys]), self.sources)
        scores = scores.view(self.rows, self.widest, kv_heads, group, BLOCK).permute(0, 2, 3, 1, 4).flatten(3)
        weights = torch.softmax(scores.masked_fill_(self.hidden, float("-inf")), -1)
        weights = weights.view(self.rows, kv_heads, group, self.widest, BLOCK).permute(0, 3, 1, 2, 4).flatten(0, 1)
        parts = _select(self._products(_select(weights, self.back), values), self.places)
        # In float32, and for each row in the order of its blocks.
        out = torch.zeros(self.rows, kv_heads, group, head_dim, device=q.device)
        out.index_add_(0, self.owners, parts.float())
        return out.to(q.dtype).reshape(self.rows, -1)

    def _blocks(self, cached: Tensor) -> list[Tensor]:
        """Keys or values of the places # [places of a stretch, kv_heads, BLOCK, head_dim]"""
        if self.table is not None:
            return [cached.index_select(0, self.table)]
        return [cached[first:end] for first, end in self.stretches]

    def _products(self, rows: Tensor, blocks: list[Tensor]) -> Tensor:
        """rows # [places, kv_heads, group, n], with each stretch's blocks # [places, kv_heads, n, m]"""
        if len(blocks) == 1:
            return block_products(rows, blocks[0])
        parts = rows.split([len(some) for some in blocks])
        return torch.cat([block_products(few, some) for few, some in zip(parts, blocks, strict=True)])


class DecodeByLength:
    """Rows of very different lengths, those of like length together: scores are as wide as the longest row's.

    Args: as `Decode`
    """

    def __init__(self, cache: KVCache, tables: Sequence[np.ndarray], positions: np.ndarray):
        self.rows = len(tables)
        classes = np.frexp(positions // BLOCK + 1)[1]  # from a power of two blocks to the next
        self.parts: list[tuple[Tensor, Decode]] = []
        for one in np.unique(classes):
            rows = np.flatnonzero(classes == one)
            part = Decode(cache, [tables[row] for row in rows], positions[rows])
            self.parts.append((torch.from_numpy(rows).to(cache.device), part))

    def __call__(self, layer: int, q: Tensor) -> Tensor:
        """q # [rows, heads, head_dim] -> [rows, heads * head_dim]"""
        out = q.new_empty(self.rows, q.shape[1] * q.shape[2])
        for rows, part in self.parts:
            out[rows] = part(layer, q[rows])
        return out


def decode_rows(cache: KVCache, tables: Sequence[np.ndarray], positions: np.ndarray) -> Decode | DecodeByLength:
    """What is quicker for these rows; the numbers are the same."""
    counts = positions // BLOCK + 1
    ragged = len(counts) * counts.max() > MOST_PADDING * counts.sum()
    return (DecodeByLength if ragged else Decode)(cache, tables, positions)


def seen(tables: Sequence[np.ndarray], positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The blocks that rows see, of `Decode`'s arguments: how many each # [rows]; all of them, row by row, # [seen]; and the row
    of each # [seen]."""
    counts = positions // BLOCK + 1
    numbers = np.concatenate([table[:count] for table, count in zip(tables, counts, strict=True)])
    return counts, numbers, np.repeat(np.arange(len(tables)), counts)


def layout(numbers: np.ndarray, owners: np.ndarray) -> tuple[list[tuple[int, int]], np.ndarray, np.ndarray]:
    """Where blocks are read.

    Args:
        numbers: # [n], of the blocks, row after row
        owners: # [n], the row of each
    Returns:
        stretches: of numbers (first, end) that are read in place; empty where blocks are copied together
        places: # [n], of each block among those that are read
        owner_of_place: # [places], the row of each; of a block that no row uses, any
    """
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    steps = np.diff(ordered)
    ends = np.flatnonzero(steps > MOST_BETWEEN)
    firsts, lasts = ordered[np.r_[0, ends + 1]], ordered[np.r_[ends, len(ordered) - 1]]
    read = int((lasts - firsts + 1).sum())
    if (steps == 0).any() or len(firsts) > MOST_STRETCHES or read > 2 * len(numbers):  # a shared block has several rows
        return [], np.arange(len(numbers)), owners
    begins = np.cumsum(lasts - firsts + 1) - (lasts - firsts + 1)  # of each stretch, among the places
    of = np.searchsorted(firsts, numbers, side="right") - 1
    places = numbers - firsts[of] + begins[of]
    owner_of_place = np.zeros(read, dtype=np.int64)
    owner_of_place[places] = owners
    return [(int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True)], places, owner_of_place


def _select(x: Tensor, index: Tensor | None) -> Tensor:
    return x if index is None else x.index_select(0, index)
