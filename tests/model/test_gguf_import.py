"""What comes out of a GGUF file is what transformers makes of it, for each family and quantisation."""

import json
import subprocess
import sys

import gguf
import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from ponder.model.attention import score_sequences
from ponder.model.config import load_config
from ponder.model.gguf import importing
from ponder.model.gguf.importing import PIECE
from ponder.model.weights import load_decoder
from tests.model.gguf_files import TEMPLATE, exported, imported, make, rewritten

# Those that transformers imports rightly: it drops the biases of a Llama, takes heads of Qwen3 for 128 wide, and reads no
# scaling of RoPE. test_gguf_export.py has these against the original and against llama.cpp.
FAMILIES = ("qwen2", "qwen2-tied", "qwen3", "llama")
HEADS = {"qwen3": 128, "llama": 16}
KINDS = ("F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
BLOCKS_OF_256 = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "IQ2_XXS", "IQ3_S", "IQ1_M", "TQ2_0")
IDS = [7, 300, 42, 42, 99, 341, 5, 0, 260, 310]


def their_logits(directory, **file) -> torch.Tensor:
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, **file).eval()
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0]


def our_logits(directory) -> torch.Tensor:
    with torch.no_grad():
        return score_sequences(load_decoder(directory), [IDS])[0]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A float32 GGUF file of each family, with rows of 256 where `wide`; made once."""
    made = {}

    def file(name: str, wide: bool = False):
        if (name, wide) not in made:
            directory = tmp_path_factory.mktemp(f"{name}-{wide}")
            size = 256 if wide else 64
            head = {"head_dim": HEADS[name] * size // 64} if name in HEADS else {}
            make(name, directory, hidden_size=size, intermediate_size=2 * size, **head)
            made[name, wide] = exported(directory)
        return made[name, wide]

    return file


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ("qwen2", "qwen3", "llama"))
def test_logits_are_those_of_transformers_own_import(family, kind, files, tmp_path):
    path = rewritten(files(family), tmp_path / "x.gguf", kind)
    ours = our_logits(imported(path, tmp_path / "x"))
    torch.testing.assert_close(ours, their_logits(tmp_path, gguf_file=path.name), atol=1e-4, rtol=0)
    assert ours.abs().max() > 1, "so that 1e-4 says something"


@pytest.mark.parametrize("family", FAMILIES)
def test_each_form_of_each_family_in_float32(family, files, tmp_path):
    path = files(family)
    ours = our_logits(imported(path, tmp_path / "x"))
    torch.testing.assert_close(ours, their_logits(path.parent, gguf_file=path.name), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", BLOCKS_OF_256)
def test_blocks_of_256_are_unpacked_as_the_package_does(kind, files, tmp_path):
    """And the rows of Llama's queries and keys are put in order, piece by piece."""
    path = rewritten(files("llama", wide=True), tmp_path / "x.gguf", kind)
    directory = imported(path, tmp_path / "x")
    tensors = load_file(directory / "model.safetensors")
    stored = {one.name: one for one in gguf.GGUFReader(path).tensors}
    for name, ours in (("ffn_down", "mlp.down_proj"), ("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj")):
        one = stored[f"blk.1.{name}.weight"]
        rows = gguf.dequantize(one.data, one.tensor_type)
        if name != "ffn_down":
            rows = rows.reshape(-1, 32, 2, 256).swapaxes(1, 2).reshape(-1, 256)  # transformers' own way back
        assert np.array_equal(tensors[f"model.layers.1.{ours}.weight"].numpy(), rows) and rows.any()


@pytest.mark.parametrize("kind", ("Q4_K", "Q6_K"))
def test_k_quants_agree_with_transformers(kind, files, tmp_path):
    path = rewritten(files("qwen2", wide=True), tmp_path / "x.gguf", kind)
    ours = our_logits(imported(path, tmp_path / "x"))
    torch.testing.assert_close(ours, their_logits(tmp_path, gguf_file=path.name), atol=1e-4, rtol=0)


def test_a_small_piece_gives_the_same_tensors(files, tmp_path, monkeypatch):
    whole = load_file(imported(files("llama"), tmp_path / "whole") / "model.safetensors")
    monkeypatch.setattr(importing, "PIECE", 100)
    monkeypatch.setattr(importing, "SHARD_BYTES", 60_000)
    pieces = imported(files("llama"), tmp_path / "pieces")
    shards = sorted(pieces.glob("*.safetensors"))
    assert len(shards) > 3
    again = {name: tensor for shard in shards for name, tensor in load_file(shard).items()}
    assert again.keys() == whole.keys() and all(torch.equal(again[name], whole[name]) for name in whole)
    assert torch.equal(our_logits(pieces), our_logits(tmp_path / "whole"))


@pytest.mark.parametrize("dtype", ("bfloat16", "float16"))
def test_another_dtype(dtype, files, tmp_path):
    directory = imported(files("qwen3"), tmp_path / "x", dtype)
    config = load_config(directory)
    assert config.dtype == dtype
    exact = load_file(imported(files("qwen3"), tmp_path / "y") / "model.safetensors")
    for name, tensor in load_file(directory / "model.safetensors").items():
        assert torch.equal(tensor, exact[name].to(getattr(torch, dtype)))


def test_config_template_and_generation_config(files, tmp_path):
    """Numbers of single precision are written as they were meant."""
    directory = imported(files("qwen2"), tmp_path / "x")
    config, theirs = load_config(directory), load_config(files("qwen2").parent)
    assert config == theirs and config.rms_norm_eps == 1e-6
    assert (directory / "chat_template.jinja").read_text(encoding="utf-8") == TEMPLATE
    generation = json.loads((directory / "generation_config.json").read_text())
    assert generation == {
        "bos_token_id": 341,
        "eos_token_id": [342, 340],
        "pad_token_id": 340,
        "do_sample": True,
        "temperature": 0.7,
        "top_k": 20,
        "top_p": 0.8,
        "repetition_penalty": 1.05,
    }
    assert transformers.GenerationConfig.from_pretrained(directory).eos_token_id == [342, 340]


def test_memory_is_that_of_a_piece(tmp_path):
    """A matrix of 67 million numbers goes through a few million at a time."""
    rows, width = 2**17, 512
    config = {"block_count": 1, "context_length": 64, "embedding_length": width, "feed_forward_length": 64}
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "qwen3")
    for key, value in config.items():
        writer.add_uint32(f"qwen3.{key}", value)
    writer.add_uint32("qwen3.attention.head_count", 4)
    writer.add_float32("qwen3.attention.layer_norm_rms_epsilon", 1e-6)
    writer.add_string("tokenizer.ggml.model", "gpt2")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b", "ab"])
    writer.add_array("tokenizer.ggml.merges", ["a b"])
    vectors = {"attn_norm": width, "ffn_norm": width, "attn_q_norm": 128, "attn_k_norm": 128}
    matrices = {f"attn_{one}": (width, width) for one in ("q", "k", "v", "output")}
    matrices |= {"ffn_gate": (64, width), "ffn_up": (64, width), "ffn_down": (width, 64)}
    for name, size in vectors.items():
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(size, np.float32))
    for name, shape in matrices.items():
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(shape, np.float16))
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    writer.add_tensor("token_embd.weight", np.ones((rows, width), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    script = (
        "import resource, sys; from pathlib import Path; from ponder.model.gguf.importing import *\n"
        "plan, to = plan_import(sys.argv[1]), Path(sys.argv[2]); to.mkdir()\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak(); write_import(plan, to); print(peak() - before)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "x.gguf"), str(tmp_path / "x")]
    more = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert (tmp_path / "x" / "model.safetensors").stat().st_size > rows * width * 4
    assert more < 6 * PIECE * 4 < rows * width * 4 / 2, f"{more / 1e6:.0f} MB more than before"
