"""Prefix caching: keys and values of sequences that have finished, kept for those that begin alike: a conversation's
next turn.

For serving only. The weights must not change while anything is kept: an engine that a learner updates has none.
"""

import hashlib
import itertools
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ponder.engine.kv_cache import KVCache
from ponder.model.config import ModelConfig

BLOCK = 16  # tokens that are kept, found and dropped together


class PrefixCache:
    """Blocks of `BLOCK` tokens, each known by the digest of all tokens up to its end and of the YaRN factor (keys that
    were turned by another factor are other keys), so that histories share what they have in common. The least recently
    used go first, ends before beginnings.

    Args:
        tokens: how many fit; the memory is taken at once, so that a server fails at its start or not at all
    """

    def __init__(self, config: ModelConfig, tokens: int, device: torch.device, dtype: torch.dtype):
        if tokens < BLOCK:
            raise ValueError(f"prefix_tokens must be 0 (off) or at least {BLOCK}, got {tokens}")
        shape = (tokens // BLOCK, config.num_kv_heads, BLOCK, config.head_dim)
        # Written to, since the system gives memory that only was asked for when it is first touched.
        self.keys = [torch.empty(shape, device=device, dtype=dtype).zero_() for _ in range(config.num_layers)]
        self.values = [torch.empty(shape, device=device, dtype=dtype).zero_() for _ in range(config.num_layers)]
        self.free = list(range(shape[0]))
        self.blocks: OrderedDict[bytes, int] = OrderedDict()  # their numbers; least recently used first
        self.queries = self.hits = 0  # tokens looked up, tokens found

    def kept(self, tokens: Sequence[int], factor: float) -> int:
        """How many tokens `find` would find; it counts as no look-up."""
        return len(self._chain(tokens, factor)) * BLOCK

    def find(self, tokens: Sequence[int], factor: float) -> list[int]:
        """Numbers of the blocks of the longest kept beginning of a prompt. One token at least is left over, whose logits are
        needed."""
        chain = self._chain(tokens, factor)
        self._touch(chain)
        self.queries += len(tokens)
        self.hits += len(chain) * BLOCK
        return [self.blocks[name] for name in chain]

    def _chain(self, tokens: Sequence[int], factor: float) -> list[bytes]:
        return list(itertools.takewhile(self.blocks.__contains__, _names(tokens[: len(tokens) - 1], factor)))

    def load(self, numbers: list[int], cache: KVCache, row: int) -> None:
        """Copy blocks to the beginning of a row."""
        length = len(numbers) * BLOCK
        index = torch.tensor(numbers, device=self.keys[0].device)
        for kept, rows in ((self.keys, cache.keys), (self.values, cache.values)):
            for layer, blocks in enumerate(kept):
                rows[layer][row, :, :length] = blocks[index].transpose(0, 1).flatten(1, 2)

    def store(self, tokens: Sequence[int], factor: float, cache: KVCache, row: int) -> None:
        """Keep the whole blocks of a row whose first positions hold `tokens`."""
        chain = list(_names(tokens, factor))[: len(self.keys[0])]
        self._touch([name for name in chain if name in self.blocks])
        places, numbers = [], []
        for place, name in enumerate(chain):
            if name in self.blocks:
                continue
            if not self.free:  # the oldest is never of this chain, which fits as a whole and has just been touched
                self.free.append(self.blocks.popitem(last=False)[1])
            self.blocks[name] = self.free.pop()
            places.append(place)
            numbers.append(self.blocks[name])
        self._touch([name for name in chain if name in self.blocks])
        if not numbers:
            return
        index, span = torch.tensor(numbers, device=self.keys[0].device), len(chain) * BLOCK
        for kept, rows in ((self.keys, cache.keys), (self.values, cache.values)):
            for layer, blocks in enumerate(kept):
                blocks[index] = _cut(rows[layer][row, :, :span])[places]

    def clear(self) -> None:
        self.free += self.blocks.values()
        self.blocks.clear()

    def _touch(self, chain: list[bytes]) -> None:
        for name in reversed(chain):  # so that a beginning is always newer than what hangs on it
            self.blocks.move_to_end(name)


def _names(tokens: Sequence[int], factor: float) -> Iterator[bytes]:
    """The digest of each whole block, chained with those before it."""
    packed = np.asarray(tokens[: len(tokens) // BLOCK * BLOCK], dtype=np.int64).tobytes()
    name = repr(float(factor)).encode()
    for start in range(0, len(packed), 8 * BLOCK):
        name = hashlib.blake2b(name + packed[start : start + 8 * BLOCK], digest_size=16).digest()
        yield name


def _cut(x: Tensor) -> Tensor:
    """# [kv_heads, blocks * BLOCK, head_dim] -> [blocks, kv_heads, BLOCK, head_dim]"""
    return x.unflatten(1, (-1, BLOCK)).transpose(0, 1)
