"""Tokenizers of the families that have no tokens for the tags of thoughts, small, and built in a moment."""

import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from ponder.chat.birth import WORDS

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TINYLLAMA = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + eos_token }}"
    "{% elif message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + eos_token }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\n' + message['content'] + eos_token }}{% endif %}"
    "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}\n{% endfor %}"
)
TEXTS = [
    "<think>\nAdd the columns: 2 + 3 = 5.\n</think>\n\nThe sum is \\boxed{5}.",
    '<think>hm</think>{"a": 1}',
    "What is 12 + 30? Hello world, it is a word.\n",
    "<|user|>\nHi\n<|assistant|>\n",
] * 20


def qwen_like(directory: Path, template: str = CHATML) -> Path:
    """Byte-level BPE whose merges reach over the ends of tags (`>\\n\\n`, `>{`), with tokens for turns and tool calls."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in ("<tool_call>", "</tool_call>")])
    return _written(tokenizer, directory, template, eos_token="<|im_end|>")


def llama_like(directory: Path, template: str = TINYLLAMA) -> Path:
    """SentencePiece's kind: a space before each text, spaces as U+2581, bytes where there is no token."""
    bpe = Tokenizer(models.BPE())
    normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    bpe.normalizer = normalizer
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    bpe.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=520, special_tokens=specials, show_progress=False))
    saved = json.loads(bpe.to_str())
    saved["added_tokens"] = saved["added_tokens"][:3]  # the bytes are no tokens that text could spell
    saved["model"] |= {"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"}
    saved["model"]["vocab"].pop("\n", None)  # a byte, as in Llama
    saved["model"]["merges"] = [pair for pair in saved["model"]["merges"] if "\n" not in "".join(pair)]
    kept = sorted(
        (name for name in saved["model"]["vocab"] if "\n" not in name), key=saved["model"]["vocab"].__getitem__
    )
    saved["model"]["vocab"] = {name: number for number, name in enumerate(kept)}
    tokenizer = Tokenizer.from_str(json.dumps(saved))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return _written(tokenizer, directory, template, eos_token="</s>", bos_token="<s>", unk_token="<unk>")


def _written(tokenizer: Tokenizer, directory: Path, template: str, **tokens: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template, **tokens}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return directory
