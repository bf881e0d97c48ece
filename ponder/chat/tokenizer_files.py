"""The files of a checkpoint that say how text becomes tokens."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from ponder.chat.template import NAMED_TEMPLATES, TEMPLATE_FILE

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    TEMPLATE_FILE,
    "generation_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)


def read_files(directory: Path) -> dict[str, bytes]:
    """Contents by file name, of those that are there."""
    paths = [directory / name for name in TOKENIZER_FILES] + sorted(directory.glob(f"{NAMED_TEMPLATES}/*.jinja"))
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def with_template(files: Mapping[str, bytes], template: Path, origin: str) -> dict[str, bytes]:
    """A checkpoint's files with `template` in the place of all its chat templates. Raises ValueError where it is no text."""
    try:
        text = template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the chat template {template} cannot be read: {error}; give a Jinja file in UTF-8") from error
    name = "tokenizer_config.json"
    config = {key: value for key, value in json_object_in(files, name, origin).items() if key != "chat_template"}
    kept = {name: content for name, content in files.items() if not name.startswith(NAMED_TEMPLATES)}
    return kept | {name: json.dumps(config).encode(), TEMPLATE_FILE: text.encode()}


def tokenizer_in(files: Mapping[str, bytes], origin: str) -> Tokenizer:
    """The tokenizer of `files`, with nothing that cuts or pads. ValueError where there is none or it is broken."""
    if "tokenizer.json" not in files:
        raise ValueError(f"no tokenizer.json in {origin}; give the directory of a Hugging Face checkpoint that has one")
    try:
        tokenizer = Tokenizer.from_buffer(files["tokenizer.json"])
    except Exception as error:  # the library raises nothing more specific
        raise ValueError(
            f"{origin}/tokenizer.json is broken: {error}; copy it again from the model's source"
        ) from error
    tokenizer.no_truncation()  # limits that were saved with the tokenizer would cut prompts in silence
    tokenizer.no_padding()
    return tokenizer


def json_object_in(files: Mapping[str, bytes], name: str, origin: str) -> dict[str, Any]:
    """The object in the file of that name, {} where there is none. ValueError where it holds anything else."""
    try:
        value = json.loads(files.get(name, b"{}"))
    except ValueError as error:
        raise ValueError(f"{origin}/{name} is broken JSON: {error}; copy it again from the model's source") from error
    if not isinstance(value, dict):
        raise ValueError(f"{origin}/{name} holds {type(value).__name__}; it must be a JSON object")
    return value


def token_text(token: str | Mapping[str, Any] | None) -> str | None:
    """Special tokens are written as text or as `{"content": text, ...}`."""
    return token.get("content") if isinstance(token, Mapping) else token
