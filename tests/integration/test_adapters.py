"""Adapters on a model that comes in: a run in mixed precision, its checkpoints in other people's hands, an exact resume."""

import json
import shutil

import pytest
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file

from ponder.runs.run import Run
from tests.integration.micro import RECIPE, ponder, write_recipe
from tests.integration.test_own_model import TAGS, write_own_model

COLD, MATH = RECIPE["stages"]
STAGES = [COLD | {"steps": 4}, MATH | {"steps": 3, "objective": {"name": "grpo", "kl": 0.1}}]


def recipe_of(base, **lora) -> dict:
    model = {"path": str(base), "dtype": "bfloat16", "save_dtype": "float32", "lora": {"rank": 8, **lora}}
    return RECIPE | {"model": model, "stages": STAGES}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("adapters")
    (directory / "own").mkdir()
    write_own_model(directory / "own")
    whole = RECIPE | {"model": {"path": str(directory / "own"), "add_tokens": TAGS}, "stages": [COLD | {"steps": 30}]}
    done = ponder("train", write_recipe(directory, whole), "--run", directory / "first")
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copytree(Run.open(directory / "first").latest_checkpoint(), directory / "base")
    done = ponder("train", write_recipe(directory, recipe_of(directory / "base")), "--run", directory / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@torch.no_grad()
def logits(model) -> torch.Tensor:
    return model.eval()(torch.tensor([[3, 9, 27, 1, 60]])).logits[0]


def test_a_checkpoint_is_a_whole_model_with_the_adapters_beside_it(trained):
    checkpoint, base = Run.open(trained / "run").latest_checkpoint(), trained / "base"
    merged = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    bare = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    before = logits(bare)
    adapted = PeftModel.from_pretrained(bare, checkpoint / "adapter")
    torch.testing.assert_close(logits(adapted), logits(merged), atol=1e-4, rtol=1e-4)
    assert (logits(merged) - before).abs().max() > 0.01, "it has learned"
    assert json.loads((checkpoint / "adapter" / "merged.json").read_text())["lost"] < 1e-5
    assert sum(t.numel() for t in load_file(checkpoint / "resume" / "optimizer.safetensors").values()) < 70_000


def test_metrics_say_that_the_sampler_sees_the_adapters(trained):
    rows = [row for row in Run.open(trained / "run").metrics() if row["stage"] == "math"]
    assert [row["adapters/seen_share"] for row in rows] == [1.0] * 3
    assert all(row["mismatch/mean"] < 0.05 for row in rows)


def test_a_resume_is_exact(trained, tmp_path):
    again = tmp_path / "run"
    shutil.copytree(trained / "run", again)
    for checkpoint in (again / "checkpoints").glob("math-*"):
        shutil.rmtree(checkpoint)
    done = ponder("resume", again)
    assert done.returncode == 0, done.stdout + done.stderr
    ends = [Run.open(run).latest_checkpoint() for run in (trained / "run", again)]
    for name in ("resume/weights.safetensors", "resume/optimizer.safetensors", "model.safetensors"):
        one, other = (load_file(end / name) for end in ends)
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one), name


def test_adapters_alone_are_kept_served_and_resumed(trained, tmp_path):
    stages = [STAGES[0] | {"steps": 2}]
    recipe = write_recipe(
        tmp_path, recipe_of(trained / "base", save="adapter", targets=["q_proj"]) | {"stages": stages}
    )
    done = ponder("train", recipe, "--run", tmp_path / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    checkpoint = Run.open(tmp_path / "run").latest_checkpoint()
    assert not (checkpoint / "model.safetensors").exists() and (checkpoint / "adapter_model.safetensors").exists()
    for given in (tmp_path / "run", checkpoint):
        said = ponder("generate", given, "1 + 1 =", "--max-tokens", "4", "--temperature", "0")
        assert said.returncode == 0, said.stderr
    longer = ponder("resume", tmp_path / "run", "--set", f"stages.{stages[0]['name']}.steps=4")
    assert longer.returncode == 0, longer.stdout + longer.stderr


def test_another_base_is_refused_before_any_work(trained, tmp_path):
    shutil.copytree(trained / "base", tmp_path / "base")
    recipe = recipe_of(tmp_path / "base") | {"stages": [STAGES[0] | {"steps": 1}]}
    recipe["model"]["save_dtype"] = "bfloat16"
    done = ponder("train", write_recipe(tmp_path, recipe), "--run", tmp_path / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rounding moved what they change by" in " ".join(done.stdout.split()), "a single step is a small change"
    weights = load_file(tmp_path / "base" / "model.safetensors")
    save_file({name: tensor * 0.5 for name, tensor in weights.items()}, tmp_path / "base" / "model.safetensors")
    again = ponder("resume", tmp_path / "run", "--set", f"stages.{STAGES[0]['name']}.steps=2")
    assert (
        again.returncode == 2 and "another model than the one that this run's adapters were trained on" in again.stderr
    )
    shutil.rmtree(tmp_path / "base")
    gone = ponder("resume", tmp_path / "run", "--set", f"stages.{STAGES[0]['name']}.steps=2")
    assert gone.returncode == 2 and str(tmp_path / "base") in gone.stderr and "Traceback" not in gone.stderr
