"""Files and directories are whole or absent, also when the disk fills up."""

import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ponder.runs import Run, SaveError
from ponder.runs.atomic import AppendFile, clean_leftovers, replacing_directory, replacing_file, write_bytes, write_text
from ponder.runs.lineage import new_lineage
from tests.runs.synthetic import RECIPE, rl_metrics, rollout


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"mounting a small file system needs root: {mount.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A limit on the size of files, which fails a write half-way as a full disk does, without needing root."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_write_text_replaces_and_leaves_nothing_beside(tmp_path: Path):
    write_text(tmp_path / "new" / "note.txt", "one")
    write_text(tmp_path / "new" / "note.txt", "two \u00e9\ud800")
    assert (tmp_path / "new" / "note.txt").read_bytes() == b"two \xc3\xa9?"
    assert names(tmp_path / "new") == ["note.txt"]


def test_a_directory_appears_only_when_the_block_ends_well(tmp_path: Path):
    final = tmp_path / "checkpoint"
    with replacing_directory(final) as aside:
        (aside / "weights").write_text("first")
        assert names(tmp_path) == [aside.name] and aside.name.startswith(".")
    with pytest.raises(KeyboardInterrupt), replacing_directory(final) as aside:
        (aside / "weights").write_text("second")
        raise KeyboardInterrupt
    assert (final / "weights").read_text() == "first"
    with replacing_directory(final) as aside:
        (aside / "other").write_text("third")
    assert names(final) == ["other"]
    assert names(tmp_path) == ["checkpoint"]


def test_a_file_appears_only_when_the_block_ends_well(tmp_path: Path):
    final = tmp_path / "new" / "model.gguf"
    with replacing_file(final) as aside:
        aside.write_text("first")
        assert names(final.parent) == [aside.name] and aside.name.startswith(".")
    for what in (KeyboardInterrupt, ValueError):
        with pytest.raises(what), replacing_file(final) as aside:
            aside.write_text("second")
            raise what
    assert final.read_text() == "first"
    with pytest.raises(FileNotFoundError), replacing_file(final):
        pass  # nothing was written
    assert names(final.parent) == ["model.gguf"]


def test_leftovers_of_the_dead_go_and_of_the_living_stay(tmp_path: Path):
    dead = dead_pid()
    (tmp_path / f".a.json.tmp-{dead}").write_text("half")
    (tmp_path / f".b.tmp-{dead}").mkdir()
    (tmp_path / f".b.tmp-{dead}" / "weights").write_text("half")
    (tmp_path / f".c.tmp-{os.getppid()}").mkdir()
    (tmp_path / f".restored.old-{dead}").mkdir()
    (tmp_path / f".replaced.old-{dead}").mkdir()
    (tmp_path / "replaced").mkdir()
    (tmp_path / f".of-a-former-life.tmp-{os.getpid()}").mkdir()
    (tmp_path / ".hidden").write_text("mine")
    with replacing_directory(tmp_path / "now") as aside:
        clean_leftovers(tmp_path)
        assert aside.is_dir()
    assert names(tmp_path) == [f".c.tmp-{os.getppid()}", ".hidden", "now", "replaced", "restored"]


def test_full_disk_keeps_the_last_checkpoint(small_disk: Path):
    run = Run.create(small_disk / "run", RECIPE, new_lineage(RECIPE, seed=1))
    weights = {"weight": np.ones(75_000, dtype=np.float32)}
    with run.checkpoint("math", 1) as directory:
        save_file(weights, directory / "model.safetensors")
    with pytest.raises(SaveError) as caught, run.checkpoint("math", 2) as directory:
        save_file({"weight": np.ones(300_000, dtype=np.float32)}, directory / "model.safetensors")
    assert str(run.path / "checkpoints/math-000002") in str(caught.value)
    assert re.search(r"0\.\d MiB are free there", str(caught.value)), str(caught.value)
    assert "last good checkpoint included, is intact" in str(caught.value)
    assert names(run.path / "checkpoints") == ["math-000001"]
    assert np.array_equal(load_file(run.latest_checkpoint() / "model.safetensors")["weight"], weights["weight"])
    with run.checkpoint("math", 2) as directory:  # what was given up left room
        save_file(weights, directory / "model.safetensors")


def test_full_disk_leaves_no_half_row_and_no_half_file(small_disk: Path):
    run = Run.create(small_disk / "run", RECIPE, new_lineage(RECIPE, seed=1))
    run.record("math", 1, rl_metrics(1))
    run.record_rollouts("math", 1, [rollout()])
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(SaveError, match=r"metrics\.jsonl|tfevents"):
        for step in range(2, 200):
            run.record("math", step, rl_metrics(step))
    with pytest.raises(SaveError, match=r"step-000002\.parquet"):
        run.record_rollouts("math", 2, [rollout(text=os.urandom(5000).hex())])
    filler.unlink()
    assert (run.path / "metrics.jsonl").read_bytes().endswith(b"}\n")
    assert names(run.path / "rollouts" / "math") == ["step-000001.parquet"]
    last = run.metrics()[-1]["step"]
    run.record("math", last + 1, rl_metrics(3))
    assert [row["step"] for row in run.metrics()] == list(range(1, last + 2))


def test_file_size_limit_is_a_save_error_too(tmp_path: Path):
    run = Run.create(tmp_path / "run", RECIPE, new_lineage(RECIPE, seed=1))
    write_bytes(tmp_path / "old", b"old")
    with largest_file(10_000):
        with pytest.raises(SaveError, match="File too large"):
            write_bytes(tmp_path / "old", b"x" * 20_000)
        with pytest.raises(SaveError), run.checkpoint("math", 1) as directory:
            save_file({"weight": np.ones(300_000, dtype=np.float32)}, directory / "model.safetensors")
        with pytest.raises(SaveError):
            for step in range(1, 200):
                run.record("math", step, rl_metrics(step))
    assert (tmp_path / "old").read_bytes() == b"old"
    assert names(tmp_path) == ["old", "run"]
    assert run.checkpoints() == []
    rows = run.metrics()
    assert len(rows) > 5 and (run.path / "metrics.jsonl").read_bytes().endswith(b"}\n")


def test_a_record_is_appended_whole_or_not_at_all(tmp_path: Path):
    file = AppendFile(tmp_path / "log")
    file.append(b"a" * 700)
    with largest_file(1000), pytest.raises(SaveError):
        file.append(b"b" * 700)
    file.append(b"c" * 7)
    file.close()
    assert (tmp_path / "log").read_bytes() == b"a" * 700 + b"c" * 7


def test_other_errors_keep_their_type(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), replacing_directory(tmp_path / "checkpoint"):
        1 / 0  # noqa: B018
    with pytest.raises(FileNotFoundError), replacing_directory(tmp_path / "checkpoint"):
        os.stat(tmp_path / "absent")
    assert names(tmp_path) == []
