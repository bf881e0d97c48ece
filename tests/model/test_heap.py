"""What the heap keeps, and gives back."""

import psutil
import pytest
import torch

from ponder.model import heap


@pytest.mark.skipif(heap.unused_bytes() is None, reason="this C library does not tell of its heap")
def test_what_lies_between_blocks_in_use_is_given_back(monkeypatch):
    heap.give_back_unused()
    many = [torch.ones(20_000) for _ in range(2_000)]  # 160 MB in blocks that the heap itself holds
    kept = many[::2]  # so that nothing but holes is left of the others
    del many
    unused, before = heap.unused_bytes(), psutil.Process().memory_info().rss
    assert unused > 70e6
    heap.give_back_much()
    assert heap.unused_bytes() > 70e6, "that is not much"
    monkeypatch.setattr(heap, "MUCH", 2**20)
    heap.give_back_much()
    assert before - psutil.Process().memory_info().rss > 40e6
    assert all(block.sum() == 20_000 for block in kept[::100])
