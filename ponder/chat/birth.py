"""A tokenizer for a new small model: byte-level BPE with one token per digit, and a template with QwQ's behaviour."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from ponder.chat.template import compile_template, run_template

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
TEMPLATE = Path(__file__).with_name("qwq.jinja")

# Qwen2's words: contractions, words with the sign or space before them, single digits, runs of signs, white space.
# It has to be Qwen2's, and so has NFC below: beside a qwen2 model transformers builds these two itself, whatever
# tokenizer.json says, and a checkpoint that served other token ids than it learned from would be worthless.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Byte-level BPE of at most `vocab_size` tokens, learned from `texts`; the same texts give the same tokenizer.

    Each digit is a token of its own. The ids: 256 bytes, then merges, then SPECIAL_TOKENS and MARKERS (single tokens
    too, but not special: they stay in decoded text). Few texts have few pairs to merge, and give fewer tokens. Text
    is brought to Unicode's composed form (NFC) first, as Qwen does.
    Raises ValueError where `vocab_size` leaves no room for bytes and markers.
    """
    added = [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    added += [AddedToken(token, special=False, normalized=False) for token in MARKERS]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if vocab_size < len(alphabet) + len(added):
        raise ValueError(f"vocab_size is {vocab_size}; give at least {len(alphabet) + len(added)} (bytes and markers)")

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(added), min_frequency=2, initial_alphabet=alphabet, show_progress=False
    )
    # Markers are tokens already: merges that spell them would be wasted.
    marker = re.compile("|".join(re.escape(token) for token in SPECIAL_TOKENS + MARKERS))
    tokenizer.train_from_iterator((piece for text in texts for piece in marker.split(text)), trainer)
    tokenizer.add_tokens(added)
    return tokenizer


def asked_with_tools(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> str:
    """A prompt with tools as a newborn's template writes it, for its tokenizer to learn from. Raises ValueError for messages that it cannot
    write."""
    return run_template(_template(), TEMPLATE.name, messages=messages, tools=tools, add_generation_prompt=True)


@cache
def _template() -> Template:
    return compile_template(TEMPLATE.read_text(encoding="utf-8"), TEMPLATE.name)


def write_tokenizer(tokenizer: Tokenizer, directory: str | Path, model_max_length: int) -> None:
    """Writes tokenizer.json and tokenizer_config.json with the template; `Renderer.load` and transformers read them.

    `model_max_length`: the model's context in tokens.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model_max_length,
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE.read_text(encoding="utf-8"),
    }
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
