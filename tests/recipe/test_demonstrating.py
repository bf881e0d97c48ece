"""Stages that make demonstrations, as a recipe says them."""

import pytest
import yaml

from ponder.recipe.load import load_recipe
from tests.integration.micro import RECIPE, write_recipe

HARVEST = {"name": "harvest", "kind": "reject", "steps": 2}
TEACH = {"name": "teach", "kind": "distill", "steps": 2, "url": "http://localhost:8000/v1"}
SHOT = [{"question": "1+1?", "answer": "\\boxed{2}"}]
LEARN = {"name": "learn", "kind": "sft", "steps": 1, "demonstrations": {"stages": ["harvest", "teach"]}}


def load(tmp_path, *stages, **more):
    return load_recipe(write_recipe(tmp_path, RECIPE | {"stages": list(stages)} | more))


def test_demonstrations_of_several_stages(tmp_path):
    recipe = load(tmp_path, HARVEST, TEACH, LEARN)
    assert recipe.stages[2].demonstrations.stages == ["harvest", "teach"]
    dumped = yaml.safe_dump(recipe.model_dump(mode="json"))
    (tmp_path / "again.yaml").write_text(dumped)
    assert load_recipe(tmp_path / "again.yaml") == recipe


@pytest.mark.parametrize(
    ("stages", "sentence"),
    [
        ([HARVEST | {"eval_every": 1}], "stages.harvest.eval_every: there is no such field"),
        ([TEACH | {"keep_best": True}], "stages.teach.keep_best: there is no such field"),
        ([TEACH | {"url": "localhost:8000"}], "'localhost:8000' is no address of a server; write http://HOST:PORT/v1"),
        ([{k: v for k, v in TEACH.items() if k != "url"}], "url: this field is required"),
        ([HARVEST | {"url": "http://x/v1"}], "url: there is no such field"),
        (
            [HARVEST | {"shots": {"maths": SHOT}}],
            "stages.harvest.shots: no source has the domain 'maths'; there is: sums",
        ),
        ([HARVEST | {"shots": {"sums": [{"question": "1+1?"}]}}], "shots.sums.0.answer: this field is required"),
        ([LEARN, HARVEST, TEACH], "stages.learn.demonstrations.stages: no stage of kind reject or distill before it"),
        ([HARVEST, LEARN], "is called 'teach'; there is: harvest"),
        (
            [HARVEST, LEARN | {"demonstrations": {"stages": ["harvest"], "path": "x.jsonl"}}],
            "name exactly one of: path",
        ),
        (
            [HARVEST, LEARN | {"demonstrations": {"stages": ["harvest"], "learn": "all"}}],
            "learn is about files of chats",
        ),
    ],
)
def test_what_does_not_fit(tmp_path, stages, sentence):
    with pytest.raises(ValueError) as refused:
        load(tmp_path, *stages)
    assert sentence in " ".join(str(refused.value).split())


def test_a_benchmark_after_a_stage_that_learns_nothing(tmp_path):
    with pytest.raises(ValueError, match="'harvest' makes demonstrations and learns nothing"):
        load(tmp_path, HARVEST, RECIPE["stages"][0], benchmarks=[{"name": "gsm8k", "after": ["harvest"]}])
