"""`ponder report` on a run that one may only read: another user's, or on a file system without writing."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs.synthetic import write_run

PROJECT = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A run that all may read and only its owner may write; beside it `free`, which is everybody's."""
    directory = Path(tempfile.mkdtemp())  # pytest's own directories are closed to other users
    directory.chmod(0o755)
    write_run(directory / "run").close()
    (directory / "free").mkdir()
    (directory / "free").chmod(0o777)
    yield directory / "run"
    (directory / "run").chmod(0o755)
    shutil.rmtree(directory)


PACKAGES = [str(PROJECT), *(path for path in sys.path if path.endswith("site-packages"))]
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": os.pathsep.join(PACKAGES),
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLCONFIGDIR": tempfile.gettempdir(),
}


def report(*arguments: object, python: str, user: int | None) -> subprocess.CompletedProcess:
    command = [python, "-m", "ponder.cli.main", "report", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", env=ENVIRONMENT, user=user)


def check(run: Path, python: str = sys.executable, user: int | None = None) -> None:
    before = sorted(path.name for path in run.rglob("*"))
    shown = report(run, python=python, user=user)
    assert shown.returncode == 0, shown.stderr
    assert "cold start" in shown.stdout and "50% (22-78%)" in shown.stdout
    assert f"no report was written: {run} may only be read" in shown.stderr and "--out DIR" in shown.stderr
    written = report(run, "--out", run.parent / "free" / "new", python=python, user=user)
    assert written.returncode == 0 and not written.stderr, written.stderr
    assert sorted(path.name for path in (run.parent / "free" / "new").iterdir()) == [
        "curves.png", "report.html", "report.json"
    ]  # fmt: skip
    refused = report(run, "--out", run, python=python, user=user)
    assert refused.returncode == 1 and "may only be read" in refused.stderr and "Traceback" not in refused.stderr
    assert sorted(path.name for path in run.rglob("*")) == before


def test_a_run_of_another_user(theirs: Path):
    if os.geteuid() != 0:
        theirs.chmod(0o555)
        return check(theirs)
    python = next(filter(usable_by_nobody, (sys.executable, "/usr/bin/python3")), None)
    if python is None:
        pytest.skip("an ordinary user may run no Python with this project's packages here")
    check(theirs, python, NOBODY)


def usable_by_nobody(python: str) -> bool:
    command = [python, "-c", "import ponder, matplotlib, pyarrow, rich, typer"]
    try:
        return subprocess.run(command, capture_output=True, cwd="/", env=ENVIRONMENT, user=NOBODY).returncode == 0
    except OSError:
        return False


def test_a_file_system_without_writing(theirs: Path):
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    mount = f"mount --bind {theirs} {theirs} && mount -o remount,ro,bind {theirs}"
    if subprocess.run(mount, shell=True, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a directory read-only")
    try:
        check(theirs)
    finally:
        subprocess.run(["umount", theirs], check=True)
