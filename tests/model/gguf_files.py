"""Small random checkpoints with tokenizers, GGUF files of them in any quantisation, and llama.cpp where it is installed."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from ponder.model.gguf.container import read_container
from ponder.model.gguf.exporting import plan_export, write_export
from ponder.model.gguf.importing import plan_import, write_import
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
        vocab_size=340,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
        min_frequency=1,
        special_tokens=[],
    )
    tokenizer.train_from_iterator(TEXTS[:7], trainer)
    tokenizer.add_tokens([AddedToken(one, special=True, normalized=False) for one in SPECIAL])
    tokenizer.add_tokens([AddedToken(one, special=False, normalized=False) for one in MARKERS])
    return tokenizer.to_str()


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


def exported(directory: Path, dtype: str = "float32") -> Path:
    path = directory / f"{dtype}.gguf"
    write_export(plan_export(directory), path, dtype)
    return path


def imported(path: Path, directory: Path, dtype: str = "float32") -> Path:
    plan = plan_import(path)
    directory.mkdir()
    write_import(plan, directory, dtype)
    return directory


def numbers(rows: np.ndarray, kind: gguf.GGMLQuantizationType, rng: np.random.Generator) -> np.ndarray:
    """The rows in a quantisation; blocks of random bytes where the package can only unpack it."""
    try:
        return gguf.quantize(np.ascontiguousarray(rows, np.float32), kind)
    except NotImplementedError:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (rows.size // block, size), dtype=np.uint8)
        with np.errstate(all="ignore"):
            values = gguf.dequantize(blocks, kind)
        blocks[~np.isfinite(values).all(-1) | (np.abs(values).max(-1) > 1)] = (
            0  # scales are halves: some are no numbers
        )
        return blocks.reshape(rows.shape[0], -1)


def rewritten(
    source: Path,
    target: Path,
    kind: str = "F32",
    metadata: Callable[[dict[str, Any]], dict[str, Any]] = lambda metadata: metadata,
    tensors: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = lambda tensors: tensors,
) -> Path:
    """A float32 GGUF file again, by the package's own writer: its matrices in a quantisation, or with other contents."""
    container, rng = read_container(source), np.random.default_rng(0)
    data = np.memmap(source, np.uint8, "r")
    found = {
        name: np.array(data[one.start : one.start + one.size]).view(np.float32).reshape(one.shape)
        for name, one in container.tensors.items()
    }
    changed = metadata(dict(container.metadata))
    writer = gguf.GGUFWriter(target, changed["general.architecture"])
    for key, value in changed.items():
        if key == "general.architecture":
            continue
        if isinstance(value, np.ndarray | list):
            writer.add_array(key, value.tolist() if isinstance(value, np.ndarray) else value)
        else:
            add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
            add[type(value)](key, value)
    for name, rows in tensors(found).items():
        if rows.ndim == 1:
            writer.add_tensor(name, rows)
        else:
            quantisation = gguf.GGMLQuantizationType[kind]
            writer.add_tensor(name, numbers(rows, quantisation, rng), raw_dtype=quantisation)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def llama_cpp(path: Path) -> Any:
    """The model in llama.cpp, with a cache of keys and values in float32; the test is skipped where that is missing."""
    library = pytest.importorskip("llama_cpp", reason="needs llama-cpp-python")
    return library.Llama(str(path), n_ctx=256, n_threads=1, verbose=False, logits_all=True, type_k=0, type_v=0)
