"""Math and code in one stage, through the real command line and the real sandbox."""

import json
import signal

import psutil
import pytest
import yaml

from ponder.runs.run import Run
from tests.integration.micro import MIXED, ponder, spawn, write_recipe
from tests.integration.test_train import assert_same_run, wait_for


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mixed")
    done = ponder("train", write_recipe(directory, MIXED), "--run", directory / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "run", done.stdout


def test_both_domains_are_trained_and_told_apart(whole):
    run, output = whole
    rows = [row for row in Run.open(run).metrics() if row["stage"] == "math"]
    assert all({"reward/code", "reward/sums"} <= row.keys() for row in rows)
    assert all(row["mismatch/max"] < 1e-4 for row in rows), "law 1"
    assert all(row["status/error"] == 0 for row in rows)
    rollouts = [rollout for step in range(1, 7) for rollout in Run.open(run).rollouts("math", step)]
    coded = [rollout for rollout in rollouts if rollout["domain"] == "code"]
    assert len(coded) > len(rollouts) / 3
    assert {"correct", "wrong"} <= {rollout["status"] for rollout in coded}, "the sandbox has judged"
    for rollout in coded:
        if rollout["status"] == "wrong":
            assert rollout["reason"].split(":")[0] in ("wrong answer", "runtime error", "compile error", "time limit")
        assert "tests: f(" in rollout["reference"]
    last = Run.open(run).evals()[-1]
    assert last.by_domain.keys() == {"code", "sums"}
    assert "(code 0." in output and "sums 0." in output


def test_ctrl_c_saves_and_resume_equals_the_whole(whole, tmp_path):
    """Law 5 with programs in the loop: verdicts from a sandbox started anew change nothing. And nothing stays behind."""
    run = tmp_path / "run"
    process = spawn("train", write_recipe(tmp_path, MIXED), "--run", run)
    wait_for(lambda: (run / "metrics.jsonl").exists() and '"math"' in (run / "metrics.jsonl").read_text(), process)
    helpers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 130, output
    assert helpers and not psutil.wait_procs(helpers, timeout=10)[1], "the sandbox ends with its training"
    done = ponder("resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same_run(run, whole[0])


def refused(tmp_path, rows: list[dict] | None, *overrides: str, sources: dict | None = None, **changes) -> str:
    if rows is not None:
        (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        sources = {"mine": {"kind": "jsonl", "path": str(tmp_path / "tasks.jsonl"), "verifier": "code"}}
    recipe = MIXED | {"sources": sources or MIXED["sources"], "stages": MIXED["stages"][1:]} | changes
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    arguments = [argument for override in overrides for argument in ("--set", override)]
    done = ponder("train", tmp_path / "recipe.yaml", "--run", tmp_path / "run", *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stdout + done.stderr
    assert not (tmp_path / "run").exists(), "refused before anything is created"
    return done.stderr


def rows(count: int = 40, **extra) -> list[dict]:
    return [{"prompt": f"f{i}", "tests": [{"function": "f", "expected": i}]} | extra for i in range(count)]


def test_tasks_without_tests_are_refused_by_line(tmp_path):
    assert "tasks.jsonl, line 3: the task has no tests" in refused(tmp_path, [*rows(2), {"prompt": "P", "tests": []}])


def test_solutions_that_fail_their_tests_stop_the_run(tmp_path):
    said = refused(tmp_path, rows(solution="def f():\n  return -1"), "held_out.problems=4")
    assert "'code' says 'wrong' of a task's own reference answer (wrong answer: test 1 of 1" in said
    assert "Mend the source" in said


def test_a_sandbox_server_that_is_not_there_stops_the_run(tmp_path):
    said = refused(tmp_path, None, "sandbox.urls=[http://127.0.0.1:9]")
    assert "http://127.0.0.1:9" in said


def test_demonstrations_that_do_not_fit_the_tasks_stop_the_run(tmp_path):
    stages = [MIXED["stages"][0] | {"demonstrations": {"columns": {}}}]
    assert "the demonstrations name only columns" in refused(tmp_path, None, stages=stages)
