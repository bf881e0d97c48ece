"""Paths that are no model say what they are, and what to do."""

import json

import pytest

from ponder.model.config import load_config
from ponder.model.describe import load_described
from ponder.model.directory import model_directory
from ponder.model.weights import load_decoder
from tests.model.families import make_checkpoint


def refusal(path) -> str:
    with pytest.raises(ValueError) as error:
        load_decoder(path)
    with pytest.raises(ValueError) as same:
        load_config(path)
    assert str(error.value) == str(same.value)
    return str(error.value)


def test_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = refusal("Qwen/Qwen2.5-0.5B")
    assert "hf download Qwen/Qwen2.5-0.5B --local-dir Qwen2.5-0.5B" in said and "then give Qwen2.5-0.5B" in said
    (tmp_path / "Qwen").mkdir()
    (tmp_path / "Qwen/Qwen2.5-0.5").mkdir()
    assert "did you mean Qwen/Qwen2.5-0.5?" in refusal("Qwen/Qwen2.5-0.5B"), "a path, since its parent is there"
    with pytest.raises(ValueError, match=r"hf download a/b .*Presets: qwq-32b"):
        load_described("a/b", model_directory)


def test_a_path_that_is_not_there(tmp_path):
    assert "nor" in refusal(tmp_path / "models" / "mine") and "download the model there first" in refusal(
        tmp_path / "mine"
    )


def test_a_gguf_file_and_a_directory_that_holds_one(tmp_path):
    path = tmp_path / "SmolLM2.Q4_1.gguf"
    path.write_bytes(b"GGUF")
    for given in (path, tmp_path):
        said = refusal(given)
        assert f"{path} is a GGUF file" in said and "\n" not in said
        assert f"`ponder model import {path} --to SmolLM2.Q4_1`, and give SmolLM2.Q4_1" in said


def test_another_file(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert "is a file; give the directory" in refusal(tmp_path / "model.safetensors")


def test_an_adapter(tmp_path):
    """Beside whole weights, too: transformers would load the base model with the adapter."""
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "Qwen/Qwen2.5-0.5B"}))
    said = refusal(tmp_path)
    assert "is an adapter" in said and "there is no directory Qwen/Qwen2.5-0.5B" in said
    path.write_text("[]")
    assert "does not say of which model" in refusal(tmp_path)
    make_checkpoint("qwen2", tmp_path)
    assert "is an adapter" in refusal(tmp_path)
    path.write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": str(tmp_path)}))
    assert "is an adapter itself" in refusal(tmp_path)


def test_a_directory_around_a_model_names_it(tmp_path):
    """The hub's cache has the models deeper inside."""
    assert refusal(tmp_path).endswith("it has no config.json")
    inside = tmp_path / "snapshots" / "0a1b"
    inside.mkdir(parents=True)
    make_checkpoint("qwen2", inside)
    assert refusal(tmp_path).endswith(f"there is one at {inside}")
    load_decoder(inside)


def test_the_home_directory_may_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make_checkpoint("qwen2", tmp_path / "mine")
    assert model_directory("~/mine") == tmp_path / "mine"
    load_decoder("~/mine")
