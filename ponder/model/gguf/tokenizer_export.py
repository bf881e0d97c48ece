"""From the files of a Hugging Face tokenizer to GGUF's metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from ponder.model.config import ModelConfig
from ponder.model.gguf.tokenizer_import import SAMPLING, TEMPLATE
from ponder.model.gguf.tokens import CONTROL, NORMAL, ROLES, UNUSED, USER_DEFINED
from ponder.model.gguf.words import WORDS, name_of


def tokenizer_metadata(directory: Path, config: ModelConfig) -> dict[str, Any]:
    """
    Raises:
        ValueError: no tokenizer, one of a kind that GGUF has no words for, or one with more tokens than the embeddings.
    """
    path = directory / "tokenizer.json"
    written, tokenizer = _tokenizer(path)
    model = written["model"]
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        raise ValueError(
            f"{path}: only byte-level BPE can be written as GGUF, and this is {model.get('type')}"
            f"{' with byte fallback (SentencePiece)' if model.get('byte_fallback') else ''}; convert the model with "
            "llama.cpp's convert_hf_to_gguf.py"
        )
    pre = name_of(written)
    if pre is None:
        raise ValueError(
            f"{path} cuts words in a way that llama.cpp has no name for, so ids would differ; it has to be one of "
            f"{', '.join(WORDS)}"
        )
    names = _object(directory / "tokenizer_config.json")
    generation = _object(directory / "generation_config.json")
    tokens, kinds = _vocabulary(path, tokenizer, config.vocab_size)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": [one if isinstance(one, str) else " ".join(one) for one in model["merges"]],
        **_ids(tokenizer, names, generation, config),
        **_around(written),
        **{key: _number(name, generation[name]) for name, key in SAMPLING.items() if _is_number(generation.get(name))},
        **_templates(directory, names),
    }


def _tokenizer(path: Path) -> tuple[dict[str, Any], Tokenizer]:
    if not path.is_file():
        raise ValueError(f"{path} is missing; a GGUF file holds the tokenizer too: copy it from the model's source")
    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text), Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing more specific
        raise ValueError(f"{path} is broken: {error}; copy it again from the model's source") from None


def _vocabulary(path: Path, tokenizer: Tokenizer, rows: int) -> tuple[list[str], list[int]]:
    """A token and its kind for every row of the embeddings; rows without one are filled as llama.cpp's converter does."""
    tokens, kinds = [f"[PAD{at}]" for at in range(rows)], [UNUSED] * rows
    added = tokenizer.get_added_tokens_decoder()
    for token, at in tokenizer.get_vocab(with_added_tokens=True).items():
        if at >= rows:
            raise ValueError(f"{path} has the token {token!r} at {at}, but the embeddings have {rows:,} rows")
        tokens[at], kinds[at] = token, NORMAL
    for at, about in added.items():
        kinds[at] = CONTROL if about.special else USER_DEFINED
    return tokens, kinds


def _ids(
    tokenizer: Tokenizer, names: Mapping[str, Any], generation: Mapping[str, Any], config: ModelConfig
) -> dict[str, int]:
    ends = generation.get("eos_token_id")
    ends = [ends] if isinstance(ends, int) else [at for at in ends or config.eos_ids if isinstance(at, int)]
    found: dict[str, int | None] = {"bos": config.bos_id, "eos": ends[0] if ends else None, "pad": config.pad_id}
    for role in ROLES:
        named = names.get(f"{role}_token")
        text = named.get("content") if isinstance(named, Mapping) else named
        if isinstance(text, str) and (at := tokenizer.token_to_id(text)) is not None and (role != "eos" or not ends):
            found[role] = at
    ids = {f"tokenizer.ggml.{ROLES[role]}_token_id": at for role, at in found.items() if at is not None}
    # GGUF has three places: what ends a text, a turn, a message that calls a tool.
    message = [at for at in ends[1:] if tokenizer.id_to_token(at) == "<|eom_id|>"]
    turn = [at for at in ends[1:] if at not in message]
    ids |= {"tokenizer.ggml.eot_token_id": turn[0]} if turn else {}
    return ids | ({"tokenizer.ggml.eom_token_id": message[0]} if message else {})


def _around(written: Mapping[str, Any]) -> dict[str, bool]:
    """Whether something is put around a text: what the template of the post-processor has before and after it."""
    processor = written.get("post_processor") or {}
    parts = processor.get("processors", [processor]) if isinstance(processor, Mapping) else []
    single = next((part["single"] for part in parts if part.get("type") == "TemplateProcessing"), [])
    special = ["SpecialToken" in piece for piece in single]
    return {
        "tokenizer.ggml.add_bos_token": bool(special) and special[0],
        "tokenizer.ggml.add_eos_token": bool(special) and special[-1],
    }


def _templates(directory: Path, names: Mapping[str, Any]) -> dict[str, str]:
    path = directory / "chat_template.jinja"
    found: dict[str, str] = {}
    inside = names.get("chat_template")
    for one in inside if isinstance(inside, list) else [{"name": "default", "template": inside}]:
        if isinstance(one, Mapping) and isinstance(one.get("template"), str):
            found[str(one.get("name"))] = one["template"]
    if path.is_file():
        found["default"] = path.read_bytes().decode("utf-8")
    for other in sorted(directory.glob("additional_chat_templates/*.jinja")):
        found[other.stem] = other.read_bytes().decode("utf-8")
    return {TEMPLATE if name == "default" else f"{TEMPLATE}.{name}": text for name, text in found.items()}


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{path} is broken JSON: {error}; copy it again from the model's source") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds {type(value).__name__}; it must be a JSON object")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(name: str, value: float) -> int | float:
    return int(value) if name == "top_k" else float(value)
