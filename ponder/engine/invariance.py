"""Batch invariance: numbers of a sequence that do not depend on what else is in the batch (law 4). The engine's
arithmetic has several forms (engine/kernels.py); here it is tried which of them this processor's kernels allow.

Libraries add a product up in an order that they choose by its shape, by the processor, and by the number of threads, and
float sums depend on their order. What was seen, each with torch 2.13:

- Few rows of a matrix take another kernel than many: rows go in whole tiles of ROW_TILE, positions in whole buckets of
  LENGTH_BUCKET (every processor).
- In bfloat16 on a Xeon with AMX up to 32 rows are "few", and how many more there are matters here and there as well (from 128
  on where 4,864 products are added up, from 384 on elsewhere). 64 rows take hardly longer than 16 there. Cure: rows go WIDE_TILE
  at a time, which is twice as fast as ROW_TILE at a time.
- MKL cuts a long sum into pieces of a size of its own, so a product over positions depends on how many there are, though
  all further ones have weight 0: pieces of 192 (AMD Zen 4, four and more query heads for a key head), 256 (Intel's AVX2
  kernels) and 384 (its AVX-512 kernels, on a Xeon with AMX; two and more query heads). oneDNN does so in bfloat16.
  Cure, always taken: a product for each block of `BLOCK` positions, added up in order (engine/decode.py).
- With several threads MKL on Intel also shares one sum among threads where rows are few, and on any processor a thread's
  share of an elementwise function may end within a row, where another instruction computes the rest (three and more
  threads). Cure: `rows`, else one thread.
- torch hands bfloat16 to oneDNN only from 4,096 multiplications on (`mkldnn_gemm_min_size` in its mkldnn/Matmul.cpp).
  Cure, always taken: copies beside a small product (`block_products`).

No size of a processor's decides anything here. Before an engine starts, `choose_forms` tries the forms, fastest first, on
shapes of this model, and takes the first whose numbers stay the same; the last one computes equal shapes only.
"""

import functools
import math
import platform
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ponder.engine.decode import Decode
from ponder.engine.kernels import (
    BLOCK,
    FAST,
    LENGTH_BUCKET,
    ROW_TILE,
    SAFE,
    WIDE_TILE,
    Forms,
    attend_whole,
    thread_count,
)
from ponder.engine.kv_cache import KVCache
from ponder.engine.packed import LEAST_ROWS, PackedLinear
from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder, in_tiles, swiglu
from ponder.model.rope import rotate

TRIED_POSITIONS = (5, 31, 32, 200, 415, 1500, 4000)  # of the tokens that decode side by side
TILES = (2, 4, 7, 20)  # of rows side by side
TRIED_ROWS: dict[torch.dtype, tuple[int | None, ...]] = {
    torch.float32: (None, ROW_TILE),
    torch.bfloat16: (None, WIDE_TILE, ROW_TILE),
}


def fast_forms(decoder: Decoder) -> Forms:
    """Those of serving, where last digits may depend on what is computed beside a sequence."""
    packed = decoder.packed_head is not None
    return replace(
        FAST,
        row_multiple=LEAST_ROWS if packed else FAST.row_multiple,
        few_sizes=packed,
        shards=torch.get_num_threads() if decoder.device.type == "cpu" else 1,
    )


def choose_forms(decoder: Decoder, threads: int | None = None, packed: bool | None = None) -> Forms:
    """The fastest forms with which a sequence's numbers are the same in any batch, on this machine. Takes 0.02 to
    0.3 s for models of up to 135e6 parameters, 0.4 to 1.3 s at 0.5e9 (2 cores), once in a process for each kind. What a GPU's
    kernels do is not tried.

    Args:
        threads: at most so many; None: as many as torch has. With 1 the numbers are the same for any number of processes
        packed: whether it is sampled from with packed weights (engine/packed.py); None: as it is
    """
    threads = threads or torch.get_num_threads()
    packed = decoder.packed_head is not None if packed is None else packed
    if decoder.device.type != "cpu":
        return Forms(torch.get_num_threads())
    if platform.machine() not in ("x86_64", "AMD64"):
        return SAFE  # on Arm nothing has been tried, and nothing else is
    return try_forms(decoder.config, decoder.dtype, threads, packed)


@functools.cache
@torch.inference_mode()
def try_forms(config: ModelConfig, dtype: torch.dtype, threads: int, packed: bool = False) -> Forms:
    """Of each form the first that holds, with so many threads, else with fewer: two halve whole tiles between rows. A step may be
    computed in shards, with a thread each, where one thread gives the same numbers as all together."""
    for count in dict.fromkeys((threads, min(threads, 2), 1)):
        if tried := _try(config, dtype, count, packed):
            alone = _try(config, dtype, 1, packed) if count > 1 else None
            same = alone is not None and alone[0] == tried[0] and all(map(torch.equal, alone[1], tried[1]))
            rows, prompts = tried[0]
            shards = count if same else 1
            return Forms(count, True, rows or ROW_TILE, few_sizes=packed, rows=rows, prompts=prompts, shards=shards)
    warnings.warn(
        f"{dtype} on this processor: the last digits of a sequence may depend on what is computed beside it, since its "
        "kernels give other numbers for equal shapes",
        stacklevel=2,
    )
    return SAFE


def _try(
    config: ModelConfig, dtype: torch.dtype, threads: int, packed: bool
) -> tuple[tuple[int | None, int | None], list[Tensor]] | None:
    """The forms of rows and of prompts that hold with so many threads, and numbers that were the same in any company."""
    numbers: list[Tensor] = []
    found: list[int | None] = []
    with thread_count(threads):
        for forms, holds in (
            (TRIED_ROWS[dtype], functools.partial(rows_hold, packed=packed)),
            ((None, 1), prompts_hold),
        ):
            for form in forms:
                own: list[Tensor] = []
                if holds(config, dtype, form, numbers=own):
                    numbers += own
                    found.append(form)
                    break
            else:
                return None
        if not decode_holds(config, dtype, numbers):
            return None
    return (found[0], found[1]), numbers


def rows_hold(
    config: ModelConfig, dtype: torch.dtype, tile: int | None, packed: bool = False, numbers: list[Tensor] | None = None
) -> bool:
    """Whether a row that goes through what a layer and the head do with single rows comes out the same among any number of
    tiles, and anywhere in its own.

    Args:
        packed: with weights that are laid out for the kernels (engine/packed.py)
        numbers: what rows alone come out as is put here
    """
    numbers = [] if numbers is None else numbers
    heads, rows = config.num_heads * config.head_dim, TILES[-1] * (tile or ROW_TILE)
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
        if not (_same_among(swiglu, tile, numbers, gate_up) and _same_among(rotate, tile, numbers, x, angles, angles)):
            return False
    for outputs, inputs in outputs_and_inputs:
        x, weight = _cancelling(rows, inputs, dtype=dtype), _cancelling(outputs, inputs, dtype=dtype, sign=1)
        linear = PackedLinear(weight) if packed else functools.partial(F.linear, weight=weight)
        if not _same_among(linear, tile, numbers, x):
            return False
    return True


def _same_among(rowwise: Callable, tile: int | None, numbers: list[Tensor], *streams: Tensor) -> bool:
    """Whether rows that are alone in their tile come out the same among more tiles, and elsewhere in it."""

    def through(rows: slice | Tensor) -> Tensor:
        return in_tiles(rowwise, tile, *(stream[rows] for stream in streams))

    unit = tile or ROW_TILE
    few = TILES[-2] * unit
    alone = torch.cat([through(slice(start, start + unit)) for start in range(0, few, unit)])
    numbers.append(alone)
    elsewhere = torch.arange(unit).roll(5)
    if not torch.equal(through(elsewhere), alone[elsewhere]):
        return False
    for tiles in TILES:
        among = through(slice(0, tiles * unit))[:few]
        if not torch.equal(among, alone[: len(among)]):
            return False
    return True


def decode_holds(config: ModelConfig, dtype: torch.dtype, numbers: list[Tensor] | None = None) -> bool:
    """Whether a new token attends the same, beside whichever others, wherever its blocks lie, and among any number.
    `numbers`: what they attend to is put here."""
    counts = [position // BLOCK + 1 for position in TRIED_POSITIONS]
    cache = KVCache(replace(config, num_layers=1), torch.device("cpu"), dtype)
    cache.reserve(2 * sum(counts), 0)
    shape = (sum(counts), config.num_kv_heads, BLOCK, config.head_dim)
    # Numbers that cancel to nothing but rounding: keys over a head's width, values over the positions of a block.
    keys, values = _cancelling(*shape, dtype=dtype), _cancelling(*shape[:2], shape[3], BLOCK, dtype=dtype, sign=-1)
    order = _normal_numbers()[: len(keys)].argsort().numpy() * 2  # scattered, with holes between them
    for kept, fresh in ((cache.keys[0], keys), (cache.values[0], values.transpose(-1, -2))):
        kept[: len(fresh)] = fresh
    together = np.split(np.arange(len(keys)), np.cumsum(counts)[:-1])
    positions = np.array(TRIED_POSITIONS)
    q = _cancelling(1, config.num_heads, config.head_dim, dtype=dtype, sign=1).repeat(len(counts), 1, 1)
    among = Decode(cache, together, positions)(0, q)
    if numbers is not None:
        numbers.append(among)
    for row in range(len(counts)):
        alone = Decode(cache, [together[row]], positions[row : row + 1])(0, q[:1])
        few = [row, *range(min(row, 2))]
        beside = Decode(cache, [together[i] for i in few], positions[few])(0, q[: len(few)])
        if not (torch.equal(alone[0], among[row]) and torch.equal(beside[0], among[row])):
            return False
    many = [0] * 40 + [2]
    copies = Decode(cache, [together[i] for i in many], positions[many])(0, q[:1].repeat(len(many), 1, 1))
    if not torch.equal(copies, among[many]):
        return False
    for kept in (cache.keys[0], cache.values[0]):
        kept[order] = kept[: len(order)].clone()
    scattered = Decode(cache, [order[table] for table in together], positions)(0, q)
    return torch.equal(scattered, among)


def prompts_hold(
    config: ModelConfig, dtype: torch.dtype, at_a_time: int | None, numbers: list[Tensor] | None = None
) -> bool:
    """Whether a prompt attends to itself the same among any number of its width. `numbers`: what it attends to is put here."""
    for width in (LENGTH_BUCKET, 5 * LENGTH_BUCKET):
        q, k, v = (
            _noise(1, width, heads, config.head_dim).to(dtype).transpose(1, 2)
            for heads in (config.num_heads, config.num_kv_heads, config.num_kv_heads)
        )
        alone = attend_whole(q, k, v, at_a_time)
        if numbers is not None:
            numbers.append(alone)
        for count in (2, 5):
            among = attend_whole(*(_copies(x, count) for x in (q, k, v)), at_a_time)
            if not torch.equal(among, alone.expand_as(among)):
                return False
    return True


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
