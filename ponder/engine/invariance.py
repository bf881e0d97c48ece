"""Batch invariance: numbers of a sequence that do not depend on what else is in the batch (law 4). The engine's
arithmetic has several forms (engine/kernels.py); here it is tried which of them this processor's kernels allow.

Libraries add a product up in an order that they choose by its shape, by the processor, and by the number of threads, and
float sums depend on their order. What was seen, each with torch 2.13:

- Few rows of a matrix take another kernel than many: rows go in whole tiles of ROW_TILE, positions in whole buckets of
  LENGTH_BUCKET (every processor).
- MKL cuts a long sum into pieces of a size of its own, so a product over positions depends on how many there are, though
  all further ones have weight 0: pieces of 192 (AMD Zen 4, four and more query heads for a key head), 256 (Intel's AVX2
  kernels) and 384 (its AVX-512 kernels, on a Xeon with AMX; two and more query heads).
  oneDNN does so in bfloat16, where it shows in one number of many (Zen 4, in its own and in AVX-512 kernels). Cure: `values`.
- With several threads MKL on Intel also shares one sum among threads where rows are few, and on any processor a thread's
  share of an elementwise function may end within a row, where another instruction computes the rest (three and more
  threads). Cure: `rows`, else one thread.
- torch has loops of its own for products of under 400 multiplications (`bmm` in its LinearAlgebra.cpp): one query head of
  8 numbers over 32 positions. Cure: `keys`.
- torch hands bfloat16 to oneDNN only from 4,096 multiplications on (`mkldnn_gemm_min_size` in its mkldnn/Matmul.cpp).
  Cure, always taken: copies beside a small product (`batched_product`).

No size of a processor's decides anything here. Before an engine starts, `choose_forms` tries the forms, fastest first, on
shapes of this model, and takes the first whose numbers stay the same; the last one computes equal shapes only.
"""

import functools
import math
import platform
import warnings
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ponder.engine.kernels import (
    LENGTH_BUCKET,
    ROW_TILE,
    SAFE,
    Forms,
    add_values,
    attend_whole,
    round_up,
    score_keys,
    thread_count,
)
from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder, in_tiles, swiglu
from ponder.model.rope import rotate

TRIED_LENGTHS = (*range(32, 449, 32), 512, 544, 640, 768, 800, 1024)  # of one sequence and two
MANY, FEW_LENGTHS = 20, (32, 64, 224, 416, 800, 1024)
VERY_LONG = (1024, 2048, 4096)
TILES = (2, 4, 7, 20)  # of rows side by side


def choose_forms(decoder: Decoder, threads: int | None = None) -> Forms:
    """The fastest forms with which a sequence's numbers are the same in any batch, on this machine. Takes 0.02 to
    0.3 s for models of up to 135e6 parameters, 0.4 to 1.3 s at 0.5e9 (2 cores), once in a process for each kind. What a GPU's
    kernels do is not tried.

    Args:
        threads: at most so many; None: as many as torch has. With 1 the numbers are the same for any number of processes
    """
    threads = threads or torch.get_num_threads()
    if decoder.device.type != "cpu":
        return Forms(torch.get_num_threads())
    if platform.machine() not in ("x86_64", "AMD64"):
        return SAFE  # on Arm nothing has been tried, and nothing else is
    return try_forms(decoder.config, decoder.dtype, threads)


@functools.cache
@torch.inference_mode()
def try_forms(config: ModelConfig, dtype: torch.dtype, threads: int) -> Forms:
    """Of each form the first that holds, with so many threads, else with fewer: two halve whole tiles between rows."""
    trials = (
        ((None, ROW_TILE), rows_hold),
        ((None, LENGTH_BUCKET), keys_hold),
        ((None, 256, 128, LENGTH_BUCKET), values_hold),
        ((None, 1), prompts_hold),
    )
    for count in dict.fromkeys((threads, min(threads, 2), 1)):
        with thread_count(count):
            found = [next((f for f in forms if holds(config, dtype, f)), ...) for forms, holds in trials]
        if ... not in found:
            return Forms(count, *found)
    warnings.warn(
        f"{dtype} on this processor: the last digits of a sequence may depend on what is computed beside it, since its "
        "kernels give other numbers for equal shapes",
        stacklevel=2,
    )
    return SAFE


def rows_hold(config: ModelConfig, dtype: torch.dtype, tile: int | None) -> bool:
    """Whether a row that goes through what a layer and the head do with single rows comes out the same among any number of
    tiles, and anywhere in its own."""
    heads, rows = config.num_heads * config.head_dim, TILES[-1] * ROW_TILE
    outputs_and_inputs = (
        (heads + 2 * config.num_kv_heads * config.head_dim, config.hidden_size),
        (config.hidden_size, heads),
        (2 * config.intermediate_size, config.hidden_size),
        (config.hidden_size, config.intermediate_size),
        (min(config.vocab_size, 4096), config.hidden_size),
    )
    for start in range(4):  # functions of single elements show a fault in a few of them only
        gate_up = _noise(rows, 2 * config.intermediate_size, start=start).to(dtype)
        x, angles = (_noise(rows, n, config.head_dim, start=start).to(dtype) for n in (config.num_heads, 1))
        if not (_same_among(swiglu, tile, gate_up) and _same_among(rotate, tile, x, angles, angles)):
            return False
    for outputs, inputs in outputs_and_inputs:
        x, weight = _cancelling(rows, inputs, dtype=dtype), _cancelling(outputs, inputs, dtype=dtype, sign=1)
        if not _same_among(functools.partial(F.linear, weight=weight), tile, x):
            return False
    return True


def _same_among(rowwise: Callable, tile: int | None, *streams: Tensor) -> bool:
    """Whether rows that are alone in their tile come out the same among more tiles, and elsewhere in it."""

    def through(rows: slice | Tensor) -> Tensor:
        return in_tiles(rowwise, tile, *(stream[rows] for stream in streams))

    few = TILES[-2] * ROW_TILE
    alone = torch.cat([through(slice(start, start + ROW_TILE)) for start in range(0, few, ROW_TILE)])
    elsewhere = torch.arange(ROW_TILE).roll(5)
    if not torch.equal(through(elsewhere), alone[elsewhere]):
        return False
    for tiles in TILES:
        among = through(slice(0, tiles * ROW_TILE))[:few]
        if not torch.equal(among, alone[: len(among)]):
            return False
    return True


def keys_hold(config: ModelConfig, dtype: torch.dtype, step: int | None) -> bool:
    """Whether the scores of a sequence's positions are the same however many positions and sequences there are."""
    group = config.num_heads // config.num_kv_heads
    q = _cancelling(1, config.num_kv_heads, group, config.head_dim, dtype=dtype)
    one = _cancelling(1, config.num_kv_heads, VERY_LONG[-1], config.head_dim, dtype=dtype, sign=1)
    for keys, counts_and_lengths in _caches(one):
        expected = score_keys(q, keys[:1], step)
        for count, length in counts_and_lengths:
            scores = score_keys(_copies(q, count), keys[:count, :, :length], step)
            if not torch.equal(scores, expected[..., :length].expand_as(scores)):
                return False
    return True


def values_hold(config: ModelConfig, dtype: torch.dtype, step: int | None) -> bool:
    """Whether a sequence's sum over values is the same whatever number of positions of weight 0, and of sequences, are
    beside it."""
    group = config.num_heads // config.num_kv_heads
    for written in (6, 42, 200, 300, 450, 900):
        shortest, beyond = round_up(written, LENGTH_BUCKET), VERY_LONG[-1] - written
        weights = _cancelling(1, config.num_kv_heads, group, written, dtype=dtype, sign=1)
        weights = F.pad(weights.abs(), (0, beyond))
        one = _cancelling(1, config.num_kv_heads, config.head_dim, written, dtype=dtype).transpose(-1, -2)
        for values, counts_and_lengths in _caches(F.pad(one, (0, 0, 0, beyond))):
            alone = add_values(weights[..., :shortest], values[:1, :, :shortest], step)
            for count, length in counts_and_lengths:
                if length >= shortest:
                    among = add_values(_copies(weights[..., :length], count), values[:count, :, :length], step)
                    if not torch.equal(among, alone.expand_as(among)):
                        return False
    return True


def prompts_hold(config: ModelConfig, dtype: torch.dtype, at_a_time: int | None) -> bool:
    """Whether a prompt attends to itself the same among any number of its width."""
    for width in (LENGTH_BUCKET, 5 * LENGTH_BUCKET):
        q, k, v = (
            _noise(1, width, heads, config.head_dim).to(dtype).transpose(1, 2)
            for heads in (config.num_heads, config.num_kv_heads, config.num_kv_heads)
        )
        alone = attend_whole(q, k, v, at_a_time)
        for count in (2, 5):
            among = attend_whole(*(_copies(x, count) for x in (q, k, v)), at_a_time)
            if not torch.equal(among, alone.expand_as(among)):
                return False
    return True


def _caches(one: Tensor) -> Iterator[tuple[Tensor, list[tuple[int, int]]]]:
    """Keys or values of equal sequences # [rows, kv_heads, length, head_dim], and the counts of rows and lengths of which
    are to be tried.

    Args:
        one: of the sequence # [1, kv_heads, VERY_LONG, head_dim]
    """
    counts = [(count, length) for count in (1, 2) for length in TRIED_LENGTHS]
    counts += [(count, length) for count in (ROW_TILE, MANY) for length in FEW_LENGTHS]
    yield _copies(one[:, :, : TRIED_LENGTHS[-1]], MANY), counts
    yield one.contiguous(), [(1, length) for length in VERY_LONG]


def _copies(x: Tensor, count: int) -> Tensor:
    return x.repeat(count, *[1] * (x.dim() - 1))


def _cancelling(*shape: int, dtype: torch.dtype, sign: int = -1) -> Tensor:
    """Noise whose last dimension says the same twice, the second time with another sign. A product of two of these, one
    with each sign, is 0 but for rounding, so that all of it depends on the order of the sum, in bfloat16 as well."""
    *others, last = shape
    half = _noise(*others, last // 2, start=sign)
    return F.pad(torch.cat((half, sign * half), -1), (0, last % 2)).to(dtype)


def _noise(*shape: int, start: int = 0) -> Tensor:
    """Normal numbers, the same each time, that repeat after a prime number of them, which is quicker than new ones."""
    some, count = _normal_numbers(), math.prod(shape)
    return some.roll(1000 * start).repeat(count // len(some) + 1)[:count].view(shape)


@functools.cache
def _normal_numbers() -> Tensor:
    return torch.randn(65_521, generator=torch.Generator().manual_seed(0))
