"""What is said of a recipe's fields: docs/recipe.md, and `ponder train --dry-run`."""

from pathlib import Path

import pytest
import yaml

from ponder.recipe.explain import explain_recipe
from ponder.recipe.load import load_recipe, parse_recipe
from ponder.recipe.reference import fields_of, heading, meaning, models, page
from ponder.recipe.schema import Recipe
from tests.integration.micro import MIXED, ponder, write_recipe

PROJECT = Path(__file__).parents[2]
DEEP = MIXED | {
    "trackers": ["wandb", {"kind": "mlflow", "uri": "http://127.0.0.1:5000"}],
    "sources": {
        "a: b #c": MIXED["sources"]["sums"]
        | {"reward": {"gate": ["format", {"verifier": "length", "reference": {"max_words": 9}}], "then": "task"}},
        "yes": {
            "kind": "jsonl",
            "path": "a # b.jsonl",
            "prompt": "{question}: # yes\n- \u4f60",
            "fields": {"answer": "null"},
        },
    },
}


def test_the_page_is_what_the_schema_says():
    written = (PROJECT / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert written == page(), "docs/recipe.md is stale: make docs"


def test_every_field_is_described():
    silent = [
        f"{model.__name__}.{name}" for model in models() for name, f in fields_of(model).items() if not meaning(name, f)
    ]
    assert not silent, f"without a description: {', '.join(silent)}"


def test_the_page_has_every_model_and_its_links_lead_somewhere():
    headings = [heading(model) for model in models()]
    assert len(headings) == len(set(headings)) > 20
    lines = page().splitlines()
    anchors = {line.removeprefix("## ").replace(" ", "-") for line in lines if line.startswith("## ")}
    assert {name.replace(" ", "-") for name in headings} < anchors
    links = {part.split(")")[0] for line in lines for part in line.split("](#")[1:]}
    assert links <= anchors and len(links) > 15


@pytest.mark.parametrize(
    "recipe", [*(PROJECT / "recipes").glob("*.yaml"), DEEP], ids=lambda r: r["name"] if isinstance(r, dict) else r.stem
)
def test_a_described_recipe_is_the_same_recipe(recipe: Path | dict):
    read = parse_recipe(recipe) if isinstance(recipe, dict) else load_recipe(recipe)
    text = explain_recipe(read)
    assert parse_recipe(yaml.safe_load(text)) == read
    assert all(f"{name}:" in text for name in Recipe.model_fields)


def test_a_dry_run_says_what_each_field_means_and_can_be_kept(tmp_path: Path):
    done = ponder("train", write_recipe(tmp_path), "--dry-run", "--set", "stages.math.steps=7", cwd=PROJECT)
    assert done.returncode == 0, done.stderr
    assert "\n  steps: 7  # how many; target and plateau may end a stage that learns before\n" in done.stdout
    (tmp_path / "kept.yaml").write_text(done.stdout)
    assert load_recipe(tmp_path / "kept.yaml") == load_recipe(write_recipe(tmp_path), ["stages.math.steps=7"])
