"""A run directory: creating, recording, rewinding, locking."""

import functools
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ponder.runs import EvalResult, Run
from ponder.runs.lineage import fingerprint, new_lineage
from ponder.runs.rollouts import OPTIONAL
from tests.runs.synthetic import RECIPE, contents, eval_result, rollout, write_run, write_stage

STAGES = ["cold_start", "math"]


def tensorboard_scalars(run: Run) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(run.path / "events"), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_create_refuses_what_is_there(tmp_path: Path):
    with write_run(tmp_path / "tiny") as run:
        before = contents(run)
        with pytest.raises(
            ValueError, match=rf"already holds a run. Resume it with: ponder resume {run.path}, or .*--run"
        ):
            Run.create(run.path, RECIPE, new_lineage(RECIPE, seed=1))
        assert contents(run) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "recipe.yaml").write_text("mine")
    with pytest.raises(ValueError, match=r"not empty \(it holds recipe\.yaml\)"):
        Run.create(tmp_path / "mine", RECIPE, new_lineage(RECIPE, seed=1))
    assert os.listdir(tmp_path / "mine") == ["recipe.yaml"]
    with pytest.raises(ValueError, match="is a file"):
        Run.create(tmp_path / "mine" / "recipe.yaml", RECIPE, new_lineage(RECIPE, seed=1))


def test_open_refuses_what_is_no_run(tmp_path: Path):
    with pytest.raises(ValueError, match=r"is not a run: there is no lineage\.json"):
        Run.open(tmp_path)
    with pytest.raises(ValueError, match="is not a run: there is no such directory"):
        Run.open(tmp_path / "absent")


def test_lineage_says_where_a_run_comes_from(tmp_path: Path):
    parent = tmp_path / "parent"
    parent.mkdir()
    (parent / "config.json").write_text("{}")
    (parent / "model.safetensors").write_bytes(bytes(6_000_000))
    lineage = new_lineage(RECIPE, seed=7, parent=parent)
    assert lineage["seed"] == 7 and lineage["torch"].startswith("2.") and lineage["python"] == sys.version.split()[0]
    assert lineage["parent"] == {"path": str(parent), "fingerprint": fingerprint(parent)}
    before = fingerprint(parent)
    with open(parent / "model.safetensors", "r+b") as file:
        file.seek(5_999_999)
        file.write(b"1")
    assert fingerprint(parent) != before
    run = Run.create(tmp_path / "run", RECIPE, lineage)
    assert Run.open(run.path).lineage == lineage and run.recipe_text == RECIPE


def test_metrics_come_back_flat_and_in_tensorboard(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    run.record("math", 5, {"reward/mean": np.float32(0.5), "length/max": 7, "loss": math.nan, "entropy": -math.inf})
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert rows == run.metrics()
    assert [(row["stage"], row["step"]) for row in rows[-6:]] == [
        ("cold_start", 4),
        *(("math", n) for n in range(1, 6)),
    ]
    last = rows[-1]
    assert last.pop("time") > 1.7e9
    assert last == {
        "stage": "math", "step": 5, "reward/mean": 0.5, "length/max": 7.0, "loss": None, "entropy": None
    }  # fmt: skip
    scalars = tensorboard_scalars(run)
    assert scalars["cold_start/loss"] == [(step, pytest.approx(2 / step)) for step in range(1, 5)]
    assert scalars["math/reward/mean"] == [
        *((step, pytest.approx(0.1 * step + 0.1)) for step in range(1, 5)),
        (5, 0.5),
    ]
    assert math.isnan(scalars["math/loss"][0][1])
    assert {"math/pass_rate", "math/truncated_share", "math/reward/mean", "math/status/unparseable"} <= scalars.keys()


def test_tensorboard_has_the_evaluations_too(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    part = eval_result("math", 5)["by_domain"]["addition"]
    run.record_eval(eval_result("math", 5, correct=2, by_domain={"addition": part, "half \ud83d": part}))
    scalars = tensorboard_scalars(run)
    assert scalars["birth/eval/accuracy"] == [(0, 0.0)]
    assert scalars["math/eval/accuracy"] == [(2, 0.25), (4, 0.5), (5, 0.25)]
    assert scalars["math/eval/accuracy/half \ufffd"] == [(5, 0.375)]
    assert (scalars["math/eval/length"][0], scalars["math/eval/truncated_share"][0]) == ((2, 23.5), (2, 0.25))
    run.rewind(STAGES, "math", 4)
    assert tensorboard_scalars(run)["math/eval/accuracy"] == [(2, 0.25), (4, 0.5)]


def test_a_metric_without_a_meaning_is_not_recorded(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    before = run.metrics()
    with pytest.raises(AssertionError, match="metrics without a meaning: rewards/mean, status/perfect; say what they"):
        run.record("math", 5, {"pass_rate": 0.5, "rewards/mean": 0.5, "status/perfect": 1.0})
    assert run.metrics() == before


def test_steps_are_never_recorded_twice(tmp_path: Path):
    write_run(tmp_path / "tiny").close()
    run = Run.open(tmp_path / "tiny")
    with pytest.raises(AssertionError, match="already recorded"):
        run.record("math", 4, {"loss": 1.0})


def test_rollouts_survive_the_round_trip(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    rows = [
        rollout(prompt_ids=np.arange(3), logprobs=np.array([-0.5, -0.25], dtype=np.float32), mask=np.array([1, 0])),
        rollout(score=None, reward=None, advantage=None, response_ids=[], logprobs=[], mask=[], status="error"),
        rollout(text="half a pair \ud83d and a \x00", reference=json.dumps({"target": 24})),
    ]
    run.record_rollouts("math", 12, rows)
    path = run.path / "rollouts/math/step-000012.parquet"
    table = pyarrow.parquet.read_table(path)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["prompt_ids"] == types["response_ids"] == "list<element: int32>"
    assert types["logprobs"] == "list<element: float>" and types["mask"] == "list<element: int8>"
    assert types["score"] == types["reward"] == types["advantage"] == "float" and types["truncated"] == "bool"
    assert types["group"] == types["sample"] == "int32"
    assert types["learner_logprobs"] == types["entropy"] == "list<element: float>"
    assert types["spans"].startswith("list<element: struct<kind: string") and types["weights_version"] == "int32"
    nullable = {field.name for field in table.schema if field.nullable}
    assert nullable == {"score", "reward", "advantage", *OPTIONAL}
    assert pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"
    assert run.rollouts("math", 12) == [
        {**rows[0], "prompt_ids": [0, 1, 2], "logprobs": [-0.5, -0.25], "mask": [1, 0]},
        rows[1],
        {**rows[2], "text": "half a pair \ufffd and a \x00"},
    ]
    bare = {name: value for name, value in rollout().items() if name not in OPTIONAL}
    run.record_rollouts("math", 14, [bare, rollout()])
    assert run.rollouts("math", 14) == [{**bare, **dict.fromkeys(OPTIONAL)}, rollout()]
    with pytest.raises(AssertionError, match=r"wrong columns.*'answer'"):
        run.record_rollouts("math", 13, [{**rollout(), "answer": "2"}])


def test_evals_are_checked_and_come_back_birth_first(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    assert [(e.stage, e.step) for e in run.evals()] == [
        ("birth", 0), ("cold_start", 2), ("cold_start", 4), ("math", 2), ("math", 4)
    ]  # fmt: skip
    assert run.evals()[-1] == EvalResult.from_dict(eval_result("math", 4, correct=4))
    incomplete = eval_result("math", 6)
    del incomplete["samples"][2]["status"]
    with pytest.raises(ValueError, match=r"samples\[2\]: missing status"):
        run.record_eval(incomplete)
    with pytest.raises(ValueError, match="cannot name a stage"):
        run.record_eval(eval_result("../escape", 1))


def test_checkpoints_are_in_the_order_of_the_recipe(tmp_path: Path):
    recipe = RECIPE.replace("cold_start", "zero_shot")  # alphabetical order would be the wrong one
    run = Run.create(tmp_path / "run", recipe, new_lineage(recipe, seed=1))
    for stage, step in [("math", 10), ("zero_shot", 500), ("math", 9), ("zero_shot", 1_000_000)]:
        with run.checkpoint(stage, step):
            pass
    names = ["zero_shot-000500", "zero_shot-1000000", "math-000009", "math-000010"]
    assert [path.name for path in run.checkpoints()] == names
    assert run.latest_checkpoint() == run.path / "checkpoints/math-000010"


def test_rewind_forgets_what_came_after_the_checkpoint(tmp_path: Path):
    write_run(tmp_path / "tiny", rl_steps=2).close()
    run = Run.open(tmp_path / "tiny")
    kept = contents(run)
    write_stage(run, "math", 3, 3)
    run.record_eval(eval_result("math", 3))
    run.close()
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write('{"stage": "math", "st')
    run = Run.open(tmp_path / "tiny")
    rewound = run.rewind(STAGES, "math", 2)
    said = (
        "dropped 1 step, 1 rollout file, 1 evaluation, the half-written last line of metrics.jsonl after the checkpoint"
    )
    assert str(rewound) == said
    assert contents(run) == kept
    assert [step for step, _ in tensorboard_scalars(run)["math/reward/mean"]] == [1, 2]
    resumed = [(entry["stage"], entry["step"]) for entry in run.lineage["resumed"]]
    assert resumed == [("math", 2)]
    write_stage(run, "math", 3, 4)
    assert [step for step, _ in tensorboard_scalars(run)["math/reward/mean"]] == [1, 2, 3, 4]
    assert str(run.rewind(STAGES, "math", 4)) == "nothing lay after the checkpoint"


def test_rewind_refuses_to_pass_over_a_later_checkpoint(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    before = contents(run)
    with pytest.raises(
        ValueError, match=r"math-000002 is later than the checkpoint to resume from \(cold_start, step 4\)"
    ):
        run.rewind(STAGES, "cold_start", 4)
    with pytest.raises(ValueError, match="the stage 'math', but the recipe has only cold_start, code"):
        run.rewind(["cold_start", "code"], "cold_start", 4)
    assert contents(run) == before


def test_damage_in_the_middle_is_named(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    run.close()
    lines = (run.path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run.path / "metrics.jsonl").write_text("".join([*lines[:2], "{}\n", *lines[3:]]))
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 3: not a row of metrics"):
        run.metrics()


HISTORY = [("cold_start", step) for step in range(1, 4)] + [("math", step) for step in range(1, 6)]


def write_steps(run: Run, steps: list[tuple[str, int]]) -> None:
    for stage, step in steps:
        if stage == "math":
            run.record_rollouts(stage, step, [rollout(sample=step)])
        run.record(stage, step, {"loss": 1 / step})
        if step % 2:
            run.record_eval(eval_result(stage, step, count=4))


@functools.cache
def whole_contents() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        run = Run.create(f"{directory}/whole", RECIPE, new_lineage(RECIPE, seed=1))
        write_steps(run, HISTORY)
        return contents(run)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_any_prefix_rewound_and_continued_equals_the_whole(data: st.DataObject):
    written = data.draw(st.integers(0, len(HISTORY)), "steps written before the kill")
    kept = data.draw(st.integers(0, written), "steps up to the checkpoint")
    torn = data.draw(st.integers(0, 60), "bytes of the next row")
    stage, step = HISTORY[kept - 1] if kept else ("cold_start", 0)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(os, "fsync", lambda descriptor: None)
        path = Path(directory, "killed")
        with Run.create(path, RECIPE, new_lineage(RECIPE, seed=1)) as run:
            write_steps(run, HISTORY[:written])
        with open(path / "metrics.jsonl", "ab") as file:
            file.write(b'{"stage": "math", "step": 9, "time": 1795370974.77, "loss": 0.125}'[:torn])
        with Run.open(path) as run:
            rewound = run.rewind(STAGES, stage, step)
            assert (rewound.metric_rows, rewound.half_line) == (written - kept, torn > 0)
            assert [(row["stage"], row["step"]) for row in run.metrics()] == HISTORY[:kept]
            write_steps(run, HISTORY[kept:])
            assert contents(run) == whole_contents()
            shadow = tensorboard_scalars(run)["math/loss"]
            assert [step for step, _ in shadow] == [1, 2, 3, 4, 5]


HOLDER = """
import os, sys
from ponder.runs import Run
run = Run.open(sys.argv[1])
run.lock()
if os.fork() == 0:
    print(os.getppid(), flush=True)
sys.stdin.read()
"""


def test_one_writer_at_a_time_and_the_lock_dies_with_it(tmp_path: Path):
    write_run(tmp_path / "tiny").close()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "tiny"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    pid = int(holder.stdout.readline())
    run = Run.open(tmp_path / "tiny")
    assert len(run.metrics()) == 8  # reading needs no lock
    with pytest.raises(ValueError, match=rf"is being written by another process \(pid {pid}\)"):
        run.record("math", 5, {"loss": 1.0})
    with pytest.raises(ValueError, match="being written"):
        run.rewind(STAGES, "math", 4)
    os.kill(pid, signal.SIGKILL)
    holder.wait()
    run.record("math", 5, {"loss": 1.0})  # although a worker that the holder forked is still alive
    with pytest.raises(ValueError, match=str(os.getpid())):
        Run.open(tmp_path / "tiny").lock()
    run.close()
    with Run.open(tmp_path / "tiny") as other:
        other.lock()
    holder.stdin.close()
    holder.stdout.close()


def test_nothing_here_loads_torch(tmp_path: Path):
    program = """
import sys
from ponder.runs import Run
late = {"torch", "pyarrow", "matplotlib", "tensorboard", "numpy", "pandas"}
assert not late & set(sys.modules), late & set(sys.modules)
from tests.runs.synthetic import write_run
from ponder.runs.report import write_report
run = write_run(sys.argv[1])
write_report(run)
assert "torch" not in sys.modules and "tensorflow" not in sys.modules
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "run"], capture_output=True, text=True)
    assert done.stdout == "done\n", done.stderr
    assert re.search(r"report.html", " ".join(os.listdir(tmp_path / "run")))
