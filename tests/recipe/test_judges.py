"""Judges in recipes: who is asked must be there, and a rubric must make sense."""

import pytest
import yaml

from ponder.recipe.judges import judged_by
from ponder.recipe.load import dump_recipe, parse_recipe

RUBRIC = [{"name": "helpful", "question": "Is it?", "weight": 2}, {"name": "brief", "question": "Is it short?"}]
ASKED = {"judge": "critic", "rubric": RUBRIC}
JUDGES = {"critic": {"url": "http://localhost:8000/v1"}}


def recipe(source: dict | None = None, judges: dict = JUDGES):
    source = {"reward": ASKED} if source is None else source
    sums = ({} if "kind" in source else {"kind": "gym", "family": "chain_sum"}) | source
    stages = [{"name": "rl", "kind": "rl", "steps": 1}]
    return parse_recipe({"name": "r", "judges": judges, "sources": {"sums": sums}, "stages": stages})


def test_a_recipe_with_a_judge_is_read_back_as_it_was():
    rows = {"kind": "jsonl", "path": "rows.jsonl", "verifier": ASKED}
    inside = {"gate": ["format"], "then": {"sum": [{"weight": 1, "of": "task"}, {"weight": 1, "of": ASKED}]}}
    for source in ({"reward": ASKED}, rows, {"reward": inside}):
        read = recipe(source)
        assert parse_recipe(yaml.safe_load(dump_recipe(read))) == read
        (asked,) = judged_by(read.sources["sums"])
        assert (asked.judge, asked.mode, asked.drop, asked.rubric[0].weight) == ("critic", "pointwise", 0.0, 2.0)


@pytest.mark.parametrize(
    ("source", "judges", "message"),
    [
        ({"reward": ASKED | {"judge": "critik"}}, JUDGES, "called 'critik'; did you mean 'critic'?"),
        ({"reward": ASKED}, {}, "called 'critic'; there are: none"),
        (None, {"math": {"url": "http://h/v1"}}, "judges.math: a judge has a name of"),
        (None, {"The Critic": {"url": "http://h/v1"}}, "judges.The Critic: a judge has a name of"),
        (None, {"critic": {"url": "localhost:8000"}}, "judges.critic.url: 'localhost:8000' is no address of a server"),
        (None, {"critic": {"url": "http://h/v1", "modell": "m"}}, "did you mean `model`?"),
        ({"reward": ASKED | {"rubrics": []}}, JUDGES, "rubrics: there is no such field; did you mean `rubric`?"),
        ({"reward": ASKED | {"rubric": []}}, JUDGES, "rubric"),
        ({"reward": ASKED | {"rubric": [RUBRIC[0]] * 2}}, JUDGES, "two items of the rubric are named 'helpful'"),
        ({"reward": ASKED | {"rubric": RUBRIC[:1], "drop": 0.5}}, JUDGES, "this one has a single item"),
        ({"reward": ASKED | {"drop": 1.0}}, JUDGES, "drop"),
        ({"reward": ASKED | {"rubric": [RUBRIC[0] | {"weight": 0}]}}, JUDGES, "weight"),
        ({"reward": ASKED | {"rubric": [RUBRIC[0] | {"name": "a b"}]}}, JUDGES, "name"),
        ({"reward": ASKED | {"mode": "ranking"}}, JUDGES, "pairwise"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_path(source, judges, message):
    with pytest.raises(ValueError, match="problem") as raised:
        recipe(source, judges)
    assert message in str(raised.value), str(raised.value)
