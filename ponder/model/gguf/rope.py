"""Scaled rotary embeddings in GGUF: YaRN as metadata, Llama 3's as a tensor of divisors."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ponder.model.config import RopeConfig
from ponder.model.fields import Fields
from ponder.model.rope import inverse_frequencies

# What Llama 3.1 and its descendants have. The tensor tells the function, of which these three are one description: all three
# times any number say the same, so what is found is written with low_freq_factor 1, as theirs is.
LLAMA3_CONTEXT, LLAMA3_HIGH = 8192, 4.0
CLOSE = 1e-5


def yarn_metadata(rope: RopeConfig, where: str) -> dict[str, Any]:
    """The fields of `{architecture}.rope.scaling.` of a YaRN embedding.

    Raises:
        ValueError: its ramp is not truncated, which llama.cpp does not know.
    """
    if not rope.truncate:
        raise ValueError(f"{where}: YaRN with truncate: false cannot be written as GGUF; llama.cpp always truncates")
    attention = inverse_frequencies(rope, 2)[1]
    return {
        "type": "yarn",
        "factor": float(rope.factor),
        "original_context_length": rope.original_max_positions,
        "yarn_beta_fast": float(rope.beta_fast),
        "yarn_beta_slow": float(rope.beta_slow),
        # What llama.cpp multiplies its own attention factor with, and the whole factor as its converter writes it.
        "attn_factor": attention / _usual_attention(rope.factor),
        "yarn_attn_factor": attention,
    }


def yarn_from_metadata(theta: float, fields: Fields, prefix: str, context: int) -> RopeConfig:
    """
    Args:
        prefix: such as `qwen2.rope.scaling.`
        context: positions of the model, where the original ones are not named
    """
    factor = fields.number(f"{prefix}factor")
    if fields.number(f"{prefix}yarn_ext_factor", 1.0) != 1:
        raise fields.refused(f"{prefix}yarn_ext_factor", "1")
    # llama.cpp multiplies its usual attention factor with one key; its converter writes Hugging Face's under another.
    usual, written = _usual_attention(factor), fields.number(f"{prefix}yarn_attn_factor", 1.0)
    attention = fields.number(f"{prefix}attn_factor", 1.0) * usual
    if math.isclose(written, attention, rel_tol=1e-6) or (written != 1 and not fields.has(f"{prefix}attn_factor")):
        attention = written
    return RopeConfig(
        theta=theta,
        kind="yarn",
        factor=factor,
        original_max_positions=fields.whole(f"{prefix}original_context_length", context),
        attention_factor=None if math.isclose(attention, usual, rel_tol=1e-6) else attention,
        beta_fast=fields.number(f"{prefix}yarn_beta_fast", 32.0),
        beta_slow=fields.number(f"{prefix}yarn_beta_slow", 1.0),
    )


def _usual_attention(factor: float) -> float:
    return 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0


def llama3_divisors(rope: RopeConfig, head_dim: int) -> np.ndarray:
    """What llama.cpp divides each frequency by  # [head_dim / 2], float32"""
    plain, scaled = (inverse_frequencies(one, head_dim)[0] for one in (RopeConfig(theta=rope.theta), rope))
    return (plain / scaled).numpy()


def llama3_metadata(rope: RopeConfig) -> dict[str, Any]:
    """The fields of `llama.rope.scaling.` that say what the divisors were made of. llama.cpp has no use for them, but where
    heads are small the divisors alone do not tell."""
    return {
        "original_context_length": rope.original_max_positions,
        "low_freq_factor": float(rope.low_freq_factor),
        "high_freq_factor": float(rope.high_freq_factor),
    }


def llama3_from_divisors(theta: float, divisors: np.ndarray, fields: Fields, prefix: str) -> RopeConfig | None:
    """The Llama 3 scaling that divides the frequencies so; the plain embedding where nothing is divided.

    Args:
        divisors: # [head_dim / 2]
        prefix: of the fields of `llama3_metadata`, which may be there: `llama.rope.scaling.`
    Returns:
        None where they are no Llama 3 scaling.
    """
    divisors = divisors.astype(np.float64)
    plain = RopeConfig(theta=theta)
    if not np.all(np.isfinite(divisors)) or divisors.min() < 1 - CLOSE:
        return None
    factor = float(np.float32(divisors.max()))
    if factor <= 1 + CLOSE:
        return plain
    usual = replace(
        plain, kind="llama3", factor=factor, original_max_positions=LLAMA3_CONTEXT, high_freq_factor=LLAMA3_HIGH
    )
    said = replace(
        usual,
        original_max_positions=fields.whole(f"{prefix}original_context_length", LLAMA3_CONTEXT),
        low_freq_factor=fields.number(f"{prefix}low_freq_factor", 1.0),
        high_freq_factor=fields.number(f"{prefix}high_freq_factor", LLAMA3_HIGH),
    )
    for found in (said, usual, _fitted(usual, divisors)):
        if found and np.allclose(llama3_divisors(found, 2 * len(divisors)), divisors, rtol=CLOSE):
            return found
    return None


def _fitted(usual: RopeConfig, divisors: np.ndarray) -> RopeConfig | None:
    """By the frequencies in the band between: there 1 / divisor is a straight line over the frequency."""
    frequencies = inverse_frequencies(RopeConfig(theta=usual.theta), 2 * len(divisors))[0].double().numpy() / (
        2 * math.pi
    )
    share = (1 / divisors - 1 / usual.factor) / (1 - 1 / usual.factor)  # 0: divided in full, 1: not at all
    between = (share > CLOSE) & (share < 1 - CLOSE)
    if between.sum() < 2:
        return None
    slope, offset = np.polyfit(frequencies[between], share[between], 1)
    if slope <= 0 or offset >= 0:
        return None
    original = round(-slope / offset)
    return replace(usual, original_max_positions=original, high_freq_factor=float(f"{1 - 1 / offset:.6g}"))
