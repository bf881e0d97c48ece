"""Small random checkpoints with tokenizers, to go through GGUF and back."""

import json
from functools import cache
from pathlib import Path

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, trainers

from ponder.model.gguf.words import WORDS
from tests.model.families import FAMILIES

TEXTS = [
    "Hello, world! The quick brown fox jumps over the lazy dog.",
    "  two  spaces   three\n\n\nlines\t\ttabs \r\n\r\n end ",
    "12 345 6789 1,000,000 3.14159  42 + 7 = 49",
    "def f(x):\n    return x ** 2  # square\n\n\tif x != 3 && y:\n\t\tpass",
    "Größe naïve café Ελληνικά русский 日本語 한국어 العربية हिन्दी",
    "🚀 (normal) 😶‍🌫️ ✅ 🦙🦙 ½ ² ⅷ １２３",
    "I've I'VE you'll DON'T 'tis rock'n'roll",
    "<|im_start|>user\nhi<|im_end|>\n<think> 12</think>x",
    "",
    " ",
    "a" * 100,
]
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKERS = ("<think>", "</think>")
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{# ü #}\n\n"
PRE = {"qwen2": "qwen2", "qwen3": "qwen2", "llama": "llama-bpe"}


@cache
def tokenizer_json(pre: str) -> str:
    """Byte-level BPE of the words named so, learned from TEXTS; added tokens behind the rest, as Qwen has them."""
    words = WORDS[pre]
    shell = json.loads(Tokenizer(models.BPE(ignore_merges=words.whole)).to_str())
    shell |= {"pre_tokenizer": words.pre_tokenizer(), "normalizer": words.normalizer()}
    tokenizer = Tokenizer.from_str(json.dumps(shell))
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340, initial_alphabet=WORDS_ALPHABET, show_progress=False, min_frequency=1, special_tokens=[]
    )
    tokenizer.train_from_iterator(TEXTS[:7], trainer)
    tokenizer.add_tokens([AddedToken(one, special=True, normalized=False) for one in SPECIAL])
    tokenizer.add_tokens([AddedToken(one, special=False, normalized=False) for one in MARKERS])
    return tokenizer.to_str()


WORDS_ALPHABET = sorted(__import__("tokenizers").pre_tokenizers.ByteLevel.alphabet())


def make(
    name: str, directory: Path, pre: str | None = None, padding: int = 7, **settings
) -> transformers.PreTrainedModel:
    """A whole model of the family in `directory`: float32, norms and biases random too, embeddings with spare rows."""
    directory.mkdir(parents=True, exist_ok=True)
    text = tokenizer_json(pre or PRE[name.split("-")[0]])
    tokenizer = Tokenizer.from_str(text)
    config = FAMILIES[name]()
    config.vocab_size = tokenizer.get_vocab_size() + padding
    for key, value in settings.items():
        setattr(config, key, value)
    start, end, text_end = (tokenizer.token_to_id(one) for one in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"))
    config.bos_token_id, config.eos_token_id, config.pad_token_id = start, [end, text_end], text_end
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    model.generation_config.eos_token_id = [end, text_end]
    model.generation_config.update(do_sample=True, temperature=0.7, top_k=20, top_p=0.8, repetition_penalty=1.05)
    model.save_pretrained(directory)
    (directory / "tokenizer.json").write_text(text, encoding="utf-8")
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}
    (directory / "tokenizer_config.json").write_text(json.dumps(names | {"pad_token": "<|endoftext|>"}))
    (directory / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return model
