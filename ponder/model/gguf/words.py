"""How text is cut into words before merges: the rules that `tokenizer.ggml.pre` names, as tokenizer.json writes them.

Regular expressions are those of the models' own tokenizers, which llama.cpp's are adapted from (src/llama-vocab.cpp).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + _REST
LLAMA3 = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + _REST
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class Words:
    """
    Attributes:
        pattern: of a word; None: GPT-2's, which the library's ByteLevel has
        digits: each is cut off first
        composed: text is brought into NFC before. llama.cpp does not do that; the models' own tokenizers do
        whole: a word that is a token stays whole, whatever the merges say (`ignore_merges`)
        begins: the beginning-of-text token comes first, unless the metadata says otherwise
    """

    pattern: str | None = None
    digits: bool = False
    composed: bool = False
    whole: bool = False
    begins: bool = False

    def normalizer(self) -> dict[str, Any] | None:
        return {"type": "NFC"} if self.composed else None

    def pre_tokenizer(self) -> dict[str, Any]:
        level = {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": self.pattern is None,
        }
        before: list[dict[str, Any]] = [{"type": "Digits", "individual_digits": True}] if self.digits else []
        if self.pattern is not None:
            before.append(
                {"type": "Split", "pattern": {"Regex": self.pattern}, "behavior": "Isolated", "invert": False}
            )
        return {"type": "Sequence", "pretokenizers": [*before, level]} if before else level


_QWEN2 = Words(QWEN2, composed=True)
_QWEN2_AS_IT_IS = Words(QWEN2)
_LLAMA3 = Words(LLAMA3, whole=True, begins=True)
_LLAMA3_PLAIN = Words(LLAMA3)
_DIGITS = Words(digits=True)
_GPT2 = Words()

WORDS: dict[str, Words] = {
    # The first of those that are alike is the one that an export writes.
    "qwen2": _QWEN2,
    "megrez": _QWEN2,
    "deepseek-r1-qwen": _QWEN2_AS_IT_IS,
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "falcon3": _LLAMA3,
    "smaug-bpe": _LLAMA3_PLAIN,
    "dbrx": _LLAMA3_PLAIN,
    "tekken": Words(TEKKEN, whole=True, begins=True),
    "smollm": _DIGITS,
    "starcoder": _DIGITS,
    "refact": _DIGITS,
    "codeshell": _DIGITS,
    "minerva-7b": _DIGITS,
    "gpt-2": _GPT2,
    "phi-2": _GPT2,
    "exaone4": _GPT2,
    "mpt": _GPT2,
}


def words_named(name: str, architecture: str, begin: str | None, where: str) -> tuple[str, Words]:
    """The rules, and under which name they were found.

    Args:
        name: `tokenizer.ggml.pre`; "default" in files of converters that did not know better. These go by the architecture
            and by the token that begins a text, which tells Llama 3.
    Raises:
        ValueError: rules of a name that is not among WORDS.
    """
    if name == "default":
        other = "llama-bpe" if begin == "<|begin_of_text|>" else "gpt-2"
        name = "qwen2" if architecture.startswith("qwen") else other
    if name not in WORDS:
        raise ValueError(
            f"{where}: tokenizer.ggml.pre is {name!r}, a way of cutting words that Ponder does not know (it knows "
            f"{', '.join(WORDS)}); take the model's own tokenizer.json with its safetensors"
        )
    return name, WORDS[name]


def name_of(tokenizer: Mapping[str, Any]) -> str | None:
    """The name of the rules that a parsed tokenizer.json follows; None where there is none.

    Where two differ in what llama.cpp does not do (NFC), the nearest is taken.
    """
    found = _steps(tokenizer.get("pre_tokenizer"))
    whole = bool(tokenizer["model"].get("ignore_merges"))
    composed = "NFC" in str(tokenizer.get("normalizer"))
    alike = [name for name, words in WORDS.items() if _steps(words.pre_tokenizer()) == found and words.whole == whole]
    return next((name for name in alike if WORDS[name].composed == composed), alike[0] if alike else None)


def _steps(part: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """What a pre-tokenizer does, without what changes no id."""
    match part and part.get("type"):
        case "Sequence":
            return tuple(step for inner in part["pretokenizers"] for step in _steps(inner))
        case "Digits":
            return (("digits", bool(part.get("individual_digits"))),)
        case "Split":
            return (("split", str(part["pattern"].get("Regex")), part["behavior"].lower(), bool(part.get("invert"))),)
        case "ByteLevel":
            return (("bytes", bool(part.get("add_prefix_space")), bool(part.get("use_regex", True))),)
    return (("other", str(part)),)
