"""What a model is computed in, and whether it fits, before any work."""

import dataclasses

import psutil
import pytest
import torch

from ponder.model.config import LoraConfig, load_preset
from ponder.recipe.schema import Lora, Model, Recipe
from ponder.training import precision
from ponder.training.precision import check_memory, compute_dtype, precision_remarks, training_bytes

QWQ = load_preset("qwq-32b")  # 32.8e9 parameters


@pytest.mark.parametrize(
    ("abilities", "taken"), [(("avx2",), "float32"), (("avx2", "avx512_bf16"), "bfloat16"), (("amx_bf16",), "bfloat16")]
)
def test_a_processor_without_bfloat16_takes_float32_and_says_so(monkeypatch, abilities, taken):
    monkeypatch.setattr(precision, "abilities", lambda: abilities)
    mixed = Model(path="somewhere", dtype="bfloat16")
    assert compute_dtype(mixed, "cpu") == taken
    assert bool(precision_remarks(mixed, "cpu")) == (taken == "float32")
    assert compute_dtype(Model(path="somewhere"), "cpu") == "float32" and not precision_remarks(Model(), "cpu")


def test_a_model_larger_than_memory_is_refused_with_what_would_fit(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"total": 100 * 10**9}))
    with pytest.raises(
        ValueError, match=r"takes 524\.\d GB .* has 100\.0 GB: set model\.lora: \{\} .* and model\.dtype: bf"
    ):
        check_memory(QWQ, Model(path="somewhere"), "cpu")
    lora = dataclasses.replace(QWQ, lora=LoraConfig(16, 32.0))
    check_memory(lora, Model(path="somewhere", dtype="bfloat16", lora=Lora()), "cpu")


def test_what_training_takes():
    """By hand: float32 4 bytes a weight, and gradient and two moments of those that learn; masters where they lie apart."""
    count = 32_763_876_352
    assert training_bytes(QWQ, torch.float32) == count * 16
    assert training_bytes(QWQ, torch.bfloat16) == count * (2 + 16)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"lora": {}}, "lora is for a model that comes in"),
        ({"path": "x", "lora": {}, "add_tokens": ["<a>"]}, "add_tokens and lora do not go together"),
        ({"path": "x", "lora": {"targets": []}}, "targets"),
        ({"path": "x", "lora": {"targets": ["c_attn"]}}, "q_proj"),
        ({"path": "x", "lora": {"rank": 0}}, "rank"),
    ],
)
def test_adapters_that_cannot_be_are_refused_when_a_recipe_is_read(model, said):
    recipe = {
        "name": "it",
        "model": model,
        "sources": {"sums": {"kind": "gym", "family": "chain_sum"}},
        "stages": [{"name": "math", "kind": "rl", "steps": 1}],
    }
    with pytest.raises(ValueError, match=said):
        Recipe.model_validate(recipe)
