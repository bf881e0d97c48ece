"""The model that a run begins with: one that comes in, or a newborn."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ponder.chat.added_tokens import add_tokens
from ponder.chat.renderer import Renderer
from ponder.model.decoder import Decoder
from ponder.model.grow import grow_vocabulary
from ponder.model.weights import DTYPES, load_decoder
from ponder.recipe.schema import Model, Recipe
from ponder.training.birth import TEXTS, birth_texts, give_birth
from ponder.training.data import TaskPool
from ponder.training.stages.kind import StageKind


def first_model(
    recipe: Recipe, parent: Path | None, pool: TaskPool, stages: Sequence[StageKind]
) -> tuple[Decoder, Renderer]:
    """`parent`: the directory of the model that comes in, None for a newborn."""
    device = device_of(recipe.model)
    if parent is None:
        texts = birth_texts(pool.draw(0, TEXTS), stages)
        decoder, renderer = give_birth(recipe.model.birth, recipe.seed, texts, device)
        return decoder.to(DTYPES[recipe.model.dtype]), renderer
    decoder, renderer = load_decoder(parent, recipe.model.dtype, device), Renderer.load(parent)
    renderer, made_of = add_tokens(renderer, recipe.model.add_tokens)
    grow_vocabulary(decoder, made_of)
    return decoder, renderer


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
