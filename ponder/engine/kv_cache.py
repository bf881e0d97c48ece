"""The KV cache: keys and values of all sequences, in blocks of `BLOCK` tokens."""

import math
import mmap
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ponder.engine.kernels import BLOCK
from ponder.model.config import ModelConfig


class KVCache:
    """One pair of tensors # [blocks, kv_heads, BLOCK, head_dim] a layer, as large as is asked for.

    On a CPU the system gives the memory of a block when it is first written to, and so its memory is taken when it is used.
    """

    def __init__(self, config: ModelConfig, device: torch.device, dtype: torch.dtype):
        self.config, self.device, self.dtype = config, device, dtype
        self.release()

    def reserve(self, blocks: int, most: int) -> None:
        """Room for so many blocks, by doubling, `most` at most; what the old ones hold stays."""
        if blocks <= self.blocks:
            return
        blocks = min(max(blocks, 2 * self.blocks), max(most, blocks))
        for kept in (self.keys, self.values):
            for layer, old in enumerate(kept):
                kept[layer] = self._zeros(blocks)
                kept[layer][: len(old)] = old
        self.blocks = blocks

    def release(self) -> None:
        self.blocks = 0
        self.keys, self.values = ([self._zeros(0) for _ in range(self.config.num_layers)] for _ in range(2))

    def places(self, blocks: np.ndarray, offsets: np.ndarray) -> Tensor:
        """Where the heads of some tokens lie in a layer, for `write` # [tokens * kv_heads]; blocks, offsets # [tokens], int64"""
        heads = self.config.num_kv_heads
        first = blocks * (heads * BLOCK) + offsets
        return torch.from_numpy((first[:, None] + np.arange(heads) * BLOCK).reshape(-1)).to(self.device)

    def write(self, layer: int, places: Tensor, k: Tensor, v: Tensor) -> None:
        """k, v # [tokens, kv_heads, head_dim], each head of a token to its place"""
        for kept, new in ((self.keys[layer], k), (self.values[layer], v)):
            kept.view(-1, kept.shape[-1]).index_copy_(0, places, new.reshape(-1, new.shape[-1]))

    def read(self, layer: int, table: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of one sequence, as copies # [kv_heads, blocks * BLOCK, head_dim]; table # [blocks]"""
        keys, values = (kept[layer].index_select(0, table) for kept in (self.keys, self.values))
        return keys.transpose(0, 1).flatten(1, 2), values.transpose(0, 1).flatten(1, 2)

    def copy(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        source, target = (torch.tensor(numbers, device=self.device) for numbers in (sources, targets))
        for kept in (self.keys, self.values):
            for layer in kept:
                layer[target] = layer[source]

    def _zeros(self, blocks: int) -> Tensor:
        # Zeros, not anything: hidden positions get weight 0, and 0 * NaN would still be NaN.
        shape = (blocks, self.config.num_kv_heads, BLOCK, self.config.head_dim)
        if self.device.type != "cpu" or not blocks:
            return torch.zeros(shape, device=self.device, dtype=self.dtype)
        # Pages of our own, which are zero, not there before they are written to, and gone with the tensor; torch would write
        # to all of them, and the C library keep them.
        pages = mmap.mmap(-1, math.prod(shape) * self.dtype.itemsize)
        return torch.frombuffer(pages, dtype=self.dtype).view(shape)
