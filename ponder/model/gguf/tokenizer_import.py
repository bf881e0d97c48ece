"""From GGUF's metadata to the files of a Hugging Face tokenizer."""

import json
import re
from typing import Any

from tokenizers import Tokenizer

from ponder.model.fields import Fields
from ponder.model.gguf.sentencepiece import sentencepiece_parts
from ponder.model.gguf.tokens import CONTROL, UNKNOWN, USER_DEFINED, Vocabulary
from ponder.model.gguf.words import Words, words_named

TEMPLATE = "tokenizer.chat_template"
SAMPLING = {  # generation_config.json's name: GGUF's
    "temperature": "general.sampling.temp",
    "top_k": "general.sampling.top_k",
    "top_p": "general.sampling.top_p",
    "min_p": "general.sampling.min_p",
    "repetition_penalty": "general.sampling.penalty_repeat",
}
NAMED_TEMPLATE = re.compile(re.escape(TEMPLATE) + r"\.([A-Za-z0-9_-]{1,64})")


def tokenizer_files(fields: Fields, vocabulary: Vocabulary, architecture: str, context: int) -> dict[str, str]:
    """Contents by name: tokenizer.json, tokenizer_config.json, generation_config.json, and templates where there are some.

    Raises:
        ValueError: a kind of tokenizer, or a way of cutting words, that Ponder does not have; merges that do not fit.
    """
    kind = fields.text("tokenizer.ggml.model", "none")
    if kind == "gpt2":
        parts, begins = _byte_level_parts(fields, vocabulary, architecture)
    elif kind == "llama":
        parts, begins = sentencepiece_parts(fields, vocabulary), True
    else:
        raise ValueError(
            f"{fields.where}: a tokenizer of the kind {kind!r} is not supported; Ponder imports gpt2 (byte-level BPE) and "
            "llama (SentencePiece): take the model's safetensors with their tokenizer.json"
        )
    begins = fields.flag("tokenizer.ggml.add_bos_token", begins) and "bos" in vocabulary.ids
    ends = fields.flag("tokenizer.ggml.add_eos_token") and "eos" in vocabulary.ids
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": _added(vocabulary)}
    whole |= parts | {"post_processor": _around(vocabulary, begins, ends) or parts.get("post_processor")}
    text = json.dumps(whole, ensure_ascii=False)
    try:
        Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing more specific
        raise ValueError(f"{fields.where}: its tokenizer does not hold together: {error}; download it again") from None
    files = {
        "tokenizer.json": text,
        "tokenizer_config.json": _pretty(_tokenizer_config(vocabulary, begins, ends, context)),
        "generation_config.json": _pretty(_generation_config(fields, vocabulary)),
    }
    return files | _templates(fields)


def remarks(fields: Fields, vocabulary: Vocabulary, architecture: str) -> list[str]:
    """What had to be guessed, a sentence each."""
    if fields.text("tokenizer.ggml.model") != "gpt2" or fields.text("tokenizer.ggml.pre", "default") != "default":
        return []
    name, _ = _words(fields, vocabulary, architecture)
    return [f"{fields.where} does not say how its tokenizer cuts words (tokenizer.ggml.pre); taken for {name}"]


def _words(fields: Fields, vocabulary: Vocabulary, architecture: str) -> tuple[str, Words]:
    return words_named(fields.text("tokenizer.ggml.pre", "default"), architecture, vocabulary.text("bos"), fields.where)


def _byte_level_parts(fields: Fields, vocabulary: Vocabulary, architecture: str) -> tuple[dict[str, Any], bool]:
    """The parts of tokenizer.json, and whether the beginning-of-text token comes first by default."""
    _, words = _words(fields, vocabulary, architecture)
    merges = [merge.split(" ") for merge in fields.texts("tokenizer.ggml.merges")]
    if not merges:
        raise ValueError(
            f"{fields.where} has no merges (tokenizer.ggml.merges) for its tokenizer; take another file of it"
        )
    if wrong := next((merge for merge in merges if len(merge) != 2), None):
        raise ValueError(f"{fields.where}: the merge {' '.join(wrong)!r} is not two tokens; download it again")
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": words.whole,
        "vocab": {token: at for at, token in enumerate(vocabulary.tokens)},
        "merges": merges,
    }
    level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    parts = {
        "normalizer": words.normalizer(),
        "pre_tokenizer": words.pre_tokenizer(),
        "post_processor": level | {"add_prefix_space": False, "trim_offsets": False},
        "decoder": level,
        "model": model,
    }
    return parts, words.begins


def _added(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return [
        {"id": at, "content": token, **flags, "special": kind != USER_DEFINED}
        for at, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.kinds, strict=True))
        if token and kind in (CONTROL, USER_DEFINED, UNKNOWN)
    ]


def _around(vocabulary: Vocabulary, begins: bool, ends: bool) -> dict[str, Any] | None:
    """What puts the beginning and the end of a text around it; None where neither is wanted."""
    if not begins and not ends:
        return None
    before = [vocabulary.text("bos")] if begins else []
    after = [vocabulary.text("eos")] if ends else []

    def around(sequence: str, number: int) -> list[dict[str, Any]]:
        inside = {"Sequence": {"id": sequence, "type_id": number}}
        first, last = ([{"SpecialToken": {"id": one, "type_id": number}} for one in part] for part in (before, after))
        return [*first, inside, *last]

    ids = {text: vocabulary.ids[role] for role, part in (("bos", before), ("eos", after)) for text in part}
    return {
        "type": "TemplateProcessing",
        "single": around("A", 0),
        "pair": [*around("A", 0), *around("B", 1)],
        "special_tokens": {text: {"id": text, "ids": [at], "tokens": [text]} for text, at in ids.items()},
    }


def _tokenizer_config(vocabulary: Vocabulary, begins: bool, ends: bool, context: int) -> dict[str, Any]:
    names = {f"{role}_token": vocabulary.text(role) for role in ("bos", "eos", "unk", "pad")}
    return {
        # The class that takes tokenizer.json as it is.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": begins,
        "add_eos_token": ends,
        **names,
    }


def _generation_config(fields: Fields, vocabulary: Vocabulary) -> dict[str, Any]:
    ends = list(vocabulary.ends)
    config = {
        "bos_token_id": vocabulary.ids.get("bos"),
        "eos_token_id": ends[0] if len(ends) == 1 else ends or None,
        "pad_token_id": vocabulary.ids.get("pad"),
    }
    sampling = {name: fields.number(key) for name, key in SAMPLING.items() if fields.has(key)}
    if "top_k" in sampling:
        sampling["top_k"] = int(sampling["top_k"])
    return config | ({"do_sample": sampling.get("temperature", 1) > 0} | sampling if sampling else {})


def _templates(fields: Fields) -> dict[str, str]:
    files = {"chat_template.jinja": fields.text(TEMPLATE)} if fields.has(TEMPLATE) else {}
    for key in fields.raw:
        if (named := NAMED_TEMPLATE.fullmatch(key)) and named[1] != "default":
            files[f"additional_chat_templates/{named[1]}.jinja"] = fields.text(key)
    return files


def _pretty(value: dict[str, Any]) -> str:
    return json.dumps({key: one for key, one in value.items() if one is not None}, indent=2, ensure_ascii=False) + "\n"
