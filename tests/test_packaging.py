"""A wheel and an sdist hold all that Ponder runs with, and say how to get what they leave out.

The slow test at the end installs the wheel with all it depends on into an environment of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import pytest

from ponder import __version__
from tests.integration.micro import RECIPE, write_recipe

PROJECT = Path(__file__).parents[1]
BESIDE = ("benchmarks", "docs", "examples", "recipes", "tests")  # directories that an sdist has too
setuptools = pytest.importorskip("setuptools", minversion="77")


@dataclass(frozen=True)
class Built:
    sdist: Path
    unpacked: Path  # the sdist
    wheel: Path
    installed: Path  # the wheel's files, as pip lays them


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sdist is made of the project, the wheel of the sdist, as pip does."""
    directory = tmp_path_factory.mktemp("built")
    copy = directory / "project"
    ignored = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "run_of_*")
    for name in ("ponder", *BESIDE):
        shutil.copytree(PROJECT / name, copy / name, ignore=ignored)
    for file in PROJECT.iterdir():
        if file.is_file() and not file.name.startswith("."):
            shutil.copy(file, copy)
    sdist = build("sdist", copy, directory / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(directory, filter="data")
    unpacked = directory / sdist.name.removesuffix(".tar.gz")
    wheel = build("wheel", unpacked, directory / "wheel")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / "installed")
    return Built(sdist, unpacked, wheel, directory / "installed")


def build(kind: str, project: Path, out: Path) -> Path:
    out.mkdir()
    program = f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", program, out], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (file,) = out.iterdir()
    return file


def files_of(directory: Path) -> set[str]:
    return {
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_every_file_of_the_package_and_nothing_beside_it(built: Built):
    package = files_of(PROJECT / "ponder")
    for ending in (".js", ".css", ".html", ".jinja", ".yaml", ".jsonl", ".json"):
        assert any(name.endswith(ending) for name in package), (
            f"no {ending} file: is this test still telling something?"
        )
    assert files_of(built.installed / "ponder") == package
    assert {path.name for path in built.installed.iterdir()} == {"ponder", f"ponder-{__version__}.dist-info"}


def test_the_sdist_has_what_is_needed_to_work_on_it(built: Built):
    names = files_of(built.unpacked)
    assert files_of(PROJECT / "ponder") == files_of(built.unpacked / "ponder")
    assert {"Makefile", "constraints.txt", "LICENSE", "README.md", "CHANGELOG.md", "recipes/tiny.yaml"} <= names
    assert {"tests/test_packaging.py", "docs/metrics.md", "docs/images/tiny.png"} <= names


def test_what_it_says_of_itself(built: Built):
    (about,) = built.installed.glob("*.dist-info/METADATA")
    told = Parser().parsestr(about.read_text(encoding="utf-8"))
    assert (told["Name"], told["Version"], told["License-Expression"]) == ("ponder", __version__, "Apache-2.0")
    assert {"data", "chat", "wandb", "mlflow", "dev"} <= set(told.get_all("Provides-Extra"))
    assert (about.parent / "entry_points.txt").read_text().split() == [
        "[console_scripts]", "ponder", "=", "ponder.cli.main:main"
    ]  # fmt: skip


INSTALLED = """
import json
import ponder
from pathlib import Path
from ponder.chat.renderer import Renderer
from ponder.extras import how_to_install
from ponder.verifiers.audit.corpora import load_corpus
print(json.dumps([str(Path(ponder.__file__).parent), how_to_install("chat"), len(load_corpus("choice"))]))
"""


def test_it_works_from_the_wheels_files(built: Built, tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": str(built.installed), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*command: object) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, command)], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where, hint, cases = json.loads(run("-c", INSTALLED))
    assert where == str(built.installed / "ponder")
    assert hint.endswith(" install 'gradio<7,>=6.31'") and cases > 100
    assert run("-m", "ponder.cli.main", "--version") == f"ponder {__version__}\n"
    assert json.loads(run("-m", "ponder.cli.main", "model", "describe", "qwq-32b", "--json"))["parameters"] > 32e9


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_it_works_in_a_fresh_environment(built: Built, tmp_path: Path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    binaries = tmp_path / "env" / "bin"
    subprocess.run(
        [binaries / "python", "-m", "pip", "install", "-q", "-c", PROJECT / "constraints.txt", built.wheel], check=True
    )

    def run(*command: object) -> subprocess.CompletedProcess:
        environment = {"PATH": f"{binaries}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        return subprocess.run(list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert run("ponder", "--version").stdout == f"ponder {__version__}\n"
    checks = {check["name"]: check for check in json.loads(run("ponder", "doctor", "--json").stdout)}
    assert checks["torch"]["good"] and checks["sandbox"]["good"], checks
    assert checks["gradio"]["means"] == "the chat page: pip install 'gradio<7,>=6.31'"
    stage = RECIPE["stages"][0] | {"steps": 3}
    recipe = write_recipe(tmp_path, RECIPE | {"stages": [stage], "held_out": RECIPE["held_out"] | {"max_tokens": 8}})
    trained = run("ponder", "train", recipe, "--run", "run")
    assert "cold start step 3: held-out accuracy" in trained.stdout, trained.stdout + trained.stderr
    page = run("ponder", "report", "run")
    assert page.returncode == 0 and (tmp_path / "run" / "report.html").is_file(), page.stderr


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["trl==1.16.0", "verl==0.9.1", "verifiers==0.4.0"])
def test_it_can_be_installed_beside_other_trainers(built: Built, tmp_path: Path, trainer: str):
    """pip finds versions of all packages that suit both. (`make test-clients` installs and runs them.)"""
    report = tmp_path / "report.json"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--dry-run",
        "--ignore-installed",
        "--report",
        report,
        trainer,
        built.wheel,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = {package["metadata"]["name"] for package in json.loads(report.read_text())["install"]}
    assert {"ponder", trainer.split("==")[0], "torch"} <= names
