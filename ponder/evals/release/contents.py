"""Which files of a checkpoint go out: those that a model needs, each looked at, and nothing else.

A training's own state stays behind by being none of them. What bears a model's name is believed only when it is what the name
says: whoever loads a release must never unpickle anything.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from ponder.model.directory import ADAPTER_FILE, INDEX_FILE, SINGLE_FILE
from ponder.model.hub import SMALL_FILES, hub_id_of_cached
from ponder.model.tensor_files import tensor_names

README = "README.md"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
# Beside a merged model: the adapters that are in it, as training/checkpoint.py lays them.
BESIDE = (f"adapter/{ADAPTER_FILE}", f"adapter/{ADAPTER_WEIGHTS}")
LEGAL = ("LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "NOTICE.txt", "NOTICE.md")
MOST_TEXT = 256 * 2**20  # bytes of a file that is read whole: a tokenizer has tens of millions
_SHARD = re.compile(r"[\w-][\w.-]*\.safetensors", re.ASCII)
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Contents:
    """
    files: where each lies, by its name in the release
    left: what lies beside them and stays
    complaints: why they cannot go out
    """

    files: dict[str, Path]
    left: tuple[str, ...]
    complaints: tuple[str, ...]


def contents(checkpoint: Path) -> Contents:
    """Of a checkpoint's directory; nothing of it is changed. Weights are opened, but no numbers are read."""
    complaints = []
    try:
        weights = _weights(checkpoint)
    except ValueError as error:
        weights = ()
        complaints.append(str(error))
    names = [
        path.relative_to(checkpoint).as_posix()
        for pattern in (README, *LEGAL, *SMALL_FILES, *weights, *BESIDE)
        for path in sorted(checkpoint.glob(pattern))
    ]
    if not weights and not complaints:
        complaints.append(f"{checkpoint} has no weights in safetensors{_pickles(checkpoint)}")
    files = {name: checkpoint / name for name in dict.fromkeys(names)}
    complaints += [f"{name} {wrong}" for name, path in files.items() if (wrong := _wrong(checkpoint, name, path))]
    tops = {name.partition("/")[0] for name in files}
    left = sorted(
        f"{path.name}/" if path.is_dir() else path.name for path in checkpoint.iterdir() if path.name not in tops
    )
    return Contents(files, tuple(left), tuple(complaints))


def _weights(checkpoint: Path) -> tuple[str, ...]:
    """Names of the files of weights, as the index or their own names say."""
    if (checkpoint / ADAPTER_FILE).is_file():
        return (ADAPTER_WEIGHTS,)
    index = checkpoint / INDEX_FILE
    if not index.is_file():
        return (SINGLE_FILE,) if (checkpoint / SINGLE_FILE).exists() else ()
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{INDEX_FILE} is damaged: it must hold a JSON object with a 'weight_map'") from None
    if wrong := [name for name in shards if not (isinstance(name, str) and _SHARD.fullmatch(name))]:
        raise ValueError(f"{INDEX_FILE} names {wrong[0]!r}, which is no safetensors file beside it")
    if absent := [name for name in shards if not (checkpoint / name).is_file()]:
        raise ValueError(f"{INDEX_FILE} names {absent[0]}, which is not there ({len(absent)} of {len(shards)} shards)")
    return tuple(shards)


def _pickles(checkpoint: Path) -> str:
    found = sorted(path.name for ending in ("bin", "pt", "pth", "ckpt") for path in checkpoint.glob(f"*.{ending}"))
    return f", only pickles ({found[0]}): convert them first (transformers: save_pretrained)" if found else ""


def _wrong(checkpoint: Path, name: str, path: Path) -> str | None:
    """Why a file is not what its name says, in words that follow the name."""
    if not path.is_file():
        return "is no file"
    if not _inside(checkpoint, path):
        return f"is a link out of the checkpoint, to {path.resolve()}: put the file itself there, or remove it"
    with path.open("rb") as file:
        start = file.read(len(_ZIP))
    if start == _ZIP or (len(start) > 1 and start[0] == 0x80 and start[1] <= 5):
        return (
            "is a pickle, whatever its name says, and reading one can run code: remove it, or put the real file there"
        )
    if name.endswith(".safetensors"):
        return _wrong_tensors(path)
    if name.endswith(".model"):  # a message of protobuf, whose first field is the list of pieces
        return None if start.startswith(b"\n") else "is no SentencePiece model: copy it again, or remove it"
    return _wrong_text(name, path)


def _inside(checkpoint: Path, path: Path) -> bool:
    """The hub's cache lays files out as links into its blobs; any other link could carry a secret along."""
    real, root = path.resolve(), checkpoint.resolve()
    blobs = root.parent.parent / "blobs"
    return real.is_relative_to(root) or (hub_id_of_cached(root) is not None and real.is_relative_to(blobs))


def _wrong_tensors(path: Path) -> str | None:
    try:
        tensor_names(path)
    except ValueError as error:
        return f"is damaged ({str(error).partition(': ')[2]}): copy it again, or take another checkpoint"
    return None


def _wrong_text(name: str, path: Path) -> str | None:
    if path.stat().st_size > MOST_TEXT:
        return f"is larger than {MOST_TEXT >> 20} MiB: no tokenizer or config is"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return "is not UTF-8 text"
    if not name.endswith(".json"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"is broken JSON ({error}): copy it again from the model's source"
    if not isinstance(value, dict):
        return "must hold a JSON object"
    if "auto_map" in value:
        return "names Python code of the model's own (auto_map), which no release of Ponder has: remove that entry"
    return None
