"""The vocabulary in GGUF's metadata: tokens, what each is, and the ids that have a task."""

import re
from dataclasses import dataclass

import numpy as np

from ponder.model.fields import Fields

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # gguf.TokenType
# Tokens that end an answer in llama.cpp whatever the metadata say; upstream's generation configs have them too.
ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>")
PADDING = re.compile(r"\[PAD(\d+)\]")
ROLES = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}


@dataclass(frozen=True)
class Vocabulary:
    """
    Attributes:
        tokens: texts by id, as the file spells them, without those that only fill up the embeddings at the end
        kinds: of each
        ids: by role: bos, eos, unk, pad
        ends: ids that end an answer, the end of the text first
    """

    tokens: list[str]
    kinds: list[int]
    ids: dict[str, int]
    ends: tuple[int, ...]

    def text(self, role: str) -> str | None:
        return self.tokens[self.ids[role]] if role in self.ids else None


def read_vocabulary(fields: Fields, rows: int) -> Vocabulary:
    """
    Args:
        rows: of the embeddings
    Raises:
        ValueError: no tokens, more than the embeddings have rows, or one that stands twice.
    """
    where = fields.where
    tokens = fields.texts("tokenizer.ggml.tokens")
    if not tokens:
        raise ValueError(f"{where} has no tokenizer (tokenizer.ggml.tokens); take a file of the whole model")
    if len(tokens) > rows:
        raise ValueError(
            f"{where} has {len(tokens):,} tokens and embeddings of {rows:,}: it is damaged, download it again"
        )
    kinds = _kinds(fields, len(tokens))
    end = _last_used(tokens, kinds)
    tokens, kinds = tokens[:end], kinds[:end]
    if twice := _twice(tokens):
        raise ValueError(f"{where} has the token {twice!r} twice, so its tokenizer is damaged; take another file of it")
    ids = {role: fields.token_id(f"tokenizer.ggml.{key}_token_id") for role, key in ROLES.items()}
    ids = {role: token for role, token in ids.items() if token is not None and token < len(tokens)}
    return Vocabulary(tokens, kinds, ids, _ends(fields, tokens, kinds, ids))


def _last_used(tokens: list[str], kinds: list[int]) -> int:
    end = len(tokens)
    while end and _is_padding(tokens[end - 1], end - 1, kinds[end - 1]):
        end -= 1
    return end


def _twice(tokens: list[str]) -> str | None:
    seen: set[str] = set()
    return next((token for token in tokens if token in seen or seen.add(token)), None)


def _kinds(fields: Fields, count: int) -> list[int]:
    kinds = fields.raw.get("tokenizer.ggml.token_type")
    if kinds is None:
        return [NORMAL] * count
    if not isinstance(kinds, np.ndarray) or kinds.dtype.kind not in "iu" or len(kinds) != count:
        raise ValueError(
            f"{fields.where}: tokenizer.ggml.token_type must be {count:,} whole numbers, one a token; it is damaged, "
            "download it again"
        )
    return kinds.tolist()


def _is_padding(token: str, at: int, kind: int) -> bool:
    """Converters fill the list up to the rows of the embeddings: `[PAD151665]`, once as user-defined tokens."""
    found = PADDING.fullmatch(token)
    return kind in (UNUSED, USER_DEFINED) and found is not None and found[1] == str(at)


def _ends(fields: Fields, tokens: list[str], kinds: list[int], ids: dict[str, int]) -> tuple[int, ...]:
    named = [fields.token_id(f"tokenizer.ggml.{role}_token_id") for role in ("eos", "eot", "eom")]
    control = {token: at for at, token in enumerate(tokens) if kinds[at] == CONTROL}
    known = [control.get(text) for text in ENDS]
    return tuple(dict.fromkeys(at for at in [*named, *known] if at is not None and at < len(tokens)))
