"""Composed rewards in recipes: they are read back as written, and mistakes are named by their path."""

import pytest
import yaml

from ponder.recipe.load import dump_recipe, parse_recipe
from ponder.training.data import load_tasks

SUMS = {"kind": "gym", "family": "chain_sum", "settings": {"min_terms": 2, "max_terms": 2}}
GATED = "{gate: [format, {verifier: length, reference: {max_tokens: 99}}], then: task}"
SUMMED = "{sum: [{weight: 3, of: task}, {weight: 1, of: {product: [format, task]}}]}"


def recipe(reward: str, **source):
    tree = {"sums": SUMS | {"reward": yaml.safe_load(reward)} | source}
    return parse_recipe({"name": "r", "sources": tree, "stages": [{"name": "rl", "kind": "rl", "steps": 1}]})


@pytest.mark.parametrize("reward", ["task", GATED, SUMMED])
def test_what_is_written_is_what_is_read(reward):
    read = recipe(reward)
    assert parse_recipe(yaml.safe_load(dump_recipe(read))) == read


def test_tasks_carry_the_reward_and_keep_their_identity():
    plain, gated = (load_tasks(recipe(reward)) for reward in ("task", GATED))
    assert [task.id for task in plain.held_out] == [task.id for task in gated.held_out]
    assert "reward" not in plain.held_out[0].metadata
    assert gated.held_out[0].metadata["reward"]["gate"][1] == {"verifier": "length", "reference": {"max_tokens": 99}}
    assert gated.draw(0, 1)[0].metadata["reward"]["then"] == "task"


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        ("math", "sources.sums.reward: must be 'task' or 'format', got 'math'"),
        (
            "{gate: [format], then: {sum: [{weight: 0, of: task}, {weight: 1, of: task}]}}",
            "reward.then.sum.0.weight: must",
        ),
        (
            "{gate: [{verifier: length, reference: {max_words: -3}}], then: task}",
            "reward.gate.0: length: max_words must",
        ),
        ("{gate: [{verifier: math}], then: task}", "reward.gate.0: math needs a `reference` here"),
        ("{gate: [{verifier: maths}], then: task}", "reward.gate.0.verifier: must be 'math'"),
        ("{gate: [], then: task}", "reward.gate: must"),
        ("{gate: [format], than: task}", "reward.than: there is no such field; did you mean `then`?"),
        ("3", "reward: must be a mapping of fields, got 3; write its fields (verifier"),
    ],
)
def test_mistakes_are_named_by_their_path(reward, message):
    with pytest.raises(ValueError) as refused:
        recipe(reward)
    assert message in str(refused.value)
    assert "<" not in str(refused.value)
