"""Ponder beside other trainers: pip finds one set of versions, and it is the one that the trainer has without Ponder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]  # pip reads what hundreds of packages ask for

ROOT = Path(__file__).parents[3]


def resolved(report: Path, *wanted: str) -> dict[str, str]:
    """The versions that pip would install into an empty environment. Nothing is installed."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", report]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True)
    assert done.returncode == 0, f"{wanted}: {done.stderr[-3000:]}"
    packages = [package["metadata"] for package in json.loads(report.read_text())["install"]]
    return {package["name"].lower(): package["version"] for package in packages}


@pytest.mark.parametrize("trainer", ["trl", "verl", "verifiers"])
def test_no_fight_over_versions(trainer, tmp_path):
    if trainer == "verl" and sys.version_info >= (3, 13):
        pytest.skip("verl wants Python 3.12 or older")
    alone = resolved(tmp_path / "alone.json", trainer)
    beside = resolved(tmp_path / "beside.json", trainer, str(ROOT))
    assert "ponder" in beside and trainer in alone
    bent = {name: (version, beside.get(name)) for name, version in alone.items() if beside.get(name) != version}
    assert not bent, f"with Ponder beside it, {trainer} gets other versions (alone, beside): {bent}"
