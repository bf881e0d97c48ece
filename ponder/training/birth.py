"""A newborn model: random weights, and a tokenizer trained on the recipe's own texts."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ponder.chat.birth import asked_with_tools, train_tokenizer, write_tokenizer
from ponder.chat.renderer import Renderer
from ponder.engine.counting import key
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import Decoder, build_random
from ponder.recipe.schema import Birth
from ponder.training.data import TaskPool
from ponder.training.stages.kind import StageKind

TEXTS = 2_000  # tasks whose texts a newborn model's tokenizer learns from


def give_birth(birth: Birth, seed: int, texts: Sequence[str], device: str) -> tuple[Decoder, Renderer]:
    """`texts`: what the tokenizer is trained on."""
    with tempfile.TemporaryDirectory() as directory:
        write_tokenizer(train_tokenizer(texts, birth.vocab_size), Path(directory), birth.context)
        renderer = Renderer.load(directory)
    config = ModelConfig(
        family="qwen2",
        vocab_size=-(-renderer.vocab_size // 16) * 16,  # whole tiles make faster products
        hidden_size=birth.hidden_size,
        intermediate_size=birth.intermediate_size,
        num_layers=birth.layers,
        num_heads=birth.heads,
        num_kv_heads=birth.kv_heads,
        head_dim=birth.hidden_size // birth.heads,
        qkv_bias=True,
        output_bias=False,
        qk_norm=False,
        tie_embeddings=True,
        rms_norm_eps=1e-6,
        max_positions=birth.context,
        rope=RopeConfig(theta=10_000.0),
        eos_ids=tuple(sorted(renderer.stop_ids)),
    )
    return build_random(config, key(seed, "birth") % 2**63, device), renderer


def birth_texts(pool: TaskPool, stages: Sequence[StageKind], count: int = TEXTS) -> list[str]:
    """Questions with what stands around them where there are tools, and what the stages teach of them, as many as a small vocabulary can
    learn from."""
    asked = [
        asked_with_tools(task.messages, task.tools) if task.tools else task.question for task in pool.draw(0, count)
    ]
    taught = [text for stage in stages for text in stage.texts(pool.mixed(stage.settings.mixture).draw(0, count))]
    return asked + taught
