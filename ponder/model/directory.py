"""What is meant by the path of a model, and why a path is none: in words that say what to do."""

import difflib
import json
import re
import shlex
from pathlib import Path

ADAPTER_FILE = "adapter_config.json"
SINGLE_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
# ORGANISATION/NAME of the Hugging Face hub, and behind an @ a branch, a tag or a commit.
HUB_ID = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[A-Za-z0-9][\w./-]*))?", re.ASCII)
# Where models lie in a directory that is none itself: a run, or the hub's cache.
INSIDE = ("checkpoints/*/config.json", "snapshots/*/config.json", "*/config.json")


def model_directory(path: str | Path) -> Path:
    """The directory of a checkpoint, `~` resolved.

    Raises:
        ValueError: a file, a hub id, an adapter without its base, or nothing at all, and how to come by a model.
    """
    directory = Path(path).expanduser()
    if why := why_no_model(directory):
        raise ValueError(why)
    return directory


def why_no_model(path: Path) -> str | None:
    """Why the path holds no checkpoint of a whole model in safetensors; None where nothing speaks against it."""
    if path.is_file():
        return _why_no_file(path)
    if not path.is_dir():
        return _why_nothing(path)
    if (path / ADAPTER_FILE).is_file():
        return _why_no_base(path)
    if (path / "config.json").is_file():
        return None
    if files := sorted(path.glob("*.gguf")):
        return _why_no_gguf(files[0])
    inside = sorted(found.parent for pattern in INSIDE for found in path.glob(pattern))
    hint = f"; there is one at {inside[-1]}" if inside else ""
    return f"{path} is not a model: it has no config.json{hint}"


def _why_no_file(path: Path) -> str:
    if path.suffix.lower() == ".gguf":
        return _why_no_gguf(path)
    return f"{path} is a file; give the directory that holds config.json, tokenizer.json and the safetensors"


def _why_no_gguf(path: Path) -> str:
    return (
        f"{path} is a GGUF file; make a model's directory of it once, with `ponder model import {shlex.quote(str(path))} "
        f"--to {shlex.quote(path.stem)}`, and give {path.stem}"
    )


def _why_nothing(path: Path) -> str:
    name = path.as_posix()
    of_hub = HUB_ID.fullmatch(name)
    if of_hub and not path.parent.is_dir():
        local = of_hub["repo"].rpartition("/")[2]
        return (
            f"there is no directory {name}; as an id of the Hugging Face hub it has to be fetched first: "
            f"hf download {of_hub['repo']} --local-dir {local}; then give {local}"
        )
    if not path.parent.is_dir():
        return f"there is no directory {path}, nor {path.parent}; download the model there first"
    near = difflib.get_close_matches(path.name, [other.name for other in path.parent.iterdir() if other.is_dir()], n=1)
    hint = f"; did you mean {path.parent / near[0]}?" if near else "; download the model there first"
    if of_hub and of_hub["revision"] is None:
        hint += f" (The model of the Hugging Face hub is {name}@main, since there is a directory {path.parent} here)"
    return f"there is no directory {path}{hint}"


def named_base(directory: Path) -> tuple[str, str | None] | None:
    """The model that an adapter (peft's format) is to be put on, by what its file says, with the revision; None where the
    directory holds no adapter that says so."""
    try:
        said = json.loads((directory / ADAPTER_FILE).read_text(encoding="utf-8"))
        base, revision = said["base_model_name_or_path"], said.get("revision")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(base, str) or not base:
        return None
    return base, revision if isinstance(revision, str) and revision else None


def base_of(directory: Path) -> Path | None:
    """The directory of that model; of one of the hub, where the cache has it."""
    if (named := named_base(directory)) is None:
        return None
    path = Path(named[0]).expanduser()
    if HUB_ID.fullmatch(named[0]) and not path.is_dir():
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(named[0].partition("@")[0], "config.json", revision=named[1])
        return Path(cached).parent if isinstance(cached, str) else path
    return path


def tokenizer_directory(directory: Path) -> Path:
    """Where a checkpoint's tokenizer lies: an adapter has one of its own, or that of its base."""
    base = base_of(directory)
    return directory if base is None or (directory / "tokenizer.json").is_file() else base


def _why_no_base(path: Path) -> str | None:
    base = base_of(path)
    if base is None:
        return f"{path} is an adapter, and its {ADAPTER_FILE} does not say of which model (base_model_name_or_path)"
    if (base / ADAPTER_FILE).is_file():
        return f"{path} is an adapter of {base}, which is an adapter itself: merge that one into its base first"
    why = why_no_model(base)
    return (
        why
        and f"{path} is an adapter; of the model that it was trained on: {why}. {ADAPTER_FILE} says where (base_model_name_or_path)"
    )
