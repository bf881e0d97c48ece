"""Checkpoints that must be refused, by name and before any work; and what loading costs."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from ponder.model import weights
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
    ],
)
def test_config_that_cannot_work(checkpoint, changes, fragment):
    edit_config(checkpoint, **changes)
    refuses(checkpoint, fragment)


def test_config_that_is_no_json(checkpoint):
    (checkpoint / "config.json").write_text("{")
    refuses(checkpoint, "config.json is not valid JSON")


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
    assert all(p.is_meta for p in decoder.parameters()) and decoder.rotary.cos.numel() == 0


def test_describe_counts_qwq_exactly():
    from ponder.model.config import load_preset
    from ponder.model.describe import describe

    about = describe(load_preset("qwq-32b"))
    assert round(about.parameters / 1e9, 2) == 32.76
    assert round(about.parameters_without_embeddings / 1e9, 2) == 31.21
    assert about.kv_bytes_per_token == 256 * 1024


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
