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
LENGTH_BUCKET = 32
TORCH_SMALL = 4096  # multiplications of a batch of products, up to which torch keeps bfloat16 from oneDNN


@dataclass(frozen=True)
class Forms:
    """How the engine computes. None is all at once, which is fastest.

    Attributes:
        threads: of each step
        rows: of the token stream that go through the decoder's kernels at a time (`in_tiles`)
        keys: positions that a product with keys takes at a time
        values: positions that a product with values takes at a time, added up in order
        prompts: prompts of one width that attend at a time
    """

    threads: int = 1
    rows: int | None = None
    keys: int | None = None
    values: int | None = None
    prompts: int | None = None


# Equal shapes only, whatever the batch.
SAFE = Forms(threads=1, rows=ROW_TILE, keys=LENGTH_BUCKET, values=LENGTH_BUCKET, prompts=1)


def round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def batched_product(a: Tensor, b: Tensor) -> Tensor:
    """Matrix products of rows and heads # [rows, kv_heads, ...]; one row has copies beside it where torch would give its
    small product to another kernel than those of many."""
    if a.dtype == torch.float32 or a.numel() * b.shape[-1] > TORCH_SMALL:
        return torch.matmul(a, b)
    return torch.matmul(a.repeat(ROW_TILE, 1, 1, 1), b.repeat(ROW_TILE, 1, 1, 1))[: len(a)]


def score_keys(q: Tensor, keys: Tensor, step: int | None) -> Tensor:
    """q # [rows, kv_heads, group, head_dim], keys # [rows, kv_heads, length, head_dim] -> [rows, kv_heads, group, length]"""
    keys = keys.transpose(-1, -2)
    if step is None or keys.shape[-1] <= step:
        return batched_product(q, keys)
    return torch.cat([batched_product(q, some) for some in keys.split(step, dim=-1)], dim=-1)


def add_values(weights: Tensor, values: Tensor, step: int | None) -> Tensor:
    """weights # [rows, kv_heads, group, length], values # [rows, kv_heads, length, head_dim] -> their product # [rows,
    kv_heads, group, head_dim]: with a step that is small enough, positions of weight 0 at the end change nothing."""
    length = weights.shape[-1]
    if step is None or length <= step:
        return batched_product(weights, values)
    if weights.dtype != torch.float32:  # rounded to bfloat16 once, at the end
        total = torch.zeros(())
        for some_weights, some_values in zip(weights.split(step, -1), values.split(step, -2), strict=True):
            total = total + batched_product(some_weights, some_values).float()
        return total.to(weights.dtype)
    rows = weights.shape[:2]
    weights, values = weights.flatten(0, 1), values.flatten(0, 1)
    out = torch.bmm(weights[..., :step], values[:, :step])
    for start in range(step, length, step):
        out.baddbmm_(weights[..., start : start + step], values[:, start : start + step])
    return out.unflatten(0, rows)


def attend_whole(q: Tensor, k: Tensor, v: Tensor, prompts: int | None) -> Tensor:
    """Causal attention of prompts of one width, `prompts` at a time: q # [prompts, heads, width, head_dim], k and v with
    kv_heads -> as q"""

    def some(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])

    return in_tiles(some, prompts, q, k, v)


@contextmanager
def thread_count(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
