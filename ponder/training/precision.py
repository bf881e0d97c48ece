"""What a model is computed in, and whether it fits: looked at before any work."""

import psutil
import torch

from ponder.model.config import ModelConfig
from ponder.model.decoder import build_empty
from ponder.model.weights import DTYPES
from ponder.recipe.schema import Model
from ponder.runs.processor import abilities
from ponder.training.master import trained

# Bytes of each trained weight: master, gradient, and AdamW's two moments, all float32.
TRAINED_BYTES = 16


def compute_dtype(model: Model, device: str) -> str:
    """The recipe's dtype, or float32 where the device has no arithmetic in bfloat16."""
    return "float32" if model.dtype == "bfloat16" and not has_bfloat16(device) else model.dtype


def has_bfloat16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool({"avx512_bf16", "amx_bf16"} & set(abilities()))


def precision_remarks(model: Model, device: str) -> list[str]:
    """What people should know before the first step."""
    if compute_dtype(model, device) == model.dtype:
        return []
    return [
        "model.dtype is bfloat16, but this processor has no arithmetic in it (avx512_bf16 or amx_bf16): float32 is taken, "
        "which needs more memory"
    ]


def check_memory(config: ModelConfig, model: Model, device: str) -> None:
    """
    Args:
        config: of the model, with its adapters
    Raises:
        ValueError: weights, gradients and optimizer alone are more than there is.
    """
    needed = training_bytes(config, DTYPES[compute_dtype(model, device)])
    there = torch.cuda.mem_get_info()[1] if device == "cuda" else psutil.virtual_memory().total
    if needed > there:
        others = [] if model.lora else ["model.lora: {} (adapters alone are learned)"]
        others += ["model.dtype: bfloat16"] if model.dtype == "float32" else []
        raise ValueError(
            f"training this model takes {needed / 1e9:.1f} GB for weights, gradients and optimizer alone, and "
            f"{'the GPU' if device == 'cuda' else 'this machine'} has {there / 1e9:.1f} GB: "
            + (f"set {' and '.join(others)}, or " if others else "")
            + "take a smaller model"
        )


def free_memory(device: str) -> int:
    """Bytes. What torch keeps of a GPU's memory for its own later use counts as free: after sampling that is most of it."""
    if device != "cuda":
        return psutil.virtual_memory().available
    return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()


def training_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
    """Of weights, masters, gradients and optimizer, in one process; without what a step's tokens need."""
    decoder = build_empty(config)
    learned = sum(parameter.numel() for parameter in trained(decoder))
    weights = sum(parameter.numel() for parameter in decoder.parameters())
    apart = dtype != torch.float32
    return weights * dtype.itemsize + learned * (TRAINED_BYTES - (0 if apart else 4))
