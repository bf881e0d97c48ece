"""Recipes: what is wrong is named with its path and a remedy, before torch is imported."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ponder.recipe.load import dump_recipe, load_recipe

RECIPES = sorted(Path("recipes").glob("*.yaml"))
GOOD = {
    "name": "t",
    "sources": {"sums": {"kind": "gym", "family": "chain_sum"}},
    "stages": [
        {"name": "cold", "kind": "sft", "steps": 3, "demonstrations": {"columns": {}}},
        {"name": "math", "kind": "rl", "steps": 3},
    ],
}


def write(tmp_path, **changes) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(GOOD | changes))
    return path


def complaint(path, *overrides) -> str:
    with pytest.raises(ValueError) as error:
        load_recipe(path, list(overrides))
    return str(error.value)


@pytest.mark.parametrize("path", RECIPES, ids=str)
def test_shipped_recipes_load_and_survive_a_round_trip(path, tmp_path):
    recipe = load_recipe(path)
    (tmp_path / "resolved.yaml").write_text(dump_recipe(recipe))
    assert load_recipe(tmp_path / "resolved.yaml") == recipe


def test_overrides_find_stages_by_name(tmp_path):
    path = write(tmp_path)
    recipe = load_recipe(path, ["stages.math.steps=40", "stages.math.optimizer.lr=1e-4", "held_out.problems=7"])
    assert recipe.stages[1].steps == 40 and recipe.stages[1].optimizer.lr == 1e-4 and recipe.held_out.problems == 7


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("stages.maths.steps=4", "no item named 'maths'; there are: cold, math"),
        ("stages.math.steps", "write it as path.to.field=value"),
        ("name.x=1", "name is not a mapping"),
        ("stages.math.stepps=4", "stages.math.stepps: there is no such field; did you mean `steps`?"),
        ("stages.math.optimizer.lrr=4", "stages.math.optimizer.lrr: there is no such field; did you mean `lr`?"),
        ("sources.sums.famly=x", "sources.sums.famly: there is no such field; did you mean `family`?"),
        ("held_out.problem=4", "did you mean `problems`?"),
        ("stages.math.steps=many", "stages.math.steps: must be a whole number, got 'many'"),
        ("stages.math.steps=-4", "stages.math.steps: must be greater than or equal to 1, got -4"),
        ("engine.token_budget=-1", "engine.token_budget: must be greater than or equal to 64, got -1"),
        ("stages.math.samples_per_prompt=1", "use at least 2, or the objective 'reinforce_pp'"),
        (
            "stages.math.objective={name: rloo, clip_high: 0.3}",
            "stages.math.objective: clip_high belongs to a trust region, and 'rloo' has none; set trust: clip",
        ),
        ("stages.math.objective={name: cispo, dual_clip: 3}", "dual_clip belongs to trust: clip"),
        ("stages.math.objective={trust: none, clip_low: 0.3}", "clip_low belongs to a trust region"),
        ("stages.math.objective={kl_estimator: k1}", "kl_estimator: 'dapo' has no KL here; give kl a weight"),
        ("stages.math.objective={name: grpo, kl: 0, kl_estimator: k1}", "kl_estimator: 'grpo' has no KL"),
        ("stages.math.objective.name=ppo", "stages.math.objective.name: must be 'grpo'"),
        ("stages.math.kind=dpo", "stages.math: unknown kind 'dpo'"),
        ("stages.math.target=0.9", "set eval_every"),
        ("stages.math.name=cold", "two stages are named 'cold'"),
        ("stages.math.name=birth", "cannot be named 'birth'"),
        ("sources.sums.part=held_out", "at least one must be 'split' or 'train'"),
        ("sources.sums.part=train", "no source has a held-out part"),
        ("model.birth.heads=3", "model.birth: hidden_size (128) must be heads (3)"),
        ("stages.cold.demonstrations.path=x.jsonl", "exactly one of"),
        ("stages.cold.demonstrations.columns=null", "exactly one of"),
        (
            "stages.cold.demonstrations.programs={slp: 1}",
            "demonstrations.programs.slp: there is no such field; did you",
        ),
        ("stages.cold.demonstrations.programs.slip=1", "programs.slip: must be less than 1"),
        (
            "sources.sums={kind: programs, kind_s: []}",
            "sources.sums.kind_s: there is no such field; did you mean `kinds`?",
        ),
        ("sources.sums={kind: programs, kinds: []}", "sources.sums.kinds: must"),
        ("sources.sums={kind: programs, min_steps: 4}", "sources.sums: min_steps (4) cannot exceed max_steps (3)"),
        ("sources.sums={kind: jsonl, path: x, verifier: coding}", "sources.sums.verifier: must be 'math', 'choice'"),
        ("sandbox.url=[x]", "sandbox.url: there is no such field; did you mean `urls`?"),
        ("sandbox.isolation=loose", "sandbox.isolation: must be 'strict', 'standard' or 'none'"),
        ("sandbox.workers=0", "sandbox.workers: must be greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(tmp_path, override, fragment):
    assert fragment in complaint(write(tmp_path), override)


def test_a_mixture_of_math_and_code(tmp_path):
    sources = GOOD["sources"] | {"programs": {"kind": "programs", "kinds": ["text"]}}
    path = write(tmp_path, sources=sources)
    recipe = load_recipe(path, ["stages.cold.demonstrations.programs={}", "sandbox.memory_mb=512"])
    assert recipe.sources["programs"].kinds == ["text"] and recipe.sources["programs"].prompt is None
    assert recipe.stages[0].demonstrations.programs.guess == recipe.stages[0].demonstrations.columns.guess
    assert (recipe.sandbox.memory_mb, recipe.sandbox.urls, recipe.sandbox.isolation) == (512, [], "standard")
    assert "did you mean `min_steps`?" in complaint(path, "sources.programs.minsteps=1")


@pytest.mark.parametrize(
    "objective",
    [
        {"name": "rloo", "trust": "clip", "clip_high": 0.3, "dual_clip": 3},
        {"name": "cispo", "clip_high": 0.3},
        {"name": "grpo", "kl_estimator": "k1"},
        {"kl": 0.1, "kl_estimator": "k2"},
    ],
)
def test_choices_that_go_together(tmp_path, objective):
    load_recipe(write(tmp_path), [f"stages.math.objective={objective}"])


def test_one_sample_a_prompt_is_fine_without_groups(tmp_path):
    changes = ["stages.math.samples_per_prompt=1", "stages.math.objective.name=reinforce_pp"]
    assert load_recipe(write(tmp_path), changes).stages[1].samples_per_prompt == 1


def test_all_problems_are_listed_at_once(tmp_path):
    text = complaint(write(tmp_path, seeed=1), "stages.math.steps=0")
    assert "2 problems" in text and "did you mean `seed`?" in text and "stages.math.steps" in text


def test_files_that_are_no_recipes(tmp_path):
    assert "there is no recipe at" in complaint(tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("stages: [")
    assert "not valid YAML" in complaint(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    assert "must hold a mapping" in complaint(tmp_path / "list.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\xfe")
    assert "not UTF-8" in complaint(tmp_path / "latin.yaml")


def test_help_and_refusals_do_not_import_torch(tmp_path):
    code = (
        "import sys; sys.argv = ['ponder', *sys.argv[1:]]\n"
        "from ponder.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as e: print('exit', e.code)\n"
        "print('torch' in sys.modules)"
    )
    for arguments, exit_code in (
        (["--help"], 0),
        (["train", str(write(tmp_path, seeed=1))], 2),
        (["model", "--help"], 0),
    ):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert done.stdout.split()[-3:] == ["exit", str(exit_code), "False"], done.stdout + done.stderr


def test_the_call_forms_of_a_source_are_those_that_there_are_parsers_for():
    from typing import get_args

    from ponder.chat.call_forms import CALL_FORMS
    from ponder.recipe.sources import CallForm

    assert get_args(CallForm) == ("auto", *CALL_FORMS)


def test_tokens_are_added_to_models_that_come_in_only(tmp_path):
    assert "model: add_tokens is for a model that comes in" in complaint(
        write(tmp_path, model={"add_tokens": ["<think>"]})
    )
    recipe = load_recipe(write(tmp_path, model={"path": "m", "add_tokens": ["<think>", "</think>"]}))
    assert recipe.model.add_tokens == ["<think>", "</think>"] and recipe.model.save_dtype is None
    assert "model.save_dtype" in complaint(write(tmp_path, model={"save_dtype": "float8"}))
