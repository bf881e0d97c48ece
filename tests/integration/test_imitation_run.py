"""A cold start on files of chats: a validation loss on its way, rows that are too long named and left out or refused."""

import json

import pytest

from ponder.runs.run import Run
from tests.integration.micro import RECIPE, ponder, write_recipe

CHATS = [
    {"messages": [{"role": "user", "content": f"Say {n} twice."}, {"role": "assistant", "content": f"{n} {n}"}]}
    for n in range(120)
]
CHATS[40]["messages"][1]["content"] = "one " * 200


@pytest.fixture
def chats(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(chat) + "\n" for chat in CHATS))
    return path


def train(tmp_path, chats, **demonstrations):
    stage = RECIPE["stages"][0] | {"steps": 24, "eval_every": 8, "eval_problems": 2}
    stage["demonstrations"] = {"path": str(chats)} | demonstrations
    recipe = RECIPE | {"stages": [stage], "held_out": {"problems": 2, "at_start": False, "max_tokens": 8}}
    return ponder("train", write_recipe(tmp_path, recipe), "--run", tmp_path / "run")


def test_the_validation_loss_falls(tmp_path, chats):
    done = train(tmp_path, chats, validation=0.2, too_long="drop")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "line 41" in done.stdout and "left out" in done.stdout
    assert "stages.cold_start: 120 demonstrations" in done.stdout, "how many rows were read"
    run = Run.open(tmp_path / "run")
    assert f"Best checkpoint of those kept: {run.path}/checkpoints/" in done.stdout
    rows = run.metrics()
    losses = {row["step"]: row["validation/loss"] for row in rows if "validation/loss" in row}
    assert list(losses) == [8, 16, 24] and losses[24] < losses[8]
    assert [e.step for e in Run.open(tmp_path / "run").evals()] == [8, 16, 24], "none at the start"


def test_too_long_ones_are_refused_before_the_first_step(tmp_path, chats):
    done = train(tmp_path, chats)
    assert done.returncode == 2 and "line 41" in done.stderr and "stages.cold_start.demonstrations" in done.stderr
    assert not (tmp_path / "run").exists()
