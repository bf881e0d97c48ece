"""A newborn model: random weights, and a tokenizer trained on the recipe's own texts."""

import tempfile
from pathlib import Path

from ponder.chat.birth import train_tokenizer, write_tokenizer
from ponder.chat.renderer import Renderer
from ponder.engine.counting import key
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import Decoder, build_random
from ponder.recipe.schema import Recipe, SftStage
from ponder.tasks.chats import read_chats
from ponder.training.chat_examples import spoken
from ponder.training.data import TaskPool
from ponder.training.demonstrations import demonstrate

TEXTS = 2_000


def give_birth(recipe: Recipe, pool: TaskPool, device: str) -> tuple[Decoder, Renderer]:
    with tempfile.TemporaryDirectory() as directory:
        birth = recipe.model.birth
        write_tokenizer(train_tokenizer(_texts(recipe, pool), birth.vocab_size), Path(directory), birth.context)
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
    return build_random(config, key(recipe.seed, "birth") % 2**63, device), renderer


def _texts(recipe: Recipe, pool: TaskPool) -> list[str]:
    """Questions and demonstrations, as many as a small vocabulary can learn from."""
    tasks = pool.draw(0, TEXTS)
    texts = [task.question for task in tasks]
    for stage in recipe.stages:
        if not isinstance(stage, SftStage):
            continue
        if stage.demonstrations.path:
            chats = [
                chat.messages for chat in read_chats(stage.demonstrations.path, stage.demonstrations.fields)[:TEXTS]
            ]
        else:
            chats = [demonstrate(task, stage.demonstrations, k) for k, task in enumerate(tasks)]
        texts += spoken(chats)
    return texts
