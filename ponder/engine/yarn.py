"""Context extension: which YaRN factor a request needs, chosen at its admission, so that short requests keep the model
as it was trained.

A static factor turns every position, and costs quality on short texts (benchmarks/yarn.py measures it).
"""

from collections.abc import Sequence

from ponder.model.config import ModelConfig

DEFAULT_FACTORS = (1.0, 2.0, 4.0)


def context_of(config: ModelConfig) -> int:
    """Most tokens of one sequence at factor 1. A checkpoint that asks for YaRN itself may leave
    `max_position_embeddings` at the trained length (as Qwen's guide does): its factor counts."""
    if config.rope.kind != "yarn":
        return config.max_positions
    return max(config.max_positions, int(config.rope.original_max_positions * config.rope.factor))


def offered_factors(config: ModelConfig, wanted: Sequence[float] = DEFAULT_FACTORS) -> tuple[float, ...]:
    """Those that requests to this model may have: a checkpoint with a scaling of its own keeps it, and takes no other."""
    return tuple(sorted({1.0, *wanted})) if config.rope.kind == "default" else (1.0,)


def smallest_factor(prompt_tokens: int, max_tokens: int, context: int, factors: Sequence[float]) -> float:
    """The smallest factor whose context holds the prompt and all that may be sampled, so that none is outgrown midway.

    Args:
        context: most tokens at factor 1
        factors: ascending, as `StreamEngine.rope_factors`
    Raises:
        ValueError: no factor is large enough.
    """
    need = prompt_tokens + max_tokens
    for factor in factors:
        if need <= int(context * factor):
            return factor
    raise ValueError(
        f"prompt ({prompt_tokens}) + max_tokens ({max_tokens}) is more than {int(context * factors[-1])}, the longest "
        f"context (factor {factors[-1]:g})"
    )
