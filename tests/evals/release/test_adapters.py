"""Runs that learned adapters: these alone, which need their base; or merged, with the adapters beside the model."""

import json
from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from ponder.chat.renderer import Renderer
from ponder.evals.release.provenance import Stated
from ponder.model.adapter_files import save_adapter
from ponder.model.config import LoraConfig
from tests.evals.release.made import STATED as RUNS
from tests.evals.release.made import checkpoint, released, run, said
from tests.model.test_adapter_files import adapted

STATED = Stated(license="mit", base="org/own@abc", base_license="mit", note="sums")


@pytest.fixture
def base(tmp_path):
    return checkpoint(tmp_path / "base")


@pytest.fixture
def adapter(base, tmp_path):
    place = tmp_path / "adapter"
    place.mkdir()
    write_adapter(base, place)
    Renderer.load(base).save(place)
    return place


def write_adapter(base, place):
    """One that changes something."""
    decoder = adapted(base, LoraConfig(2, 4.0))
    save_adapter(decoder.config, dict(decoder.named_parameters()), place, str(base))


def test_an_adapter_alone_goes_out_with_its_bases_name(base, adapter, tmp_path):
    outcome = released(adapter, tmp_path / "out", STATED)
    assert outcome.at, outcome
    assert "adapter on its base: the same likeliest token" in said(outcome, "transformers")
    assert said(outcome, "vLLM").startswith("not checked: an adapter alone")
    assert "adapter_model.safetensors" in outcome.files and "model.safetensors" not in outcome.files
    settings = json.loads((tmp_path / "out/adapter_config.json").read_text())
    assert (settings["base_model_name_or_path"], settings["revision"]) == ("org/own", "abc")
    text = (tmp_path / "out/README.md").read_text()
    assert "base_model: org/own\nbase_model_relation: adapter\n" in text and "library_name: peft" in text
    assert str(tmp_path) not in text
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "out")


def test_the_base_of_an_adapter_must_be_found_by_others(adapter, tmp_path):
    nameless = replace(STATED, base=None, base_license=None)
    outcome = released(adapter, tmp_path / "out", nameless)
    assert outcome.failed == ["base model"] and f"{str(tmp_path / 'base')!r} is no id" in said(outcome, "base model")
    assert "--base OWNER/NAME; " in said(outcome, "base model") and "--base-license SPDX" in said(outcome, "base model")
    outcome = released(adapter, tmp_path / "out", replace(STATED, base="our own model"))
    assert outcome.failed == ["base model"] and "'our own model' is no id of the hub" in said(outcome, "base model")


def test_an_adapter_that_is_of_another_base_is_refused(adapter, tmp_path):
    path = adapter / "adapter_model.safetensors"
    tensors = load_file(path)
    name = next(iter(tensors))
    save_file(tensors | {name: torch.zeros(2, 7)}, path, {"format": "pt"})
    outcome = released(adapter, tmp_path / "out", STATED)
    assert outcome.failed == ["Ponder"] and "an adapter of another model than its base" in said(outcome, "Ponder")


def test_gguf_of_an_adapter_alone_is_refused(adapter, tmp_path):
    outcome = released(adapter, tmp_path / "out", STATED, gguf="f16")
    assert outcome.failed == ["GGUF"] and "adapter" in said(outcome, "GGUF"), outcome


def test_adapters_go_out_beside_the_model_that_they_are_merged_into(base, tmp_path):
    (base / "adapter").mkdir()
    write_adapter(base, base / "adapter")
    outcome = released(base, tmp_path / "out", STATED)
    assert outcome.at and {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"} < set(outcome.files)
    assert (
        json.loads((tmp_path / "out/adapter/adapter_config.json").read_text())["base_model_name_or_path"] == "org/own"
    )
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out")


def test_the_base_of_adapters_is_what_they_were_trained_on_and_not_where_it_all_began(tmp_path):
    """A run over another run's checkpoint: `--base` says where the first began, which is no base of the adapters."""
    first = run(tmp_path / "first", parent=checkpoint(tmp_path / "began"), hub="org/own@abc")
    second = run(tmp_path / "second", parent=first.latest_checkpoint())
    place = second.latest_checkpoint()
    (place / "adapter").mkdir()
    write_adapter(first.latest_checkpoint(), place / "adapter")
    outcome = released(place, tmp_path / "out", replace(RUNS, base_license="mit"))
    assert outcome.at, outcome
    named = json.loads((tmp_path / "out/adapter/adapter_config.json").read_text())["base_model_name_or_path"]
    assert named == "the checkpoint of first that this run began at"
    assert "base_model: org/own\n" in (tmp_path / "out/README.md").read_text()
    (place / "model.safetensors").unlink()
    for path in (place / "adapter").iterdir():
        path.rename(place / path.name)
    outcome = released(place, tmp_path / "alone", replace(RUNS, base_license="mit"))
    assert outcome.failed == ["base model"] and "release that model first" in said(outcome, "base model")
