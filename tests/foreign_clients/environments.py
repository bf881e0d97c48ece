"""Where other people's clients are installed, and how their scripts are run."""

import json
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ELSEWHERE = Path(os.environ.get("PONDER_ELSEWHERE", HERE.parents[1] / ".venv-elsewhere"))


def python_of(name: str) -> Path:
    """Of an environment; without it the test is skipped."""
    python = ELSEWHERE / name / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{ELSEWHERE.name}/{name} is not there: make test-clients sets it up")
    return python


def run(program: Path | str, script: Path | str, *arguments: str) -> dict:
    """What a script, by its path from here, says in its last line."""
    command = [program, HERE / script, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(HERE / "clients")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
