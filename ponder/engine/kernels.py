"""The engine's arithmetic in several forms, of which the right one for a machine is batch-invariant: it gives a
sequence the same numbers whatever else is in the batch (law 4). `engine/invariance.py` finds out which."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ponder.model.decoder import in_tiles

ROW_TILE = 16
WIDE_TILE = 64  # where that many rows take no longer than fewer
LENGTH_BUCKET = 32
BLOCK = LENGTH_BUCKET  # tokens whose keys and values lie together, are found, kept and dropped together
TORCH_SMALL = 4096  # multiplications of a batch of products, up to which torch keeps bfloat16 from oneDNN


@dataclass(frozen=True)
class Forms:
    """How the engine computes. None is all at once, which is fastest.

    Attributes:
        threads: of each step; None: all
        shards: at most so many of a step are computed at the same time, each with one thread, instead of one with `threads`
            (engine/shards.py)
        exact: a sequence gets the same numbers in any batch (law 4)
        row_multiple: the rows of a step are filled up to a multiple of it
        few_sizes: rows are filled up to one of eight sizes between a number and its double. For packed weights: oneDNN makes and
            keeps a kernel for each
        rows: of the token stream that go through the decoder's kernels at a time (`in_tiles`)
        prompts: prompts of one width that attend at a time
    """

    threads: int | None = 1
    exact: bool = True
    row_multiple: int = ROW_TILE
    few_sizes: bool = False
    rows: int | None = None
    prompts: int | None = None
    shards: int = 1

    def filled(self, rows: int) -> int:
        """As many rows are computed for so many."""
        step = max(self.row_multiple, 2 ** max(rows.bit_length() - 4, 0)) if self.few_sizes else self.row_multiple
        return round_up(rows, step)


# Equal shapes only, whatever the batch.
SAFE = Forms(threads=1, rows=ROW_TILE, prompts=1)
# Whatever is fastest: last digits depend on what is computed beside a sequence.
FAST = Forms(threads=None, exact=False, row_multiple=1)


def round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def block_products(a: Tensor, b: Tensor) -> Tensor:
    """Matrix products # [blocks, kv_heads, ...]; a few have copies beside them where torch would give their small product to
    another kernel than those of many."""
    if a.dtype == torch.float32 or a.numel() * b.shape[-1] > TORCH_SMALL:
        return torch.matmul(a, b)
    return torch.matmul(a.repeat(ROW_TILE, 1, 1, 1), b.repeat(ROW_TILE, 1, 1, 1))[: len(a)]


def attend_whole(q: Tensor, k: Tensor, v: Tensor, prompts: int | None) -> Tensor:
    """Causal attention of prompts of one width, `prompts` at a time: q # [prompts, heads, width, head_dim], k and v with
    kv_heads -> as q"""

    def some(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])

    return in_tiles(some, prompts, q, k, v)


@contextmanager
def thread_count(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if count in (before, None):
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
