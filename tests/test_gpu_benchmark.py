"""benchmarks/gpu.py, which no machine of the suite can run as it is meant: on tiny shapes, and on a GPU that is not there."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from ponder.model.decoder import build_empty
from tests.shared.fake_cuda import fake_cuda

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    return gpu


def run(gpu, monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", *arguments])
    gpu.main()


def test_small_shapes_fill_every_column(gpu, monkeypatch, capsys):
    run(gpu, monkeypatch, "--small", "--rows", "decode-7b", "step-32b")
    out = capsys.readouterr().out
    decoding = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│ 7b")]
    (step,) = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│ 32b")]
    assert [row[1].strip() for row in decoding] == ["1", "3"]
    # A processor has no peak memory of a GPU's.
    assert all(cell.strip() not in ("", "-") for row in (*decoding, step) for cell in row[:-1]), out


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
def test_without_a_gpu_it_says_so(gpu, monkeypatch, capsys):
    run(gpu, monkeypatch)
    assert capsys.readouterr().out.startswith("torch sees no GPU here")


def test_what_does_not_fit_is_left_out_before_it_is_made(gpu, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "free_memory", lambda device: 30e9)
    monkeypatch.setattr(gpu, "random_decoder", None)
    table = gpu.table_of("", "model", *"abcdefg")
    gpu.step_row(table, "32b", torch.device("cpu"), gpu.FULL, 1.0)
    gpu.decode_row(table, "32b", torch.device("cpu"), gpu.FULL, 1.0)
    Console(width=200).print(table)
    assert capsys.readouterr().out.count("left out: needs") == 2


def test_what_is_counted(gpu):
    for name, config in gpu.FULL.models.items():
        decoder = build_empty(config)
        matrices = sum(p.numel() for p in decoder.layers.parameters() if p.dim() == 2)
        assert gpu.layer_weights(config) == matrices
        assert {"7b": 7.0e9, "32b": 31.9e9}[name] == pytest.approx(
            gpu.read_bytes(decoder.bfloat16(), 1, 0) / 2, rel=0.02
        )
        # Weights alone, and a little more.
        assert 1 < gpu.decode_memory(config, gpu.FULL) / (2 * sum(p.numel() for p in decoder.parameters())) < 1.3
    assert gpu.SPARE * gpu.step_memory(replace(gpu.FULL.models["32b"], lora=gpu.LoraConfig(16, 32.0)), gpu.FULL) < 139e9
    # 4 FLOPs for each weight and token, and a little attention; the prompts do not meet the vocabulary.
    tokens = 8 * 128 + 64 * 256
    assert gpu.update_flops(gpu.FULL.models["32b"], gpu.FULL) == pytest.approx(4 * tokens * 31.9e9, rel=0.03)


def test_rows_on_a_gpu_that_is_not_there(gpu, monkeypatch):
    """The script's own tensors lie on the device, too."""
    there = SimpleNamespace(
        **{name: lambda *_: None for name in ("synchronize", "empty_cache", "reset_peak_memory_stats")},
        **{name: lambda: 10**9 for name in ("max_memory_allocated", "memory_reserved", "memory_allocated")},
        mem_get_info=lambda: (10**12, 10**12),
    )
    for name, value in vars(there).items():
        monkeypatch.setattr(torch.cuda, name, value)
    generator = torch.Generator
    monkeypatch.setattr(torch, "Generator", lambda device="cpu": generator())  # a build without CUDA has none of it
    sizes = replace(gpu.SMALL, models={"7b": gpu.TINY["7b"]})
    device, table = torch.device("cuda", 0), gpu.table_of("", "model", *"abcdefg")
    with fake_cuda():
        gpu.copy_rate(device, 64), gpu.product_rate(device, (4, 4, 4))
        gpu.decode_row(table, "7b", device, sizes, 1.0)
        gpu.step_row(table, "7b", device, sizes, 1.0)
    assert table.row_count == 3
