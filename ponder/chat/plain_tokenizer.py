"""A tokenizer's twins: to one the spellings of added tokens are text, another also puts nothing before a text.

SentencePiece puts a space before a text, so that a word is the same token at the beginning as behind another word. Where
a text goes on from tokens that are there already, that space would be in the middle of a sentence.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

from tokenizers import Tokenizer, normalizers, pre_tokenizers

# Before which stretches of text between added tokens a space is put.
Prefix = Literal["never", "first", "always"]


def without_added_tokens(tokenizer: Tokenizer, prefix: bool = True) -> Tokenizer:
    """It encodes only. It shares the vocabulary, and so takes no time to make. `prefix`: as the original has it."""
    plain = Tokenizer(tokenizer.model)
    if tokenizer.normalizer is not None:
        plain.normalizer = tokenizer.normalizer if prefix else _changed(tokenizer.normalizer, normalizers.Sequence([]))
    if tokenizer.pre_tokenizer is not None:
        part = tokenizer.pre_tokenizer
        plain.pre_tokenizer = part if prefix else _changed(part, pre_tokenizers.Sequence([]))
    return plain


def prefix_of(tokenizer: Tokenizer) -> Prefix:
    """Where the tokenizer puts a space before a text."""
    for part in (tokenizer.normalizer, tokenizer.pre_tokenizer):
        for inside in _parts(_state(part)):
            if inside["type"] == "Metaspace" and inside.get("prepend_scheme", "always") != "never":
                return inside.get("prepend_scheme", "always")
            if inside["type"] == "Prepend" or inside.get("add_prefix_space"):
                return "always"
    return "never"


def _state(part: Any) -> dict[str, Any]:
    return {"type": "none"} if part is None else json.loads(part.__getstate__())


def _parts(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield state
    for name in ("normalizers", "pretokenizers"):
        for inside in state.get(name, ()):
            yield from _parts(inside)


def _changed(part: Any, copy: Any) -> Any:
    """The part of a tokenizer, without what puts a space before a text; `copy` is of its kind, and takes its state."""
    copy.__setstate__(json.dumps(_without_prefix(_state(part)), ensure_ascii=False).encode())
    return copy


def _without_prefix(state: dict[str, Any]) -> dict[str, Any]:
    match state["type"]:
        case "Prepend":
            return {"type": "Sequence", "normalizers": []}
        case "Metaspace":
            return {**state, "prepend_scheme": "never"}
        case "ByteLevel":
            return {**state, "add_prefix_space": False}
    for name in ("normalizers", "pretokenizers"):
        if name in state:
            return {**state, name: [_without_prefix(inside) for inside in state[name]]}
    return state
