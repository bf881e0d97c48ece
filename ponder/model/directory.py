"""What is meant by the path of a model, and why a path is none: in words that say what to do."""

import difflib
import json
import re
import shlex
from pathlib import Path

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Where models lie in a directory that is none itself: a run, or the hub's cache.
INSIDE = ("checkpoints/*/config.json", "snapshots/*/config.json", "*/config.json")


def model_directory(path: str | Path) -> Path:
    """The directory of a checkpoint, `~` resolved.

    Raises:
        ValueError: a file, a hub id, an adapter, or nothing at all, and how to come by a model.
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
    if (path / "adapter_config.json").is_file():
        return _why_no_adapter(path)
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
    if HUB_ID.fullmatch(name) and not path.parent.is_dir():
        local = name.rpartition("/")[2]
        return (
            f"there is no directory {name}; as an id of the Hugging Face hub it has to be fetched first: "
            f"hf download {name} --local-dir {local} (pip install huggingface_hub); then give {local}"
        )
    if not path.parent.is_dir():
        return f"there is no directory {path}, nor {path.parent}; download the model there first"
    near = difflib.get_close_matches(path.name, [other.name for other in path.parent.iterdir() if other.is_dir()], n=1)
    hint = f"; did you mean {path.parent / near[0]}?" if near else "; download the model there first"
    return f"there is no directory {path}{hint}"


def _why_no_adapter(path: Path) -> str:
    try:
        base = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        base = "the model that it was trained on"
    return (
        f"{path} is an adapter (adapter_config.json), to be put on {base}, and no whole model. Merge the two once, with "
        f"peft installed: AutoPeftModelForCausalLM.from_pretrained({str(path)!r}).merge_and_unload()"
        ".save_pretrained('merged'); copy the tokenizer's files beside it, and give the directory 'merged'"
    )
