"""Checkpoints that must be refused, by name and before any work; and what loading costs."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from ponder.model import weights
from ponder.model.attention import score_sequences
from ponder.model.config import ModelConfig, RopeConfig, from_hf, load_config
from ponder.model.decoder import build_empty, build_random
from ponder.model.weights import load_decoder, save_decoder
from tests.model.families import make_checkpoint


@pytest.fixture
def checkpoint(tmp_path):
    make_checkpoint("qwen2", tmp_path)
    return tmp_path


def edit_config(directory, **changes):
    path = directory / "config.json"
    raw = {k: v for k, v in (json.loads(path.read_text()) | changes).items() if v is not ...}
    path.write_text(json.dumps(raw))


def edit_tensors(directory, change):
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors")


def refuses(directory, *fragments):
    with pytest.raises(ValueError) as error:
        load_decoder(directory)
    for fragment in fragments:
        assert fragment in str(error.value)


def test_missing_tensor(checkpoint):
    edit_tensors(checkpoint, lambda t: t.pop("model.layers.1.mlp.up_proj.weight"))
    refuses(checkpoint, "lacks 1 tensors", "model.layers.1.mlp.up_proj.weight")


def test_extra_tensor(checkpoint):
    edit_tensors(checkpoint, lambda t: t.update({"model.layers.0.self_attn.q_norm.weight": torch.ones(16)}))
    refuses(checkpoint, "model.layers.0.self_attn.q_norm.weight", "qwen2 has not")


def test_wrong_shape(checkpoint):
    edit_tensors(checkpoint, lambda t: t.update({"model.norm.weight": torch.ones(63)}))
    refuses(checkpoint, "'model.norm.weight'", "(63,)", "(64,)")


def test_missing_shard(tmp_path, monkeypatch):
    make_checkpoint("qwen2", tmp_path / "whole")
    (tmp_path / "cut").mkdir()
    monkeypatch.setattr(weights, "SHARD_BYTES", 60_000)
    save_decoder(load_decoder(tmp_path / "whole"), tmp_path / "cut")
    shard = sorted((tmp_path / "cut").glob("*.safetensors"))[1]
    shard.unlink()
    refuses(tmp_path / "cut", f"the shard {shard.name} is missing")


def test_truncated_shard(checkpoint):
    path = checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    refuses(checkpoint, "not a whole safetensors file")


def test_index_cannot_point_outside(checkpoint, tmp_path):
    index = {"weight_map": {"model.norm.weight": "../../elsewhere/model.safetensors"}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    refuses(checkpoint, "points outside its own directory")


def test_pickle_is_refused(checkpoint):
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    refuses(checkpoint, "pickled weights (pytorch_model.bin)", "safetensors")


def test_no_weights(checkpoint):
    (checkpoint / "model.safetensors").unlink()
    refuses(checkpoint, "has no weights")


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"architectures": ["MixtralForCausalLM"]}, "'MixtralForCausalLM' is not supported"),
        ({"architectures": None}, "is not supported"),
        ({"hidden_size": ...}, "'hidden_size' is missing"),
        ({"use_sliding_window": True, "sliding_window": 128}, "sliding-window"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4}}, "'longrope' is not supported"),
        ({"num_key_value_heads": 3}, "must be a multiple of num_key_value_heads (3)"),
        (
            {"architectures": "Qwen2ForCausalLM"},
            "architectures is 'Qwen2ForCausalLM' (str); it must be a list of strings",
        ),
        ({"hidden_size": "64"}, "hidden_size is '64' (str); it must be a whole number"),
        ({"hidden_size": 64.5}, "hidden_size is 64.5"),
        ({"hidden_size": True}, "hidden_size is True (bool)"),
        ({"hidden_size": 0}, "it must be a whole number from 1"),
        ({"num_hidden_layers": 10**9}, "whole number from 1 to 10000"),
        ({"head_dim": [64]}, "head_dim is [64] (list)"),
        ({"rms_norm_eps": "1e-6"}, "rms_norm_eps is '1e-6' (str); it must be a number"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes' (str); it must be true or false"),
        ({"eos_token_id": ["a"]}, "eos_token_id is ['a'] (list); it must be a token's id, or a list of ids"),
        ({"pad_token_id": -7}, "pad_token_id is -7"),
        ({"dtype": "float64"}, "dtype is 'float64' (str); it must be one of float32, bfloat16, float16"),
        ({"dtype": 16}, "dtype is 16 (int); it must be a string"),
        ({"layer_types": 3}, "layer_types is 3 (int)"),
        ({"rope_parameters": "yarn"}, "rope_parameters is 'yarn' (str); it must be an object"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": "4"}}, "rope_parameters: factor is '4' (str)"),
        ({"rope_parameters": {"rope_theta": 0}}, "rope_theta"),
        ({"num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 21}, "config.json: head_dim must be even"),
    ],
)
def test_config_that_cannot_work(checkpoint, changes, fragment):
    edit_config(checkpoint, **changes)
    refuses(checkpoint, fragment)


def test_config_that_is_no_json(checkpoint):
    (checkpoint / "config.json").write_text("{")
    refuses(checkpoint, "config.json is not valid JSON")


def damage(directory, name, value):
    edit_tensors(directory, lambda t: t[name].view(-1)[7:9].fill_(value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(checkpoint, value):
    damage(checkpoint, "model.layers.1.mlp.up_proj.weight", value)
    refuses(checkpoint, "'model.layers.1.mlp.up_proj.weight'", "(2 of 7,168 numbers, as float32)", "earlier checkpoint")


def test_large_numbers_are_numbers_but_not_in_float16(checkpoint):
    damage(checkpoint, "model.layers.1.mlp.up_proj.weight", 3e38)  # their sum is none
    decoder = load_decoder(checkpoint)
    with pytest.raises(ValueError, match=r"2 of 7,168 numbers, as float16\).*another dtype"):
        load_decoder(checkpoint, dtype="float16")
    with pytest.raises(ValueError, match=r"as float16\).*another dtype"):
        save_decoder(decoder, checkpoint, "float16")


def test_quantised_tensors_are_refused(checkpoint):
    edit_tensors(checkpoint, lambda t: t.update({"model.norm.weight": torch.ones(64, dtype=torch.int8)}))
    refuses(checkpoint, "'model.norm.weight' is stored as I8", "quantised")


def test_an_output_matrix_that_the_config_denies_is_used_as_transformers_does(tmp_path):
    """A config that ties, a file with a head of its own: loaded untied, with a word, and saved as what it is."""
    make_checkpoint("qwen2-tied", tmp_path)
    generator = torch.Generator().manual_seed(3)
    head = torch.randn(160, 64, generator=generator) * 0.2
    edit_tensors(tmp_path, lambda t: t.update({"lm_head.weight": head}))
    with pytest.warns(UserWarning, match="tie_word_embeddings.*loaded untied, as transformers 5 does"):
        decoder = load_decoder(tmp_path)
    ids = list(range(9))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    with torch.no_grad():
        expected = theirs(torch.tensor([ids])).logits[0]
        torch.testing.assert_close(score_sequences(decoder, [ids])[0], expected, atol=1e-4, rtol=1e-4)
    (tmp_path / "saved").mkdir()
    save_decoder(decoder, tmp_path / "saved")
    assert load_config(tmp_path / "saved").tie_embeddings is False
    assert torch.equal(load_decoder(tmp_path / "saved").lm_head.weight, head)


def test_a_head_that_is_the_embeddings_says_nothing(tmp_path, recwarn):
    make_checkpoint("qwen2-tied", tmp_path)
    edit_tensors(tmp_path, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"].clone()}))
    assert load_decoder(tmp_path).lm_head is None and not [w for w in recwarn if w.category is UserWarning]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_what_is_saved_in_a_dtype_loads_in_it_here_and_in_transformers(checkpoint, tmp_path, dtype):
    decoder = load_decoder(checkpoint)
    (tmp_path / "saved").mkdir()
    save_decoder(decoder, tmp_path / "saved", dtype)
    assert load_config(tmp_path / "saved").dtype == dtype
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    assert theirs.dtype == weights.DTYPES[dtype]
    saved, exact = load_decoder(tmp_path / "saved"), load_decoder(tmp_path / "saved", dtype="float32")
    assert saved.dtype == weights.DTYPES[dtype] and exact.config.dtype == dtype
    for ours, before, same in zip(saved.parameters(), decoder.parameters(), exact.parameters(), strict=True):
        assert torch.equal(ours, before.to(saved.dtype)) and torch.equal(same, ours.float())


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_have_the_permissions_of_any_new_file(checkpoint, tmp_path, mask, monkeypatch):
    monkeypatch.setattr(weights, "SHARD_BYTES", 60_000)
    (tmp_path / "saved").mkdir()
    decoder, before = load_decoder(checkpoint), os.umask(mask)
    try:
        save_decoder(decoder, tmp_path / "saved")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "saved").iterdir()}
    assert len(modes) > 4 and set(modes.values()) == {0o666 & ~mask}


def test_old_and_new_spellings_read_the_same():
    base = {
        "architectures": ["Qwen2ForCausalLM"],
        "vocab_size": 10,
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
    }
    yarn = {"factor": 4.0, "original_max_position_embeddings": 16}
    old = base | {"rope_theta": 5e5, "rope_scaling": {"type": "yarn", **yarn}, "torch_dtype": "bfloat16"}
    new = base | {"rope_parameters": {"rope_type": "yarn", "rope_theta": 5e5, **yarn}, "dtype": "bfloat16"}
    assert from_hf(old) == from_hf(new)
    assert from_hf(old).rope.theta == 5e5 and from_hf(old).num_kv_heads == 2


def test_written_config_reads_back(checkpoint, tmp_path):
    config = load_config(checkpoint)
    assert from_hf(config.to_hf()) == config


def test_building_empty_allocates_nothing():
    from ponder.model.config import load_preset

    decoder = build_empty(load_preset("qwq-32b"))
    assert all(p.is_meta for p in decoder.parameters()) and decoder.rotary.tables[0].numel() == 0


def test_describe_counts_qwq_exactly():
    from ponder.model.config import load_preset
    from ponder.model.describe import describe

    about = describe(load_preset("qwq-32b"))
    assert round(about.parameters / 1e9, 2) == 32.76
    assert round(about.parameters_without_embeddings / 1e9, 2) == 31.21
    assert about.kv_bytes_per_token == 256 * 1024


def test_what_serving_holds_at_rest_counts_a_packed_output_matrix():
    from ponder.model.describe import PROCESS_BYTES, describe

    config = ModelConfig("qwen2", 1000, 8, 12, 2, 4, 2, 2, True, False, False, True, 1e-6, 64, RopeConfig())
    tied, untied = (describe(replace(config, tie_embeddings=tie)) for tie in (True, False))
    assert untied.at_rest_bytes == tied.at_rest_bytes == untied.weight_bytes + PROCESS_BYTES
    assert untied.weight_bytes == tied.weight_bytes + 1000 * 8 * 4


def test_lora_count_equals_the_factors_written_out():
    from ponder.model.describe import lora_parameters

    config = ModelConfig("qwen2", 10, 8, 12, 2, 4, 2, 2, True, False, False, True, 1e-6, 64, RopeConfig())
    shapes = [(8, 8), (8, 4), (8, 4), (8, 8), (8, 12), (8, 12), (12, 8)]
    assert lora_parameters(config, 3) == 2 * sum(3 * i + o * 3 for i, o in shapes)


LOAD = """
import resource, sys
from ponder.model.weights import load_decoder
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decoder = load_decoder(sys.argv[1])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((peak - base) * 1024 / sum(p.nbytes for p in decoder.parameters()))
"""


def test_loading_needs_about_one_model(tmp_path):
    config = ModelConfig("qwen2", 8192, 512, 2048, 16, 8, 2, 64, True, False, False, False, 1e-6, 64, RopeConfig())
    save_decoder(build_random(config, 0), tmp_path)
    out = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(out.stdout) < 1.35, "one model and one tensor, not two models"


def test_weights_that_are_larger_than_memory_are_not_read(tmp_path, monkeypatch):
    make_checkpoint("qwen2", tmp_path)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"total": 10_000}))
    with pytest.raises(ValueError, match=r"the weights take 0\.0 GB in float32, and this machine has 0\.0 GB"):
        load_decoder(tmp_path)
