"""Attention of one new token over blocks: its numbers depend on its own sequence alone, however many and however long the
others are, and wherever its blocks lie."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ponder.engine.decode import MOST_BETWEEN, MOST_STRETCHES, Decode, DecodeByLength, decode_rows
from ponder.engine.invariance import decode_holds
from ponder.engine.kernels import BLOCK
from ponder.engine.kv_cache import KVCache
from ponder.model.config import ModelConfig, RopeConfig

KV_HEADS = 2
POSITIONS = (5, 31, 55, 130, 470, 1000)


def shape(group: int, head_dim: int) -> ModelConfig:
    rope = RopeConfig()
    return ModelConfig(
        "qwen2", 160, 64, 96, 1, KV_HEADS * group, KV_HEADS, head_dim, True, False, False, True, 1e-6, 512, rope
    )


def filled(config: ModelConfig, dtype: torch.dtype, blocks: int, seed: int = 0) -> KVCache:
    generator = torch.Generator().manual_seed(seed)
    cache = KVCache(config, torch.device("cpu"), dtype)
    cache.reserve(blocks, blocks)
    for store in (cache.keys[0], cache.values[0]):
        store.copy_(torch.randn(store.shape, generator=generator))
    return cache


def tables_for(positions) -> list[np.ndarray]:
    """One after the other."""
    counts = [position // BLOCK + 1 for position in positions]
    return np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("head_dim", [8, 16, 64, 128])
@pytest.mark.parametrize("group", range(1, 9))
def test_a_row_is_the_same_beside_any_others(dtype, head_dim, group):
    config = shape(group, head_dim)
    tables = tables_for(POSITIONS)
    cache = filled(config, dtype, sum(map(len, tables)), seed=group)
    q = torch.randn(len(tables), 2 * group, head_dim, generator=torch.Generator().manual_seed(group)).to(dtype)
    positions = np.array(POSITIONS)
    among = Decode(cache, tables, positions)(0, q)
    for rows in ([0], [3], [5], [2, 0], [4, 5, 4], [3] * 20 + [5]):
        some = Decode(cache, [tables[row] for row in rows], positions[rows])(0, q[rows])
        assert torch.equal(some, among[rows]), rows
    assert decode_holds(config, dtype)


def layouts(tables: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Of each block's number, where it lies instead."""
    count = sum(map(len, tables))
    shuffled = np.random.default_rng(0).permutation(count)
    return {
        "together": np.arange(count) + 7,
        "backwards": np.arange(count)[::-1].copy(),
        "shuffled": shuffled,
        "with holes": shuffled + shuffled // 2,
        "in a few stretches": np.arange(count) + np.arange(count) * 3 // count * (MOST_BETWEEN + 5),
        "in many stretches": np.arange(count) + np.arange(count) * 2 * MOST_STRETCHES // count * (MOST_BETWEEN + 5),
        "scattered": np.arange(count) * (MOST_BETWEEN + 2),
    }


@pytest.mark.parametrize("name", layouts(tables_for(POSITIONS)))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_where_blocks_lie_changes_nothing(dtype, name):
    config, tables, positions = shape(4, 16), tables_for(POSITIONS), np.array(POSITIONS)
    where = layouts(tables)[name]
    here, there = filled(config, dtype, len(where)), filled(config, dtype, int(where.max()) + 1, seed=9)
    for kept, moved in ((here.keys, there.keys), (here.values, there.values)):
        moved[0].fill_(float("nan")) if "holes" not in name else None  # what is not used is not looked at
        moved[0][where] = kept[0]
    for cache in (here, there):
        cache.values[0].nan_to_num_(0.0)
    q = torch.randn(len(tables), 8, 16, generator=torch.Generator().manual_seed(1)).to(dtype)
    decode = Decode(there, [where[table] for table in tables], positions)
    assert bool(decode.stretches) == (name not in ("in many stretches", "scattered"))
    assert torch.equal(decode(0, q), Decode(here, tables, positions)(0, q))


def test_sequences_may_share_blocks():
    config, positions = shape(2, 16), np.array([70, 90, 40])
    cache = filled(config, torch.float32, 7)
    tables = [np.array([0, 1, 2]), np.array([0, 1, 3]), np.array([0, 4])]
    q = torch.randn(3, 4, 16, generator=torch.Generator().manual_seed(1))
    together = Decode(cache, tables, positions)(0, q)
    for row in range(3):
        assert torch.equal(
            Decode(cache, tables[row : row + 1], positions[row : row + 1])(0, q[row : row + 1])[0], together[row]
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_very_long_row_makes_the_others_no_wider_and_changes_nothing(dtype):
    config, positions = shape(4, 16), np.array([70, 3000, 5, 90, 33, 40, 2500, 7])
    tables = tables_for(positions)
    cache = filled(config, dtype, sum(map(len, tables)))
    q = torch.randn(len(tables), 8, 16, generator=torch.Generator().manual_seed(1)).to(dtype)
    by_length = decode_rows(cache, tables, positions[:])
    few = decode_rows(cache, tables[:1] + tables[3:4], positions[[0, 3]])
    assert isinstance(few, Decode) and isinstance(decode_rows(cache, tables[:6], positions[:6]), DecodeByLength)
    assert torch.equal(by_length(0, q), Decode(cache, tables, positions)(0, q))
    grouped = DecodeByLength(cache, tables, positions)
    assert [part.widest for _, part in grouped.parts] == [1, 3, 94] and [len(rows) for rows, _ in grouped.parts] == [
        2,
        4,
        2,
    ]
    assert torch.equal(grouped(0, q), Decode(cache, tables, positions)(0, q))


@pytest.mark.parametrize("group", [1, 3, 7])
def test_it_is_attention(group):
    config, tables, positions = shape(group, 32), tables_for(POSITIONS), np.array(POSITIONS)
    cache = filled(config, torch.float32, sum(map(len, tables)))
    q = torch.randn(len(tables), 2 * group, 32, generator=torch.Generator().manual_seed(1))
    found = Decode(cache, tables, positions)(0, q)
    for row, (table, position) in enumerate(zip(tables, positions, strict=True)):
        keys, values = (x[:, : position + 1].unsqueeze(0) for x in cache.read(0, torch.from_numpy(table)))
        expected = F.scaled_dot_product_attention(q[row, :, None].unsqueeze(0), keys, values, enable_gqa=True)
        torch.testing.assert_close(found[row], expected.flatten(), atol=1e-5, rtol=1e-5)


def test_a_cache_grows_with_what_it_holds_and_takes_memory_when_it_is_used():
    config = shape(2, 64)
    cache = filled(config, torch.bfloat16, 5)
    before = cache.keys[0].clone()
    cache.reserve(6, most=8)
    assert cache.blocks == 8 and torch.equal(cache.keys[0][:5], before) and not cache.keys[0][5:].any()
    cache.reserve(3, most=8)
    assert cache.blocks == 8
    resident = memory()
    cache.reserve(200_000, most=200_000)  # 3.3 GB
    assert memory() - resident < 50e6
    cache.release()
    assert cache.blocks == 0 and not cache.keys[0].numel()


def memory() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
