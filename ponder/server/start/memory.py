"""What fits into memory, worked out before a byte of weights is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from ponder.engine.kernels import BLOCK
from ponder.engine.local import DEFAULT_TOKEN_BUDGET
from ponder.engine.yarn import DEFAULT_FACTORS, context_of, offered_factors
from ponder.model.config import ModelConfig, load_config
from ponder.model.describe import describe

GIB, GB = 2**30, 10**9
# Of the memory that is left beside the weights, what keys and values may come to take where nothing is said: the rest is
# for activations, the answers themselves, and others.
CACHE_SHARE = 0.7
LEAST_CONTEXT = 2048  # a model whose context is longer is served with less of it where memory is short, down to this
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryPlan:
    """What a model takes at once, and what its sequences may come to take.

    Attributes:
        cache_tokens: most tokens whose keys and values are held, in whole blocks; their memory is taken when it is used
        context: most tokens of one sequence, prompt and answer
        asked: tokens of the longest sequence that the model, or whoever serves it, would have
    """

    weight_bytes: int
    cache_tokens: int
    token_bytes: int
    context: int
    asked: int

    @property
    def sentence(self) -> str:
        shorter = f"; a sequence has {self.context} tokens, not {self.asked}, since memory is short"
        return (
            f"memory: weights {_size(self.weight_bytes)}; keys and values, as they come, up to "
            f"{_size(self.cache_tokens * self.token_bytes)} for {self.cache_tokens} tokens"
            + (shorter if self.context < self.asked else "")
        )


def plan_memory(
    checkpoint: Path,
    free_bytes: int,
    factors: Sequence[float] = DEFAULT_FACTORS,
    memory: int | None = None,
    context: int | None = None,
    device: str = "cpu",
) -> MemoryPlan:
    """
    Args:
        factors: YaRN's, as far as the model takes them
        memory: bytes that weights, keys and values may take (--memory); None: the weights and CACHE_SHARE of what is left
        context: most tokens of a sequence (--context); None: what the model has, or what fits
        device: "cpu", where tied embeddings are held twice, or "cuda"
    Raises:
        ValueError: the model and one sequence do not fit, or the context is longer than the model's.
    """
    config = load_config(checkpoint)
    about = describe(config)
    weights = about.packed_weight_bytes if device == "cpu" else about.weight_bytes
    per_token = about.kv_bytes_per_token
    asked = _context(config, factors, context)
    if memory is not None and memory > free_bytes:
        raise ValueError(
            f"--memory {_size(memory)}: only {_size(free_bytes)} are free; ask for less, or stop something"
        )
    left = memory - weights if memory is not None else int((free_bytes - weights) * CACHE_SHARE)
    tokens = max(left, 0) // per_token // BLOCK * BLOCK
    least = asked if context is not None else min(asked, LEAST_CONTEXT)
    if tokens < least:
        room = -(-least // BLOCK) * BLOCK * per_token
        if memory is not None:
            raise ValueError(
                f"--memory {_size(memory)} is too little: the weights of {checkpoint} take {_size(weights)}, keys and "
                f"values of a sequence of {least} tokens {_size(room)}; give at least {_size(weights + room, up=True)}"
            )
        need = weights + int(room / CACHE_SHARE)
        shorter = f", or a shorter --context than {context}" if context is not None else ""
        raise ValueError(
            f"{checkpoint} does not fit: its weights take {weights / GIB:.1f} GiB, and with room to answer "
            f"it needs {need / GIB:.1f} GiB; {free_bytes / GIB:.1f} GiB are free. Serve a smaller model{shorter}, or stop "
            "what else takes memory"
        )
    if memory is None:
        tokens = min(tokens, max(DEFAULT_TOKEN_BUDGET, -(-asked // BLOCK) * BLOCK))
    return MemoryPlan(weights, tokens, per_token, min(asked, tokens), asked)


def _context(config: ModelConfig, factors: Sequence[float], context: int | None) -> int:
    """Tokens of the longest sequence that is wanted."""
    offered = offered_factors(config, factors)
    most = int(context_of(config) * offered[-1])
    if context is None:
        return most
    if context > most:
        scaled = f" with YaRN factor {offered[-1]:g}" if offered[-1] > 1 else ""
        raise ValueError(f"--context {context}: the model has {most} tokens{scaled}; ask for no more")
    return context


def free_memory(device: str) -> int:
    """Bytes that may still be taken: of the GPU, or of the machine and the container that we are in."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    free = psutil.virtual_memory().available
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        free = min(free, int(text) - int(used.read_text()))
    return free


def parse_bytes(text: str) -> int:
    """From "6GB" (10^9), "6GiB" (2^30), "800MB". Raises ValueError."""
    compact = text.strip().replace(" ", "").upper()
    unit = next((unit for unit in sorted(UNITS, key=len, reverse=True) if compact.endswith(unit)), None)
    try:
        number = float(compact.removesuffix(unit or ""))
        size = int(number * UNITS[unit]) if unit else 0
    except (ValueError, OverflowError):
        size = 0
    if size < 1:
        raise ValueError(f"--memory {text!r}: write a number and its unit, such as 6GB or 800MB")
    return size


def _size(count: int, up: bool = False) -> str:
    """up: rather more than less, for what somebody is to write."""
    return f"{-(-count // 10**7) / 100:.2f} GB" if up else f"{count / GB:.2f} GB"
