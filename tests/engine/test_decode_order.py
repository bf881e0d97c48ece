"""Attention of one new token: its numbers depend on its own row alone, however many and however long the others are."""

from types import SimpleNamespace

import pytest
import torch

from ponder.engine.kv_cache import Decode, KVCache

ROWS, KV_HEADS = 20, 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("head_dim", [16, 64, 128])
@pytest.mark.parametrize("group", range(1, 9))
def test_a_row_is_the_same_with_any_count_of_rows_and_any_length(dtype, head_dim, group):
    generator = torch.Generator().manual_seed(group)
    cache = KVCache(SimpleNamespace(num_kv_heads=KV_HEADS, head_dim=head_dim, num_layers=1), torch.device("cpu"), dtype)
    longest = 4096 if head_dim == 16 else 1024
    cache.resize(ROWS, longest)
    for store in (cache.keys[0], cache.values[0]):
        store.copy_(torch.randn(store.shape, generator=generator))
    q, k, v = (torch.randn(ROWS, heads, head_dim, generator=generator).to(dtype) for heads in (2 * group, 2, 2))
    for place in (5, 40, 55, 130, 255, 470):
        positions = torch.full((ROWS,), place)
        alone = Decode(cache, positions[:1], place + 1)(0, q[:1], k[:1], v[:1])
        for count in (1, 2, 16, ROWS):
            for length in (place + 1, place + 70, 777, longest):
                among = Decode(cache, positions[:count], length)(0, q[:count], k[:count], v[:count])
                assert torch.equal(among[0], alone[0]), (count, length)


@pytest.mark.parametrize(("seed", "group", "place"), [(0, 2, 55), (2, 1, 40)])
def test_a_small_row_of_bfloat16_alone_is_as_among_others(seed, group, place):
    """Sizes below which another kernel would take one row, which rounds otherwise here and there."""
    generator = torch.Generator().manual_seed(seed)
    config = SimpleNamespace(num_kv_heads=KV_HEADS, head_dim=16, num_layers=1)
    cache, own = (KVCache(config, torch.device("cpu"), torch.bfloat16) for _ in range(2))
    cache.resize(ROWS, 128)
    own.resize(1, 128)
    for store in (cache.keys[0], cache.values[0]):
        store.copy_(torch.randn(store.shape, generator=generator))
    q, k, v = (torch.randn(ROWS, heads, 16, generator=generator).bfloat16() for heads in (2 * group, 2, 2))
    positions = torch.full((ROWS,), place)
    for row in range(ROWS):
        own.copy_row(cache, row, 0, 128)
        one = slice(row, row + 1)
        alone = Decode(own, positions[:1], place + 1)(0, q[one], k[one], v[one])
        assert torch.equal(alone[0], Decode(cache, positions, place + 1)(0, q, k, v)[row])
