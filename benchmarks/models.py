"""Random models and prompts that the benchmarks share, written in Hugging Face form for every engine to load."""

import json
import random
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers

from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import build_random
from ponder.model.weights import save_decoder

CHATML = "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}<|im_start|>assistant "


def qwen2(
    vocab: int, width: int, inner: int, layers: int, heads: int, kv_heads: int, tied: bool = False
) -> ModelConfig:
    return ModelConfig(
        family="qwen2",
        vocab_size=vocab,
        hidden_size=width,
        intermediate_size=inner,
        num_layers=layers,
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=width // heads,
        qkv_bias=True,
        output_bias=False,
        qk_norm=False,
        tie_embeddings=tied,
        rms_norm_eps=1e-6,
        max_positions=2048,
        rope=RopeConfig(),
        eos_ids=(vocab - 1,),
        pad_id=0,
    )


MODELS = {
    "6 layers x 256": qwen2(4096, 256, 1024, 6, 8, 2),
    "the demo's (0.5M)": qwen2(320, 128, 384, 3, 4, 2, tied=True),
    "100M": qwen2(16_384, 640, 2560, 12, 10, 2),
}


def write_model(config: ModelConfig, directory: Path) -> Path:
    """Random weights (std as in training's birth), and a word-level tokenizer whose words are w0, w1, ..."""
    directory.mkdir(parents=True, exist_ok=True)
    save_decoder(build_random(config, seed=0), directory)
    vocabulary = {f"w{i}": i for i in range(config.vocab_size - 1)} | {"<|im_end|>": config.vocab_size - 1}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "w0",
        "unk_token": "w0",
        "model_max_length": config.max_positions,
        "chat_template": CHATML,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    return directory


def write_prompts(path: Path, vocab: int, count: int, length: int) -> Path:
    rng = random.Random(0)
    prompts = [[rng.randrange(1, vocab - 1) for _ in range(length)] for _ in range(count)]
    path.write_text(json.dumps({"prompts": prompts}))
    return path
