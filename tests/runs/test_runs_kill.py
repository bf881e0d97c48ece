"""kill -9 at every single write of a run, from its creation to its last step: it resumes to the same contents."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ponder.runs import Run
from ponder.runs.run import place_of
from tests.runs.synthetic import contents, eval_result, write_run, write_stage


@pytest.fixture
def writer() -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "tests.runs.killed_writer"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def write_until(writer: subprocess.Popen, path: Path, count: int) -> int:
    writer.stdin.write(f"{path} {count}\n")
    writer.stdin.flush()
    return int(writer.stdout.readline())


def resume(path: Path) -> None:
    """What training does: go back to the newest checkpoint, then write what is missing."""
    run = Run.open(path)
    run.lock()
    newest = run.latest_checkpoint()
    stage, step = place_of(newest) if newest else ("cold_start", 0)
    run.rewind(["cold_start", "math"], stage, step)
    if not run.evals():
        run.record_eval(eval_result("birth", 0, correct=0))
    if stage == "cold_start":
        write_stage(run, "cold_start", step + 1, 2)
    write_stage(run, "math", step + 1 if stage == "math" else 1, 4)
    run.close()


def test_kill_at_every_write(tmp_path: Path, writer: subprocess.Popen, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # as in the writer
    expected = contents(write_run(tmp_path / "whole", sft_steps=2))
    count, exit_code = 0, -signal.SIGKILL
    unstarted = 0
    while exit_code == -signal.SIGKILL:
        count += 1
        path = tmp_path / f"killed-{count}"
        exit_code = write_until(writer, path, count)
        try:
            Run.open(path)
        except ValueError:
            unstarted += 1
            write_run(path, sft_steps=2).close()  # a start that died on the way is no obstacle to the next
        else:
            resume(path)
        assert contents(Run.open(path)) == expected, f"killed at change {count}"
        leftovers = [p.name for p in path.rglob(".*") if p.name != ".lock"]
        assert not leftovers, f"killed at change {count}"
    assert exit_code == 0
    assert count > 80 and 0 < unstarted < 20, (count, unstarted)


def test_a_kill_between_the_renames_of_a_replacement_keeps_the_old_checkpoint(
    tmp_path: Path, writer: subprocess.Popen, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for count in range(50, 200):
        path = tmp_path / f"run-{count}"
        assert write_until(writer, path, count) == -signal.SIGKILL, "no kill fell between the two renames"
        if list(path.glob("checkpoints/.math-000002.old-*")) and not (path / "checkpoints/math-000002").exists():
            break
    with Run.open(path) as run:
        assert run.latest_checkpoint() == path / "checkpoints/cold_start-000002"
        run.lock()
        assert run.latest_checkpoint() == path / "checkpoints/math-000002"
        assert (path / "checkpoints/math-000002/model.safetensors").read_bytes() == b"2" * 1000
