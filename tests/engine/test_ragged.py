"""Attention where batches need not be invariant: the numbers are those of the invariant forms, to rounding."""

import dataclasses

import numpy as np
import pytest
import torch

from ponder.engine.decode import Decode
from ponder.engine.kernels import FAST
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request
from ponder.engine.ragged import RaggedDecode, fast_decode_rows
from ponder.model.decoder import build_random
from tests.engine.test_decode import POSITIONS, filled, layouts, shape, tables_for
from tests.engine.test_local import FREE, prompt, run


@pytest.mark.parametrize("dtype, apart", [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
@pytest.mark.parametrize("layout", layouts(tables_for(POSITIONS)))
def test_a_row_is_as_with_the_invariant_form(dtype, apart, layout):
    config, tables, positions = shape(3, 16), tables_for(POSITIONS), np.array(POSITIONS)
    order = layouts(tables)[layout]
    tables = [order[table] for table in tables]
    cache = filled(config, dtype, max(int(table.max()) for table in tables) + 1)
    for kept in (cache.keys[0], cache.values[0]):
        kept.mul_(4)  # softmax weights far apart, and scores that a sum of exponentials does not hold
    q = 20 * torch.randn(len(tables), 6, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    expected = Decode(cache, tables, positions)(0, q)
    torch.testing.assert_close(RaggedDecode(cache, tables, positions)(0, q), expected, atol=4 * apart, rtol=apart)


def test_rows_that_share_a_block():
    config, positions = shape(2, 16), np.array([40, 70, 33])
    tables = [np.array([0, 1]), np.array([0, 2, 3]), np.array([0, 4])]
    cache = filled(config, torch.float32, 5)
    q = torch.randn(3, 4, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        RaggedDecode(cache, tables, positions)(0, q), Decode(cache, tables, positions)(0, q), atol=1e-5, rtol=1e-5
    )


def test_rows_of_like_length_are_as_wide_as_the_longest():
    cache = filled(shape(2, 16), torch.float32, 40)
    even, uneven = (60, 50, 40), (5, 31, 5, 1000)
    assert isinstance(fast_decode_rows(cache, tables_for(even), np.array(even)), Decode)
    assert isinstance(fast_decode_rows(cache, tables_for(uneven), np.array(uneven)), RaggedDecode)


def test_an_engine_of_fast_forms_answers_as_an_exact_one():
    decoder = build_random(shape(2, 16), seed=3)
    params = dataclasses.replace(FREE, max_tokens=20)
    lengths = (3, 150, 33, 64, 300, 7, 90)
    wanted = [Request(i, prompt(i, length), params, seed=i) for i, length in enumerate(lengths)]
    expected = run(LocalEngine(decoder), wanted)
    engine = LocalEngine(decoder, forms=FAST, chunk_tokens=128, keep_prefixes=True)
    for found in (run(engine, wanted), run(engine, wanted)):  # the second finds prefixes
        for i, completion in found.items():
            assert completion.ids == expected[i].ids
            torch.testing.assert_close(
                torch.tensor(completion.logprobs), torch.tensor(expected[i].logprobs), atol=1e-4, rtol=0
            )
