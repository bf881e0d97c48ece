"""What users are told to install works where they stand, and names no package that is not this project's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ponder import extras
from ponder.extras import how_to_install

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def pip_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def test_in_a_checkout_the_extra_is_installed_from_it(pip_first, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(PROJECT)
    assert how_to_install("chat") == "pip install -e '.[chat]'"
    monkeypatch.chdir(tmp_path)
    assert how_to_install("chat") == f"pip install -e '{PROJECT}[chat]'"


def test_elsewhere_the_packages_are_named_with_their_versions(
    pip_first, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(extras, "_PROJECT", tmp_path)  # as where the package lies among others
    assert how_to_install("chat") == "pip install 'gradio<7,>=6.31'"
    assert how_to_install("data") == "pip install 'datasets>=3.0'"
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\n')
    assert "gradio" in how_to_install("chat")


def test_another_pip_than_this_environments_is_not_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(PROJECT)
    monkeypatch.setenv("PATH", "/nowhere")
    said = how_to_install("data")
    python = said.removesuffix(" -m pip install -e '.[data]'")
    assert python != said and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0


def test_nobody_is_sent_to_a_strangers_package():
    """`ponder` at a package index is not this project: neither code nor docs may tell people to install it by that name."""
    files = [
        *PROJECT.glob("*.md"),
        *(path for ending in ("py", "md", "yaml", "toml") for path in PROJECT.glob(f"[bdeprt]*/**/*.{ending}")),
        PROJECT / "pyproject.toml",
        PROJECT / "Makefile",
    ]
    assert len(files) > 300
    named = re.compile(r"pip install[^\n]*[ '\"]ponder(\[|['\"`]?([ ,;)]|$))", re.MULTILINE)
    for path in files:
        if path != Path(__file__) and "egg-info" not in str(path):
            assert not named.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("room", ["verifiers", "sandbox", "verifiers.adapters.trl", "verifiers.adapters.verl", "runs"])
def test_what_other_trainers_import_loads_no_heavy_package(room: str):
    heavy = ["torch", "matplotlib", "gradio", "transformers", "tensorboard", "pyarrow"]
    program = f"import sys, ponder.{room}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr
