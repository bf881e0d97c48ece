"""A composed reward in a real run: every part shows in the rollouts and in the metrics, and a shut gate teaches 0."""

import json

import pytest

from ponder.runs.run import Run
from tests.integration.micro import RECIPE, ponder, write_recipe

GATED = {"gate": [{"verifier": "length", "reference": {"max_tokens": 13}}, "format"], "then": "task"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reward")
    (name,) = RECIPE["sources"]
    recipe = RECIPE | {"sources": {name: RECIPE["sources"][name] | {"reward": GATED}}}
    done = ponder("train", write_recipe(directory, recipe), "--run", "run", cwd=directory)
    assert done.returncode == 0, done.stdout + done.stderr
    return Run.open(directory / "run")


def test_rollouts_show_every_part(run):
    rows = [row for step in range(1, 7) for row in run.rollouts("math", step)]
    parts = [json.loads(row["parts"]) for row in rows]
    shut = [(row, names) for row, names in zip(rows, parts, strict=True) if names and len(names) == 2]
    opened = [(row, names) for row, names in zip(rows, parts, strict=True) if len(names) == 3]
    assert shut and opened, "the bound lies among the lengths of this model's answers"
    for row, names in shut:
        assert [part["name"] for part in names] == ["length", "format"]
        assert row["score"] == 0.0 and row["status"] != "correct"
    for row, names in opened:
        assert names[2]["name"] == "task" and names[2]["status"] == row["status"]


def test_metrics_show_every_part(run):
    rows = [row for row in run.metrics() if row["stage"] == "math"]
    assert all({k for k in row if k.startswith("part/")} == {"part/length", "part/format", "part/math"} for row in rows)
    assert any(0 < row["part/length"] < 1 for row in rows)
