"""SentencePiece's BPE in GGUF (`tokenizer.ggml.model` is llama: Llama 2, Mistral): scores in the place of merges."""

from typing import Any

import numpy as np

from ponder.model.fields import Fields
from ponder.model.gguf.tokens import NORMAL, USER_DEFINED, Vocabulary

SPACE = "\u2581"
LONGEST = 256  # characters of a token, so that cutting each in every place stays cheap; models have 48 at most


def sentencepiece_parts(fields: Fields, vocabulary: Vocabulary) -> dict[str, Any]:
    """The parts of a tokenizer.json that gives the same ids, as transformers writes it for Llama 2.

    Raises:
        ValueError: no score for each token, or a token that is too long.
    """
    prefix = fields.flag("tokenizer.ggml.add_space_prefix", True)
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    first = [{"type": "Prepend", "prepend": SPACE}] if prefix else []
    decoder = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if prefix else []
    return {
        "normalizer": {"type": "Sequence", "normalizers": [*first, replace]},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": decoder + strip},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": vocabulary.text("unk"),
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {token: at for at, token in enumerate(vocabulary.tokens)},
            "merges": _merges(vocabulary, _scores(fields, vocabulary), fields.where),
        },
    }


def _scores(fields: Fields, vocabulary: Vocabulary) -> np.ndarray:
    scores = fields.raw.get("tokenizer.ggml.scores")
    if not isinstance(scores, np.ndarray) or len(scores) < len(vocabulary.tokens) or not np.all(np.isfinite(scores)):
        raise ValueError(
            f"{fields.where}: tokenizer.ggml.scores must be one finite number a token; take another file of it"
        )
    return scores


def _merges(vocabulary: Vocabulary, scores: np.ndarray, where: str) -> list[list[str]]:
    """Every pair of tokens whose joining is a token, the best score first, and then in the order that transformers has."""
    ids = {token: at for at, token in enumerate(vocabulary.tokens)}
    found = []
    for at, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.kinds, strict=True)):
        if kind not in (NORMAL, USER_DEFINED):
            continue
        if len(token) > LONGEST:
            raise ValueError(f"{where} has a token of {len(token):,} characters, which no model has; it is damaged")
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in ids and right in ids:
                key = (-float(scores[at]), -len(left), -len(right), at, ids[left], ids[right])
                found.append((key, left, right))
    found.sort(key=lambda merge: merge[0])
    return [[left, right] for _, left, right in found]
