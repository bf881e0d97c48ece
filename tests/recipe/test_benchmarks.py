"""The `benchmarks` of a recipe: by name, with settings, and what is wrong with them."""

import pytest

from ponder.recipe.explain import explain_recipe
from ponder.recipe.load import apply_override, dump_recipe, parse_recipe
from ponder.recipe.yaml_text import read_yaml
from tests.integration.micro import RECIPE


def parsed(benchmarks, *overrides):
    tree = RECIPE | {"benchmarks": benchmarks}
    for override in overrides:
        apply_override(tree, override)
    return parse_recipe(tree)


def test_none_is_the_default_and_names_are_enough():
    assert parse_recipe(RECIPE).benchmarks == []
    for given in ("gsm8k", ["gsm8k"], [{"name": "gsm8k"}]):
        (one,) = parsed(given).benchmarks
        assert (one.name, one.protocol, one.rows, one.at_start, one.after) == ("gsm8k", None, None, True, [])


def test_settings_come_back_from_the_resolved_recipe_and_can_be_overridden():
    recipe = parsed(
        [
            {"name": "suites/sums.yaml", "protocol": "greedy", "data": ["here"], "rows": 3, "after": ["math"]},
            {"name": "gsm8k"},
        ],
        "benchmarks.gsm8k.rows=20",
    )
    assert recipe.benchmarks[1].rows == 20
    assert parse_recipe(read_yaml(dump_recipe(recipe))) == recipe == parse_recipe(read_yaml(explain_recipe(recipe)))
    assert "most problems, evenly spaced" in explain_recipe(recipe)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([{"name": "gsm8k", "row": 3}], "benchmarks.gsm8k.row: there is no such field; did you mean `rows`?"),
        ([{"rows": 3}], "benchmarks.0.name: this field is required"),
        ([{"name": "gsm8k", "rows": 0}], "benchmarks.gsm8k.rows: must be greater than or equal to 1, got 0"),
        (["gsm8k", {"name": "gsm8k", "rows": 3}], "benchmarks: gsm8k stands twice"),
        (
            [{"name": "gsm8k", "after": ["maths"]}],
            "benchmarks.gsm8k.after: there is no stage 'maths'; the stages are: cold_start, math",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(given, said):
    with pytest.raises(ValueError) as refused:
        parsed(given)
    assert said in str(refused.value), str(refused.value)
