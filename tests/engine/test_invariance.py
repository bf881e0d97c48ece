"""The choice among forms of the arithmetic, with kernels made up for the purpose, and law 4 under real ones of other
processors, in processes of their own."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from ponder.engine import decode, invariance
from ponder.engine.invariance import choose_forms, try_forms
from ponder.engine.kernels import ROW_TILE, SAFE, WIDE_TILE, Forms
from ponder.engine.local import LocalEngine
from ponder.engine.packed import PackedLinear
from ponder.model.decoder import Decoder, build_random
from ponder.runs.processor import abilities
from tests.engine.test_decode import shape
from tests.engine.test_local import requests, run

FORMS_OF = try_forms.__wrapped__  # each call tries anew
LAW_4 = [
    "tests/engine/test_decode.py",
    "tests/engine/test_local.py::test_same_request_same_tokens_in_any_batch",
    "tests/engine/test_prefix.py::test_a_kept_beginning_gives_the_same_numbers_in_any_batch",
    "tests/engine/test_yarn.py::test_a_scaled_request_is_the_same_in_any_batch",
    "tests/engine/test_packed.py::test_a_packed_request_is_the_same_in_any_batch",
]
# MKL gives processors that are not Intel's kernels of their own; this makes it take this one for Intel's.
INTEL = "int mkl_serv_intel_cpu_true(void) { return 1; }\nint mkl_serv_intel_cpu(void) { return 1; }\n"
KERNELS = {
    "AVX2": {"MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "AVX-512": {"MKL_ENABLE_INSTRUCTIONS": "AVX512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "AVX-512 with bf16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16", "ATEN_CPU_CAPABILITY": "default"},
    "AMX": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"},
}
NEEDS = {"AVX2": "avx2", "AVX-512": "avx512", "AVX-512 with bf16": "avx512_bf16", "AMX": "amx_bf16"}


@pytest.fixture(scope="module")
def intel(tmp_path_factory) -> dict[str, str]:
    """What makes MKL take any processor for Intel's; nothing where there is no compiler."""
    if not shutil.which("cc"):
        return {}
    directory = tmp_path_factory.mktemp("intel")
    (directory / "intel.c").write_text(INTEL)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "intel.so", "intel.c"], cwd=directory, check=True)
    return {"LD_PRELOAD": str(directory / "intel.so")}


@pytest.mark.parametrize("name", KERNELS)
def test_law_4_holds_under_the_kernels_of_other_processors(name, intel):
    if NEEDS[name] not in abilities():
        pytest.skip(f"this processor has no {NEEDS[name]}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *LAW_4]
    chosen = ["-k", "2-8 or 2-16-d or 2-64 or 5-64 or 8-128 or dtype0-2 or dtype1-5 or 64-dtype2 or scaled"]
    done = subprocess.run(
        [*command, *chosen],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **intel, **KERNELS[name], "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def changed_by_rows(x, weight, bias=None, linear=F.linear):
    return linear(x.flip(-1), weight.flip(-1), bias) if len(x) > 40 else linear(x, weight, bias)


def changed_by_prompts(q, k, v, attend=F.scaled_dot_product_attention, **options):
    return attend(q.flip(-1), k.flip(-1), v, **options) if len(q) > 1 else attend(q, k, v, **options)


INJECTED = {
    "rows": ((F, "linear", changed_by_rows), 16),
    "prompts": ((F, "scaled_dot_product_attention", changed_by_prompts), 1),
}


def differences(decoder: Decoder, forms: Forms) -> int:
    """How many of 24 requests come out otherwise beside the others than alone."""
    wanted = requests(24)
    together = run(LocalEngine(decoder, forms=forms), wanted)
    alone = {r.id: next(LocalEngine(decoder, forms=forms).generate([r])) for r in wanted}
    return sum(alone[i].logprobs != together[i].logprobs for i in alone)


@pytest.mark.parametrize("form", INJECTED)
def test_a_kernel_that_is_not_invariant_is_found_and_the_safe_form_taken(form, monkeypatch):
    """And with it the law holds, which it does not in the fast form."""
    monkeypatch.setattr(*INJECTED[form][0])
    config = shape(2, 16)
    forms = FORMS_OF(config, torch.float32, 1)
    assert getattr(forms, form) == INJECTED[form][1]
    decoder = build_random(config, seed=1).eval()
    assert differences(decoder, forms) == 0 < differences(decoder, Forms())


def test_packed_kernels_that_do_not_hold_are_given_tiles(monkeypatch):
    """Where packed products of many rows are added up in another order than those of a tile."""

    class Wavering(PackedLinear):
        def forward(self, x):
            return super().forward(x) + (1e-7 if len(x) > ROW_TILE else 0)

    monkeypatch.setattr(invariance, "PackedLinear", Wavering)
    assert FORMS_OF(shape(2, 16), torch.float32, 1, True).rows == ROW_TILE
    assert FORMS_OF(shape(2, 16), torch.float32, 1, False).rows is None


def test_where_few_rows_are_more_than_a_tile_rows_go_in_wide_tiles_in_bfloat16(monkeypatch):
    """As on processors with AMX. With them the law holds, which it does not in the fast form."""
    monkeypatch.setattr(F, "linear", changed_by_rows)
    config = shape(2, 16)
    forms = FORMS_OF(config, torch.bfloat16, 1)
    assert (forms.rows, forms.row_multiple) == (WIDE_TILE, WIDE_TILE)
    assert differences(build_random(config, seed=1).eval().to(torch.bfloat16), forms) == 0


def test_kernels_that_differ_for_equal_shapes_are_told(monkeypatch):
    calls = iter(range(10**6))

    def wavering(x, weight, bias=None, linear=F.linear):
        return linear(x, weight, bias) + (next(calls) % 3) * 1e-7

    monkeypatch.setattr(F, "linear", wavering)
    with pytest.warns(UserWarning, match="may depend on what is computed beside it"):
        assert FORMS_OF(shape(2, 16), torch.float32, 1) == SAFE


def test_elsewhere_than_on_x86_the_safe_form_is_taken(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert choose_forms(build_random(shape(2, 16), seed=1)) == SAFE


def test_products_that_depend_on_their_number_are_told(monkeypatch):
    product = decode.block_products
    monkeypatch.setattr(
        decode, "block_products", lambda a, b: product(a.flip(-1), b.flip(-2)) if len(a) > 9 else product(a, b)
    )
    with pytest.warns(UserWarning, match="may depend on what is computed beside it"):
        assert FORMS_OF(shape(2, 16), torch.float32, 1) == SAFE


def test_an_engine_in_tiles_answers_as_one_without():
    decoder = build_random(shape(2, 16), seed=3).eval()
    wanted = requests(9)
    fast, safe = (run(LocalEngine(decoder, forms=forms), wanted) for forms in (Forms(), SAFE))
    for i in fast:
        assert fast[i].ids == safe[i].ids
        torch.testing.assert_close(torch.tensor(fast[i].logprobs), torch.tensor(safe[i].logprobs), atol=1e-4, rtol=0)


def test_a_step_runs_on_the_threads_of_its_form_and_gives_them_back():
    seen, before = [], torch.get_num_threads()
    decoder = build_random(shape(2, 16), seed=3).eval()
    decoder.norm.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    try:
        torch.set_num_threads(2)
        run(LocalEngine(decoder, forms=Forms(threads=1)), requests(2))
        assert set(seen) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
