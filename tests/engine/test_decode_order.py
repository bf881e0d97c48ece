"""Attention of one new token: its numbers depend on its own row alone, however many and however long the others are."""

import pytest
import torch

from ponder.engine.attention import Decode
from ponder.engine.invariance import try_forms
from ponder.engine.kernels import thread_count
from ponder.engine.kv_cache import KVCache
from ponder.model.config import ModelConfig, RopeConfig

ROWS, KV_HEADS = 20, 2


def shape(group: int, head_dim: int) -> ModelConfig:
    rope = RopeConfig()
    return ModelConfig(
        "qwen2", 160, 64, 96, 1, KV_HEADS * group, KV_HEADS, head_dim, True, False, False, True, 1e-6, 512, rope
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("head_dim", [8, 16, 64, 128])
@pytest.mark.parametrize("group", range(1, 9))
def test_a_row_is_the_same_with_any_count_of_rows_and_any_length(dtype, head_dim, group):
    generator = torch.Generator().manual_seed(group)
    config = shape(group, head_dim)
    forms = try_forms(config, dtype, torch.get_num_threads())
    cache = KVCache(config, torch.device("cpu"), dtype)
    longest = 4096 if head_dim == 16 else 1024
    cache.resize(ROWS, longest)
    for store in (cache.keys[0], cache.values[0]):
        store.copy_(torch.randn(store.shape, generator=generator))
    q, k, v = (torch.randn(ROWS, heads, head_dim, generator=generator).to(dtype) for heads in (2 * group, 2, 2))
    with thread_count(forms.threads):
        for place in (5, 55, 130, 470):
            positions = torch.full((ROWS,), place)
            alone = Decode(cache, positions[:1], place + 1, forms)(0, q[:1], k[:1], v[:1])
            for count in (1, 2, ROWS):
                for length in (place + 1, place + 70, 777, longest):
                    among = Decode(cache, positions[:count], length, forms)(0, q[:count], k[:count], v[:count])
                    assert torch.equal(among[0], alone[0]), (count, length)


@pytest.mark.parametrize(("seed", "group", "place"), [(0, 2, 55), (2, 1, 40)])
def test_a_small_row_of_bfloat16_alone_is_as_among_others(seed, group, place):
    """Sizes below which another kernel would take one row, which rounds otherwise here and there."""
    generator = torch.Generator().manual_seed(seed)
    config = shape(group, 16)
    forms = try_forms(config, torch.bfloat16, torch.get_num_threads())
    cache, own = (KVCache(config, torch.device("cpu"), torch.bfloat16) for _ in range(2))
    cache.resize(ROWS, 128)
    own.resize(1, 128)
    for store in (cache.keys[0], cache.values[0]):
        store.copy_(torch.randn(store.shape, generator=generator))
    q, k, v = (torch.randn(ROWS, heads, 16, generator=generator).bfloat16() for heads in (2 * group, 2, 2))
    positions = torch.full((ROWS,), place)
    with thread_count(forms.threads):
        for row in range(ROWS):
            own.copy_row(cache, row, 0, 128)
            one = slice(row, row + 1)
            alone = Decode(own, positions[:1], place + 1, forms)(0, q[one], k[one], v[one])
            assert torch.equal(alone[0], Decode(cache, positions, place + 1, forms)(0, q, k, v)[row])
