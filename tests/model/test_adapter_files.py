"""Adapters in peft's format: peft is the oracle of what they compute, of files in both ways, and of merged weights."""

import json
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig as PeftConfig
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from ponder.model.adapter_files import Merge, fill_adapters, read_lora, save_adapter
from ponder.model.attention import score_sequences
from ponder.model.config import LORA_TARGETS, LoraConfig, ModelConfig, RopeConfig
from ponder.model.decoder import Decoder, build_random
from ponder.model.lora import MODULES, initialise_adapters, is_adapter
from ponder.model.weights import load_decoder, save_decoder

CONFIGS = {
    "qwen2": ModelConfig("qwen2", 64, 32, 48, 2, 4, 2, 8, True, False, False, False, 1e-6, 128, RopeConfig()),
    "qwen3": ModelConfig("qwen3", 64, 32, 48, 2, 4, 2, 8, False, False, True, True, 1e-6, 128, RopeConfig()),
    "llama": ModelConfig("llama", 64, 32, 48, 2, 4, 4, 8, False, False, False, True, 1e-6, 128, RopeConfig()),
}
SHAPES = (LoraConfig(4, 8.0), LoraConfig(3, 8.0, ("v_proj", "gate_proj"), rank_stabilised=True))
IDS = [3, 9, 27, 1, 60, 33, 2]


def base(directory, family: str, dtype: str = "float32"):
    directory.mkdir()
    save_decoder(build_random(CONFIGS[family], 1), directory, dtype)
    return directory


def adapted(directory, lora: LoraConfig) -> Decoder:
    """With adapters that change something."""
    decoder = load_decoder(directory, "float32", lora=lora)
    initialise_adapters(decoder, 0)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if is_adapter(name) and ".b." in name:
                parameter.normal_(0, 0.2, generator=generator)
    return decoder


@torch.no_grad()
def logits(decoder: Decoder) -> torch.Tensor:
    return score_sequences(decoder, [IDS])[0]


@torch.no_grad()
def peft_logits(directory, adapter) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    return PeftModel.from_pretrained(model, adapter)(torch.tensor([IDS])).logits[0]


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("lora", SHAPES, ids=["all", "two, rank-stabilised"])
def test_peft_computes_the_same_of_what_is_saved(tmp_path, family, lora):
    directory = base(tmp_path / "base", family)
    decoder = adapted(directory, lora)
    (tmp_path / "adapter").mkdir()
    save_adapter(decoder.config, dict(decoder.named_parameters()), tmp_path / "adapter", str(directory))
    found, expected = logits(decoder), peft_logits(directory, tmp_path / "adapter")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (found - logits(load_decoder(directory))).abs().max() > 0.1


@pytest.mark.parametrize("lora", SHAPES, ids=["all", "two, rank-stabilised"])
def test_merged_it_computes_the_same_without_adapters(tmp_path, lora):
    directory = base(tmp_path / "base", "qwen2")
    decoder = adapted(directory, lora)
    parameters = dict(decoder.named_parameters())
    (tmp_path / "merged").mkdir()
    merge = Merge(decoder.config, parameters, torch.float32)
    save_decoder(decoder, tmp_path / "merged", "float32", parameters, merge)
    torch.testing.assert_close(logits(load_decoder(tmp_path / "merged")), logits(decoder), atol=1e-5, rtol=1e-5)
    assert merge.lost < 1e-5


def test_what_rounding_takes_away_is_said(tmp_path):
    """A change of a thousandth of the weights is under half a step of bfloat16's."""
    directory = base(tmp_path / "base", "qwen2", "bfloat16")
    decoder = adapted(directory, LoraConfig(4, 8.0))
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if is_adapter(name) and ".b." in name:
                parameter.mul_(1e-4)
    (tmp_path / "merged").mkdir()
    merge = Merge(decoder.config, dict(decoder.named_parameters()), torch.bfloat16)
    save_decoder(decoder, tmp_path / "merged", "bfloat16", changed=merge)
    assert merge.lost > 0.9


def test_an_adapter_of_peft_s_comes_in(tmp_path):
    directory = base(tmp_path / "base", "qwen2")
    torch.manual_seed(0)
    settings = PeftConfig(r=5, lora_alpha=7, target_modules=["o_proj", "k_proj", "down_proj"], init_lora_weights=False)
    theirs = get_peft_model(AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32), settings)
    theirs.save_pretrained(tmp_path / "adapter")
    lora, where = read_lora(tmp_path / "adapter")
    assert lora == LoraConfig(5, 7.0, ("k_proj", "o_proj", "down_proj")) and where == str(directory)
    decoder = load_decoder(directory, "float32", lora=lora)
    fill_adapters(decoder.config, dict(decoder.named_parameters()), tmp_path / "adapter")
    with torch.no_grad():
        expected = theirs.eval()(torch.tensor([IDS])).logits[0]
    torch.testing.assert_close(logits(decoder), expected, atol=1e-5, rtol=1e-5)
    whole = load_decoder(tmp_path / "adapter")
    assert whole.config.lora is None
    torch.testing.assert_close(logits(whole), expected, atol=1e-5, rtol=1e-5)


@pytest.fixture
def adapter(tmp_path):
    directory = base(tmp_path / "base", "qwen2")
    decoder = adapted(directory, LoraConfig(4, 8.0))
    (tmp_path / "adapter").mkdir()
    save_adapter(decoder.config, dict(decoder.named_parameters()), tmp_path / "adapter", str(directory))
    return tmp_path / "adapter"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("peft_type", "IA3", "not 'LORA'"),
        ("use_dora", True, "use_dora is not supported"),
        ("modules_to_save", ["lm_head"], "modules_to_save is not supported"),
        ("rank_pattern", {"q_proj": 2}, "rank_pattern is not supported"),
        ("target_modules", ["c_attn"], "there are q_proj, "),
        ("target_modules", [], "there are q_proj, "),
        ("r", 0, "r is 0"),
        ("r", "many", "r is .many."),
        ("base_model_name_or_path", "/nowhere/base", "/nowhere/base"),
    ],
)
def test_adapters_that_cannot_be_taken_are_refused_by_name(adapter, key, value, said):
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ValueError, match=said):
        load_decoder(adapter)


def test_an_adapter_of_another_base_is_refused(adapter, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    save_decoder(build_random(replace(CONFIGS["qwen2"], intermediate_size=64), 1), other)
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": str(other)}))
    with pytest.raises(ValueError, match="adapter of another model than its base"):
        load_decoder(adapter)


def test_a_damaged_adapter_is_refused(adapter):
    file = adapter / "adapter_model.safetensors"
    tensors = load_file(file)
    save_file(dict(list(tensors.items())[1:]), file)
    with pytest.raises(ValueError, match="lacks"):
        load_decoder(adapter)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_decoder(adapter)
    file.unlink()
    with pytest.raises(ValueError, match="has no adapter_model"):
        load_decoder(adapter)


def test_every_target_is_a_module_of_the_decoder():
    assert [name.rpartition(".")[2] for modules in MODULES.values() for name in modules] == list(LORA_TARGETS)
