"""Weights & Biases (offline) and MLflow (a store of files) themselves, where they are installed.

The last test, a slow one, makes an environment that has both and runs the others in it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ponder.recipe.trackers import Mlflow, Wandb
from ponder.runs import Run
from ponder.runs.trackers import open_trackers
from tests.runs.synthetic import HOSTILE, eval_result, rl_metrics, write_run

PROJECT = Path(__file__).parents[2]


def record(run: Run, settings: Wandb | Mlflow) -> None:
    """Steps 3 and 4 of math, a resumed run that repeats step 4, and an evaluation."""
    said: list[str] = []
    for first in (3, 4):
        if first == 4:
            run.rewind(["cold_start", "math"], "math", 3)
        run.follow(open_trackers([settings], run), said.append)
        for step in range(first, 5):
            run.record("math", step, rl_metrics(step) | {f"reward/{HOSTILE}": 0.5, "entropy": float("nan")})
        run.record_eval(eval_result("math", 4, correct=4))
        run.close()
    assert said == []


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return write_run(tmp_path / "run", sft_steps=2, rl_steps=2)


def wandb_records(file: Path) -> list:
    """The records of a run of wandb's that is kept offline: a log in LevelDB's form."""
    from wandb.proto import wandb_internal_pb2

    data, at, record, records = file.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        if 32_768 - at % 32_768 < 7:
            at += 32_768 - at % 32_768
        length, part = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        record, at = record + data[at + 7 : at + 7 + length], at + 7 + length
        if part in (1, 4):  # whole, or the last piece of one
            records.append(wandb_internal_pb2.Record.FromString(record))
            record = b""
    return records


def test_wandb_keeps_the_rows_offline(run: Run, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("wandb", reason="needs wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    record(run, Wandb(project="mine", mode="offline", tags=["a"]))
    files = sorted((run.path / "wandb").glob(f"offline-run-*/run-{run.lineage['id']}.wandb"))
    assert len(files) == 2  # one of each time that it was trained, under one id
    records = wandb_records(files[0])
    about = next(r.run for r in records if r.HasField("run"))
    assert (about.project, about.display_name, about.run_id) == ("mine", "run", run.lineage["id"])
    assert any(item.key == "seed" and item.value_json == "7" for item in about.config.update)
    rows = [
        {(item.key or "/".join(item.nested_key)): item.value_json for item in r.history.item}
        for r in records
        if r.HasField("history")
    ]
    assert [(row["_step"], row["math/pass_rate"][:4]) for row in rows] == [("5", "0.30"), ("6", "0.4")]
    assert rows[1]["math/eval/accuracy"] == "0.5" and "math/entropy" not in rows[0]


def test_mlflow_shows_the_rows(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mlflow = pytest.importorskip("mlflow", reason="needs MLflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    record(run, Mlflow(uri=f"file://{tmp_path}/store", experiment="mine"))
    client = mlflow.MlflowClient(f"file://{tmp_path}/store")
    shown = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert len(shown) == 1 and shown[0].info.run_name == "run" and shown[0].info.status == "FINISHED"
    assert shown[0].data.params["stages.math.steps"] == "4"
    history = client.get_metric_history(shown[0].info.run_id, "math/pass_rate")
    assert [(point.step, round(point.value, 6)) for point in history] == [(5, 0.3), (6, 0.4), (6, 0.4)]
    assert shown[0].data.metrics["math/eval/accuracy"] == 0.5 and "math/entropy" not in shown[0].data.metrics


def test_what_a_tracker_says_of_a_wrong_setting_is_handed_on(run: Run, tmp_path: Path):
    pytest.importorskip("mlflow", reason="needs MLflow")
    with pytest.raises(ValueError, match=r"trackers\.0: mlflow does not start: .*ponder resume .* --set trackers=\[\]"):
        open_trackers([Mlflow(uri="gopher://nowhere")], run)


@pytest.mark.slow
def test_in_an_environment_that_has_them(tmp_path: Path):
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
    # All that is installed here is there too, behind what the environment has itself.
    here = [str(PROJECT), *(path for path in sys.path if path.endswith("site-packages"))]
    (packages / "here.pth").write_text("\n".join(here))
    subprocess.run([python, "-m", "pip", "install", "-q", "wandb", "mlflow-skinny"], check=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    command = [python, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-m", "not slow", Path(__file__)]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed, 1 deselected" in done.stdout, done.stdout
