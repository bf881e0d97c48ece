"""Trackers follow a run and never hold it up: those that work, fail, hang, or are not installed."""

import importlib.util
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ponder.recipe.load import load_recipe
from ponder.recipe.trackers import Mlflow, Wandb
from ponder.runs import Run, tracking
from ponder.runs.trackers import flat, mlflow_name
from tests.integration.micro import RECIPE, ponder, write_recipe
from tests.runs.synthetic import HOSTILE, eval_result, rl_metrics, write_run, write_stage


class Kept:
    """A tracker that keeps what it is shown; after `most` rows it fails."""

    def __init__(self, name: str = "kept", most: int = 1000):
        self.name, self.most = name, most
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.closed = False

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if len(self.rows) >= self.most:
            raise ConnectionError("no\nroute")
        self.rows.append((step, dict(metrics)))

    def close(self) -> None:
        self.closed = True


class Hanging(Kept):
    def __init__(self):
        super().__init__("hanging")
        self.go_on = threading.Event()

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.go_on.wait()


def test_rows_and_evaluations_reach_a_tracker_under_their_stage(tmp_path: Path):
    kept, said = Kept(), []
    write_run(tmp_path / "tiny", rl_steps=2).close()
    with Run.open(tmp_path / "tiny") as run:
        run.follow([kept], said.append)
        run.record("math", 3, {**rl_metrics(3), "entropy": float("nan"), f"reward/{HOSTILE}": 1.0})
        run.record_eval(eval_result("math", 3))
    (first, row), (second, evaluation) = kept.rows
    assert first == second == 7  # four steps of the cold start and two of math were there
    assert row["math/pass_rate"] == pytest.approx(0.3) and "math/entropy" not in row
    assert "\ufffd" in next(name for name in row if name.startswith("math/reward/$")) and len(row) == len(rl_metrics(3))
    assert evaluation == {"math/eval/accuracy": 0.375, "math/eval/truncated_share": 0.25, "math/eval/length": 23.5}
    assert kept.closed and said == []


def test_a_tracker_that_fails_is_told_of_once_and_ends_nothing(tmp_path: Path):
    kept, failing, said = Kept(), Kept("failing", most=2), []
    with write_run(tmp_path / "tiny", sft_steps=0, rl_steps=0) as run:
        run.follow([failing, kept], said.append)
        write_stage(run, "math", 1, 6)
    assert len(run.metrics()) == 6 and len(kept.rows) == 6 + 3 and len(failing.rows) == 2
    assert said == [
        "failing shows no more of this run: ConnectionError: no route. metrics.jsonl has all of it."
    ]  # fmt: skip


def test_a_tracker_that_hangs_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracking, "CLOSE_S", 0.05)
    monkeypatch.setattr(tracking, "WAITING_ROWS", 4)
    for steps, trouble in [(3, "it took over 0 s to send the last rows"), (9, "it is 4 rows behind")]:
        hanging, said, began = Hanging(), [], time.monotonic()
        with write_run(tmp_path / str(steps), sft_steps=0, rl_steps=0, birth=False) as run:
            run.follow([hanging], said.append)
            for step in range(1, steps + 1):
                run.record("math", step, rl_metrics(step))
        assert len(run.metrics()) == steps and time.monotonic() - began < 4
        assert said == [f"hanging shows no more of this run: {trouble}. metrics.jsonl has all of it."]
        hanging.go_on.set()


FAKE = """
class Settings:
    def __init__(self, **all): pass
def init(**given):
    print("init", given["id"], given["project"], given["config"]["name"])
    return Run()
class Run:
    def log(self, row, step):
        print("row", step, len(row))
        if step == 2: raise OSError("the network is gone")
"""


def test_training_goes_on_when_its_tracker_fails(tmp_path: Path):
    (tmp_path / "wandb.py").write_text(FAKE)
    stage = RECIPE["stages"][0] | {"steps": 3}
    held_out = RECIPE["held_out"] | {"max_tokens": 8}
    settings = {"trackers": [{"kind": "wandb", "project": "mine"}], "stages": [stage], "held_out": held_out}
    recipe = write_recipe(tmp_path, RECIPE | settings)
    done = ponder(
        "train", recipe, "--run", tmp_path / "run", env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr
    identity = Run.open(tmp_path / "run").lineage["id"]
    assert f"init {identity} mine micro" in done.stdout and "row 0 " in done.stdout and "row 1 " in done.stdout
    assert done.stdout.count("wandb shows no more of this run: OSError: the network is gone") == 1
    assert len(Run.open(tmp_path / "run").metrics()) == 3


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is not None, reason="MLflow is installed here")
def test_a_tracker_that_is_not_installed_is_said_before_anything_else(tmp_path: Path):
    done = ponder("train", write_recipe(tmp_path), "--run", tmp_path / "run", "--set", "trackers=mlflow")
    assert done.returncode == 2 and not (tmp_path / "run").exists()
    assert re.search(
        r"trackers\.0: mlflow is not installed; get it with: \S*.*pip install -e '\S*\[mlflow\]'", done.stderr
    )


def test_a_recipe_names_trackers_or_says_more_of_them(tmp_path: Path):
    def read(trackers: object):
        return load_recipe(write_recipe(tmp_path, RECIPE | {"trackers": trackers})).trackers

    assert read("wandb") == read(["wandb"]) == [Wandb()]
    assert read(["mlflow", {"kind": "wandb", "tags": ["a"]}]) == [Mlflow(), Wandb(tags=["a"])]
    for wrong, words in [
        ("wanb", r"trackers: unknown kind 'wanb'; there are: 'wandb', 'mlflow'"),
        ([{"kind": "wandb", "projet": "x"}], r"trackers\.0\.projet: .* did you mean `project`\?"),
        (
            [{"kind": "mlflow", "uri": "https://me:secret@host"}],
            r"trackers\.0\.uri: a password does not belong in a recipe",
        ),
    ]:
        with pytest.raises(ValueError, match=words):
            read(wrong)


def test_mlflow_takes_the_names():
    assert mlflow_name("math/reward/a b-c.d:e_1") == "math/reward/a b-c.d:e_1"
    assert mlflow_name("math//reward/../$\\x/") == "math/reward/_/__x"
    stages = [{"name": "math", "steps": 3}, {"kind": "sft"}]
    assert flat({"a": {"b": 1, "c": []}, "stages": stages}) == {
        "a.b": 1, "a.c": [], "stages.math.name": "math", "stages.math.steps": 3, "stages.1.kind": "sft"
    }  # fmt: skip
