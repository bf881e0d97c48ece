"""Packed weights: the same numbers to rounding, and nothing held twice."""

import copy
import dataclasses

import pytest
import torch

from ponder.engine.invariance import choose_forms, fast_forms
from ponder.engine.kernels import FAST, Forms
from ponder.engine.local import LocalEngine
from ponder.engine.packed import LEAST_ROWS, PackedLinear, can_pack, pack
from ponder.engine.protocol import Request
from ponder.model.config import LoraConfig
from ponder.model.decoder import build_random
from ponder.model.weights import load_decoder
from ponder.runs.processor import abilities
from tests.engine.test_decode import shape
from tests.engine.test_local import FREE, prompt, run
from tests.model.families import FAMILIES, make_checkpoint

needs_packing = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@needs_packing
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_as_unpacked(family, tmp_path):
    make_checkpoint(family, tmp_path)
    params = dataclasses.replace(FREE, max_tokens=30)
    wanted = [Request(i, prompt(i, 5 + 20 * i), params, seed=i) for i in range(6)]
    expected = run(LocalEngine(load_decoder(tmp_path)), wanted)
    decoder = pack(load_decoder(tmp_path))
    assert fast_forms(decoder) == dataclasses.replace(
        FAST, row_multiple=LEAST_ROWS, few_sizes=True, shards=torch.get_num_threads()
    )
    for found in (run(LocalEngine(decoder, forms=fast_forms(decoder)), [one]) for one in wanted):
        for i, completion in found.items():
            assert completion.ids == expected[i].ids
            torch.testing.assert_close(
                torch.tensor(completion.logprobs), torch.tensor(expected[i].logprobs), atol=1e-4, rtol=0
            )


@needs_packing
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("tied", [True, False])
def test_products_with_adapters_and_heads(dtype, tied):
    if dtype == torch.bfloat16 and not {"avx512_bf16", "amx_bf16"} & set(abilities()):
        pytest.skip("this processor does not compute in bfloat16")
    config = dataclasses.replace(shape(2, 16), tie_embeddings=tied, lora=LoraConfig(4, 8.0))
    decoder = build_random(config, seed=1)
    for name, parameter in decoder.named_parameters():
        if ".adapter.b" in name:
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    decoder = decoder.to(dtype).eval().requires_grad_(False)
    plain = copy.deepcopy(decoder)
    packed = pack(decoder)
    generator = torch.Generator().manual_seed(2)
    for rows in (1, 4, 64, 100):
        x = torch.randn(rows, config.hidden_size, generator=generator).to(dtype)
        close = {"atol": 1e-4, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 0.1, "rtol": 0.05}
        torch.testing.assert_close(packed.logits(x), plain.logits(x), **close)
        torch.testing.assert_close(
            packed.layers[0].attention.qkv_proj(x), plain.layers[0].attention.qkv_proj(x), **close
        )
        torch.testing.assert_close(packed.layers[0].mlp(x), plain.layers[0].mlp(x), **close)


@needs_packing
def test_the_matrices_are_given_up():
    decoder = pack(build_random(shape(2, 64), seed=1))
    names = [name for name, parameter in decoder.named_parameters() if parameter.dim() == 2]
    assert names == ["embed.weight"]
    assert sum(isinstance(module, PackedLinear) for module in decoder.modules()) == 4 * decoder.config.num_layers + 1


def test_elsewhere_nothing_is_packed(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    decoder = build_random(shape(2, 16), seed=1)
    assert not can_pack(decoder) and pack(decoder) is decoder and decoder.packed_head is None
    assert fast_forms(decoder) == dataclasses.replace(FAST, shards=torch.get_num_threads())


def test_few_sizes_are_computed_where_each_has_a_kernel_of_its_own():
    decoder = build_random(shape(2, 16), seed=1)
    forms = dataclasses.replace(FAST, row_multiple=LEAST_ROWS, few_sizes=True)
    sizes = {forms.filled(rows) for rows in range(1, 2049)}
    assert len(sizes) < 70 and all(rows <= forms.filled(rows) <= max(4, rows * 1.2 + 4) for rows in range(1, 2049))
    assert forms.filled(1) == LEAST_ROWS and fast_forms(decoder).filled(3) == 3
    assert [Forms().filled(rows) for rows in (1, 16, 17, 1000)] == [16, 16, 32, 1008]


@needs_packing
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_packed_request_is_the_same_in_any_batch(dtype):
    """Law 4, with the forms that are chosen for packed weights."""
    decoder = build_random(shape(4, 64), seed=1).to(dtype).eval()
    if not can_pack(decoder):
        pytest.skip("this processor does not compute in bfloat16")
    decoder = pack(decoder)
    forms = choose_forms(decoder)
    assert forms.exact
    wanted = [Request(i, prompt(i, 3 + 7 * i), dataclasses.replace(FREE, max_tokens=20), seed=i) for i in range(40)]
    together = run(LocalEngine(decoder, forms=forms), wanted)
    for one in wanted[::8]:
        alone = run(LocalEngine(decoder, forms=forms), [one])[one.id]
        assert (alone.ids, alone.logprobs) == (together[one.id].ids, together[one.id].logprobs)
