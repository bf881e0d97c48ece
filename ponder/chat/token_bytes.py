"""The bytes behind each token id, so that a stream of ids can be shown as text character by character."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel


def token_bytes(tokenizer: Tokenizer) -> Callable[[int], bytes]:
    """A function from id to bytes; joined and decoded as UTF-8 they are the text. Unknown ids have no bytes.

    Knows byte-level BPE (GPT-2, Qwen, Llama 3) and byte-fallback BPE (Llama 2); raises ValueError for others.
    """
    kinds = _decoder_kinds(tokenizer)
    if "ByteLevel" in kinds:
        spelled = _byte_level
    elif "ByteFallback" in kinds:
        spelled = _byte_fallback
    else:
        raise ValueError(f"tokenizer decoder {sorted(kinds)} is not supported; use a byte-level or byte-fallback BPE")
    # Added tokens stand for themselves; all others are spelled in the model's alphabet.
    known = {token: added.content.encode() for token, added in tokenizer.get_added_tokens_decoder().items()}

    def bytes_of(token: int) -> bytes:
        if token not in known:
            spelling = tokenizer.id_to_token(token)
            known[token] = b"" if spelling is None else spelled(spelling)
        return known[token]

    return bytes_of


def spaces_are_marked(tokenizer: Tokenizer) -> bool:
    """Whether tokens spell a space as U+2581, as SentencePiece does; text that holds this character comes back with
    spaces then."""
    return "ByteFallback" in _decoder_kinds(tokenizer)


def _decoder_kinds(tokenizer: Tokenizer) -> set[str]:
    return set(_kinds(json.loads(tokenizer.decoder.__getstate__()))) if tokenizer.decoder else set()


def _kinds(decoder: dict[str, Any]) -> Iterator[str]:
    yield decoder["type"]
    for part in decoder.get("decoders", ()):
        yield from _kinds(part)


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's alphabet: printable bytes are their own character, the others take characters from 256 on, in order."""
    alphabet = sorted(ByteLevel.alphabet())
    printable = {character: ord(character) for character in alphabet if ord(character) < 256}
    others = sorted(set(range(256)) - set(printable.values()))
    return printable | dict(zip(alphabet[len(printable) :], others, strict=True))


_BYTES = _byte_alphabet()


def _byte_level(spelling: str) -> bytes:
    if all(character in _BYTES for character in spelling):
        return bytes(_BYTES[character] for character in spelling)
    return spelling.encode()


def _byte_fallback(spelling: str) -> bytes:
    if len(spelling) == 6 and spelling.startswith("<0x") and spelling.endswith(">"):
        return bytes.fromhex(spelling[3:5])
    return spelling.replace("\u2581", " ").encode()  # the mark that stands for a space
