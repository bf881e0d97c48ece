"""Where a run comes from: enough to make it again, or to know why it cannot be made again."""

import hashlib
import json
import platform
import secrets
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ponder import __version__
from ponder.runs.processor import processor

FORMAT = 2  # of a run directory. Runs of 0.1.0 have no number, which counts as 1
_BLOCK = 64 * 1024
_BLOCKS_PER_FILE = 64


def new_lineage(
    recipe_text: str, *, seed: int, parent: Path | str | None = None, hub: str | None = None
) -> dict[str, Any]:
    """Describe a run that starts now. `parent` is the model directory that training starts from, None for birth; `hub` its
    id on the Hugging Face hub, with the commit."""
    return {
        "format": FORMAT,
        "id": secrets.token_hex(8),
        "ponder": __version__,
        "python": sys.version.split()[0],
        "torch": _version("torch"),
        "platform": platform.platform(),
        "processor": processor(),
        "recipe_sha256": hashlib.sha256(recipe_text.encode()).hexdigest(),
        "seed": seed,
        "started": now(),
        "parent": None if parent is None else _parent(Path(parent), hub),
        "resumed": [],
    }


def _parent(directory: Path, hub: str | None) -> dict[str, Any]:
    parent = {"path": str(directory), "fingerprint": fingerprint(directory)}
    return parent if hub is None else parent | {"hub": hub}


def resumed(lineage: dict[str, Any], stage: str, step: int, changed: dict[str, list[Any]] | None) -> dict[str, Any]:
    """The lineage with a further resumption, from now, at (`stage`, `step`): with the pause that it ends, and the
    settings that are changed with it ({field: [before, after]})."""
    resumption = {"time": now(), "stage": stage, "step": step, "processor": processor()}
    if "paused" in lineage:
        resumption["paused"] = lineage["paused"]
    if changed:
        resumption["changed"] = changed
    without_pause = {key: value for key, value in lineage.items() if key != "paused"}
    return {**without_pause, "resumed": [*lineage.get("resumed", []), resumption]}


def born_here(lineage: dict[str, Any]) -> bool:
    """Whether the run's first model was made by it, rather than brought in."""
    return lineage.get("parent") is None


def read_lineage(run: Path) -> dict[str, Any]:
    """
    Raises:
        ValueError: the file is no JSON object.
    """
    path = run / "lineage.json"
    try:
        lineage = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(lineage, dict):
        raise ValueError(f"{path} is damaged: it must hold an object")
    return lineage


def format_of(lineage: dict[str, Any]) -> int:
    number = lineage.get("format", 1)
    return number if isinstance(number, int) else 1


def refuse_newer(run: Path, lineage: dict[str, Any]) -> None:
    """
    Raises:
        ValueError: the run was made by a Ponder whose runs this one does not know.
    """
    if format_of(lineage) > FORMAT:
        raise ValueError(
            f"{run} was made by a newer Ponder ({lineage.get('ponder')}): its format is {format_of(lineage)}, and this "
            f"one, {__version__}, knows formats up to {FORMAT}. Update Ponder to open it."
        )


def older(run: Path, lineage: dict[str, Any], checkpoint: Path | None) -> str | None:
    """Why this version cannot train a run of an older format further, and what it can do with it; None of other runs."""
    if format_of(lineage) >= FORMAT:
        return None
    further = f" To train its weights further, start a run with --set model.path={checkpoint}." if checkpoint else ""
    return (
        f"{run} was made by Ponder {lineage.get('ponder')}, and its format ({format_of(lineage)}) is older than that of "
        f"the runs that this one, {__version__}, can train ({FORMAT}). ponder report, chat, generate and serve work on it "
        f"as before.{further}"
    )


def last_processor(lineage: dict[str, Any]) -> str | None:
    """What computed a run's last steps; None where the run is of a version that did not note it."""
    entries = [lineage, *lineage.get("resumed", [])]
    return next((entry["processor"] for entry in reversed(entries) if entry.get("processor")), None)


def fingerprint(model: Path) -> str:
    """SHA-256 over a model directory's config and weights: names, sizes, and 64 evenly spaced blocks of each file.

    Files up to 4 MiB are read whole. A 65 GB model takes about a second, and training moves every block a little.
    """
    digest = hashlib.sha256()
    for path in sorted([*model.glob("*.safetensors"), *model.glob("config.json")]):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with open(path, "rb") as file:
            for block in range(_BLOCKS_PER_FILE):
                file.seek(max(block * _BLOCK, (size - _BLOCK) * block // (_BLOCKS_PER_FILE - 1)))
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
