"""Complaints about recipes are in the recipe's own words, with an example of what to write."""

import pytest
import yaml

from ponder.recipe.load import load_recipe
from tests.recipe.test_recipe import complaint, write


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "stages.math.objective=grpo",
            "objective: must be a mapping of fields, got 'grpo'; write objective: {name: grpo}",
        ),
        ("stages.math.plateau=3", "stages.math.plateau: must be a mapping of fields, got 3; write plateau: {evals: 3}"),
        ("stages.math.optimizer=1e-4", "write optimizer: {lr: 1e-4}"),
        ("stages.cold.demonstrations=chats.jsonl", "write demonstrations: {path: chats.jsonl}"),
        (
            "stages.cold.demonstrations.columns=true",
            "write columns: {} for what it is by default, or its fields (guess,",
        ),
        ("held_out=200", "write held_out: {problems: 200}"),
        ("model=runs/x", "write model: {path: runs/x}"),
        (
            "sources.sums.verifier=rw.py:ok",
            "sums.verifier: a function of your own is written verifier: {python: rw.py:ok}",
        ),
        ("sources.sums.reward=rw.py:ok", "sums.reward: a function of your own is written reward: {python: rw.py:ok}"),
        (
            "sources.sums.reward={sum: [format, {weight: 1, of: task}]}",
            "reward.sum.0: must be a mapping of fields, got 'format'; write - {of: format, weight: ...}",
        ),
        ("sources.sums.reward={gate: format, then: task}", "gate: must be a list, got 'format'; write gate: [format]"),
        (
            "sources.sums.reward=[task]",
            "sums.reward: must be a mapping of fields, got ['task']; write its fields (verifier",
        ),
        ("sources.sums=gsm8k.jsonl", "write its fields, `kind` among them, indented below it"),
        ("sources.sums={kind: files, path: 3}", "sources.sums.path: must be text or a list, got 3"),
        ("sources.sums={kind: files, path: [3]}", "sources.sums.path.0: must be text, got 3"),
        ("sources.sums={kind: files, path: a, fields: prompt}", "fields: must be a mapping of fields, got 'prompt'"),
        ("stages={a: 1}", "stages: must be a list, got {'a': 1}"),
        ("stages=[]", "stages: must not be empty"),
        ("name=a b", "name: must match ^[A-Za-z0-9]"),
        ("stages.math.keep_best=maybe", "keep_best: must be true or false, got 'maybe'"),
        ("stages.math.eval_every=1.5", "eval_every: must be a whole number, got 1.5"),
        ("stages.math.optimizer.betas=[0.9]", "betas.1: this field is required"),
    ],
)
def test_each_is_one_line_with_what_to_write(tmp_path, override, said):
    whole = complaint(write(tmp_path), override)
    assert said in whole and "has 1 problem:" in whole
    assert not any(word in whole for word in ("valid", "dictionary", "instance", "Input", "list[str]", "parse"))


def test_what_it_says_to_write_is_right(tmp_path):
    recipe = load_recipe(write(tmp_path), ["stages.math.objective={name: grpo}", "stages.math.optimizer={lr: 1e-4}"])
    assert (recipe.stages[1].objective.name, recipe.stages[1].optimizer.lr) == ("grpo", 1e-4)


def test_a_long_value_is_cut(tmp_path):
    assert len(complaint(write(tmp_path), f"stages.math.steps={'many ' * 999}")) < 400


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path):
    text = yaml.safe_dump({"name": "t", "seed": 1}) + "engine:\n  workers: 0\n  max_rows: 4\n  workers: 2\n"
    (tmp_path / "recipe.yaml").write_text(text)
    assert complaint(tmp_path / "recipe.yaml") == (
        f"{tmp_path}/recipe.yaml: line 6: the key 'workers' stands twice in one mapping, first in line 4; keep one of them"
    )
    twice = complaint(write(tmp_path), "stages.math.optimizer={lr: 1, lr: 2}")
    assert "stages.math.optimizer={lr: 1, lr: 2}" in twice and "'lr' stands twice" in twice
    merged = "base: &base {workers: 0, max_rows: 4}\nengine: &engine {<<: *base, workers: 2}\nagain: {<<: *engine}\n"
    (tmp_path / "recipe.yaml").write_text(merged)
    assert "stands twice" not in complaint(tmp_path / "recipe.yaml"), "merging and replacing is no doubling"
