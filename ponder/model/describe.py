"""What a model is and what it takes: exact parameter counts, KV bytes per token, memory for serving and training."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ponder.model.config import PRESETS, ModelConfig, load_config, load_preset

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
LORA_RANK = 32
# What a serving process holds beside weights, keys and values: Python, torch, the server, the tokenizer. Measured by
# benchmarks/memory_at_rest.py.
PROCESS_BYTES = 500_000_000


@dataclass(frozen=True)
class Description:
    config: ModelConfig
    parameters: int
    embedding_parameters: int  # the tables of token vectors: one where they are tied, else two
    kv_bytes_per_token: int  # at the checkpoint's dtype
    weight_bytes: int
    full_training_bytes: int
    lora_training_bytes: int
    lora_parameters: int
    serving_bytes: dict[int, int]  # context length -> weights and the KV cache of one sequence of that length

    @property
    def packed_weight_bytes(self) -> int:
        """The weights as serving holds them on a CPU (engine/packed.py): embeddings that are the output matrix, too, are
        held a second time, packed for its products."""
        again = self.embedding_parameters * BYTES[self.config.dtype] if self.config.tie_embeddings else 0
        return self.weight_bytes + again

    @property
    def at_rest_bytes(self) -> int:
        """What a server that has nothing to do holds on a CPU; keys and values come on top when they are used."""
        return self.packed_weight_bytes + PROCESS_BYTES

    @property
    def parameters_without_embeddings(self) -> int:
        return self.parameters - self.embedding_parameters


def describe(config: ModelConfig, lengths: tuple[int, ...] = ()) -> Description:
    """
    Training memory counts what does not depend on the batch: weights and gradients in the checkpoint's dtype, and
    AdamW's two moments and master weights in float32 (for float32 weights no master copy). Activations come on top.
    """
    sizes = parameter_shapes(config)
    parameters = sum(sizes.values())
    unit = BYTES[config.dtype]
    weights = parameters * unit
    moments = parameters * 8 + (parameters * 4 if unit < 4 else 0)
    lora = lora_parameters(config, LORA_RANK)
    kv = 2 * config.num_layers * config.num_kv_heads * config.head_dim * unit
    return Description(
        config=config,
        parameters=parameters,
        embedding_parameters=config.vocab_size * config.hidden_size * (1 if config.tie_embeddings else 2),
        kv_bytes_per_token=kv,
        weight_bytes=weights,
        full_training_bytes=2 * weights + moments,
        lora_training_bytes=weights + lora * (2 * unit + 8 + (4 if unit < 4 else 0)),
        lora_parameters=lora,
        serving_bytes={n: weights + n * kv for n in lengths or default_lengths(config)},
    )


def parameter_shapes(config: ModelConfig) -> dict[str, int]:
    """Number of elements of each parameter, from a decoder on the meta device (nothing is allocated)."""
    from ponder.model.decoder import build_empty

    return {name: parameter.numel() for name, parameter in build_empty(config).named_parameters()}


def lora_parameters(config: ModelConfig, rank: int) -> int:
    """Two factors of this rank beside each of the seven projections of every layer (Hu et al. 2021, arXiv:2106.09685)."""
    hidden, inner = config.hidden_size, config.intermediate_size
    q, kv = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    pairs = [(hidden, q), (hidden, kv), (hidden, kv), (q, hidden), (hidden, inner), (hidden, inner), (inner, hidden)]
    return config.num_layers * rank * sum(a + b for a, b in pairs)


def default_lengths(config: ModelConfig) -> tuple[int, ...]:
    return tuple(n for n in (4_096, 32_768, 131_072) if n <= config.max_positions) or (config.max_positions,)


def load_described(name: str, find: Callable[[str], Path]) -> ModelConfig:
    """A preset by name, or the config of a checkpoint.

    Args:
        find: gives the directory of what has another name, or raises ValueError
    Raises:
        ValueError: it is neither, or its config.json is broken.
    """
    if name in PRESETS:
        return load_preset(name)
    try:
        directory = find(name)
    except ValueError as error:
        raise ValueError(f"{error}. Presets: {', '.join(PRESETS)}") from None
    return load_config(directory)
