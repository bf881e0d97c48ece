"""Rotary position embeddings (RoPE, Su et al. 2021, arXiv:2104.09864): plain, YaRN and Llama-3 scaled."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from ponder.model.config import RopeConfig


def inverse_frequencies(rope: RopeConfig, head_dim: int) -> tuple[Tensor, float]:
    """Angles per position, and the factor on cos and sin.

    Returns:
        frequencies  # [head_dim / 2], float32, on the CPU
        scale: YaRN's attention factor, applied to cos and sin alike (so to the logits squared); 1 for the others
    """
    steps = torch.arange(0, head_dim, 2, dtype=torch.float32, device="cpu")
    frequencies = 1.0 / (rope.theta ** (steps / head_dim))
    if rope.kind == "yarn":
        return _yarn(rope, head_dim, frequencies), _yarn_attention_factor(rope)
    if rope.kind == "llama3":
        return _llama3(rope, frequencies), 1.0
    return frequencies, 1.0


def _yarn(rope: RopeConfig, head_dim: int, frequencies: Tensor) -> Tensor:
    """Fast dimensions keep their angle, slow ones are interpolated by `factor`, a ramp lies between.

    Peng et al. 2023, arXiv:2309.00071, section 3.2.
    """

    def dimension_of(rotations: float) -> float:
        # The dimension that turns `rotations` times within the original context.
        angle = rope.original_max_positions / (rotations * 2 * math.pi)
        return head_dim * math.log(angle) / (2 * math.log(rope.theta))

    low, high = dimension_of(rope.beta_fast), dimension_of(rope.beta_slow)
    if rope.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    if low == high:
        high += 0.001
    ramp = ((torch.arange(head_dim // 2, dtype=torch.float32, device="cpu") - low) / (high - low)).clamp(0, 1)
    return frequencies / rope.factor * ramp + frequencies * (1 - ramp)


def _yarn_attention_factor(rope: RopeConfig) -> float:
    if rope.attention_factor is not None:
        return float(rope.attention_factor)

    def magnitude(weight: float) -> float:
        return 0.1 * weight * math.log(rope.factor) + 1.0 if rope.factor > 1 else 1.0

    if rope.mscale and rope.mscale_all_dim:
        return magnitude(rope.mscale) / magnitude(rope.mscale_all_dim)
    return magnitude(1.0)


def _llama3(rope: RopeConfig, frequencies: Tensor) -> Tensor:
    """Wavelengths longer than the original context / low_freq_factor are interpolated, a smooth band lies between."""
    wavelengths = 2 * math.pi / frequencies
    turns = rope.original_max_positions / wavelengths
    smooth = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
    smooth = smooth.clamp(0, 1)
    return frequencies / rope.factor * (1 - smooth) + frequencies * smooth


def yarn_for(rope: RopeConfig, factor: float, context: int) -> RopeConfig:
    """The static YaRN of `factor` over a plain rotary embedding trained on `context` positions; factor 1 is no scaling.

    Raises:
        ValueError: the embedding is scaled already; its own scaling is the one it was trained or published with.
    """
    if factor == 1:
        return rope
    if rope.kind != "default":
        raise ValueError(f"this model's positions are scaled already ({rope.kind}); it takes no further factor")
    return replace(rope, kind="yarn", factor=factor, original_max_positions=context)


class RotaryTable:
    """cos and signed sin for every position, grown on demand and kept on the device they were last asked for.

    Sequences of different YaRN factors may stand in one call: `index` gives each factor a table of its own beside the
    plain one, and every token says which it wants. A sequence keeps its factor, since its keys were turned with it.

    Several threads may read it: what a call reads is one pair, whoever puts a longer one in its place meanwhile.
    """

    def __init__(self, rope: RopeConfig, head_dim: int, context: int):
        """context: positions that the model was trained on, what YaRN factors are relative to."""
        self.rope, self.head_dim, self.context = rope, head_dim, context
        self.factors = [1.0]
        empty = torch.empty(1, 0, head_dim, device="cpu")
        self.tables = empty, empty  # cos and sin, each [factors, positions, head_dim]

    def index(self, factor: float) -> int:
        """Where the tables of `factor` stand; raises ValueError as `yarn_for`."""
        if factor not in self.factors:
            yarn_for(self.rope, factor, self.context)
            self.factors.append(factor)
        return self.factors.index(factor)

    def __call__(
        self, positions: Tensor, longest: int, dtype: torch.dtype, factors: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """cos, sin of `positions` # [tokens] -> each [tokens, 1, head_dim]

        Args:
            longest: bounds every position
            factors: # [tokens], int64, by `index`; None where all are unscaled
        """
        cos, sin = self.tables
        enough = longest <= cos.shape[1] and (factors is None or len(self.factors) == len(cos))
        if not enough or cos.device != positions.device or cos.dtype != dtype:
            cos, sin = self.tables = self._grown(max(longest, 2 * cos.shape[1], 512), positions.device, dtype)
        if factors is None:
            return cos[0, positions].unsqueeze(1), sin[0, positions].unsqueeze(1)
        return cos[factors, positions].unsqueeze(1), sin[factors, positions].unsqueeze(1)

    def _grown(self, length: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        tables = [self._table(factor, length) for factor in self.factors]
        cos, sin = (torch.stack(parts) for parts in zip(*tables, strict=True))
        return cos.to(device, dtype), sin.to(device, dtype)

    def _table(self, factor: float, length: int) -> tuple[Tensor, Tensor]:
        frequencies, scale = inverse_frequencies(yarn_for(self.rope, factor, self.context), self.head_dim)
        angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)  # [positions, head_dim / 2]
        cos, sin = angles.cos() * scale, angles.sin() * scale
        # The sign of rotate-half is folded in here, so that applying it is a roll and one fused multiply-add.
        return torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x # [tokens, heads, head_dim], turned pairwise (i, i + head_dim / 2) by the angles of its positions."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)
