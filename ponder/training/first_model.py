"""The model that a run begins with: one that comes in, or a newborn."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ponder.chat.added_tokens import add_tokens
from ponder.chat.renderer import Renderer
from ponder.model.config import load_config
from ponder.model.directory import tokenizer_directory
from ponder.model.grow import grow_vocabulary
from ponder.model.weights import DTYPES, load_decoder
from ponder.recipe.schema import Model, Recipe
from ponder.training.birth import birth_texts, give_birth
from ponder.training.checkpoint import load_with_adapters, lora_of
from ponder.training.data import TaskPool
from ponder.training.master import MasterWeights
from ponder.training.precision import check_memory, compute_dtype
from ponder.training.stages.kind import StageKind


def first_model(
    recipe: Recipe, parent: Path | None, pool: TaskPool, stages: Sequence[StageKind]
) -> tuple[MasterWeights, Renderer]:
    """
    Args:
        parent: the directory of the model that comes in, None for a newborn
    Raises:
        ValueError: no model, a damaged one, or one that is larger than memory.
    """
    model, device = recipe.model, device_of(recipe.model)
    dtype = DTYPES[compute_dtype(model, device)]
    if parent is None:
        texts = birth_texts(pool, stages)
        decoder, renderer = give_birth(model.birth, recipe.seed, texts, device)
        return MasterWeights.of(decoder, dtype), renderer
    check_memory(replace(load_config(parent), lora=lora_of(model)), model, device)
    renderer = Renderer.load(tokenizer_directory(parent))
    if model.lora is not None:
        return load_with_adapters(model, parent, device, recipe.seed), renderer
    decoder = load_decoder(parent, "float32", device)
    renderer, made_of = add_tokens(renderer, model.add_tokens)
    grow_vocabulary(decoder, made_of)
    return MasterWeights.of(decoder, dtype), renderer


def device_of(model: Model) -> str:
    """ "cpu" or "cuda". ValueError where the recipe asks for a GPU and there is none."""
    if model.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("model.device is 'cuda', but torch sees no GPU here; set it to 'auto' (see: ponder doctor)")
    device = model.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32: float32 weights at tensor-core speed
    return device
