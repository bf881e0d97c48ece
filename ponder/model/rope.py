"""Rotary position embeddings: plain, YaRN and Llama-3 scaled."""

import math

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


class RotaryTable:
    """cos and signed sin for every position, grown on demand and kept on the device they were last asked for."""

    def __init__(self, rope: RopeConfig, head_dim: int):
        self.frequencies, self.scale = inverse_frequencies(rope, head_dim)
        self.cos = self.sin = torch.empty(0, head_dim, device="cpu")

    def __call__(self, positions: Tensor, longest: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """cos, sin of `positions` # [tokens] -> each [tokens, 1, head_dim]; `longest` bounds every position."""
        if longest > len(self.cos) or self.cos.device != positions.device or self.cos.dtype != dtype:
            self._grow(max(longest, 2 * len(self.cos), 512), positions.device, dtype)
        return self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)

    def _grow(self, length: int, device: torch.device, dtype: torch.dtype) -> None:
        angles = torch.outer(torch.arange(length, dtype=torch.float32), self.frequencies)  # [positions, head_dim / 2]
        cos, sin = angles.cos() * self.scale, angles.sin() * self.scale
        self.cos = torch.cat((cos, cos), -1).to(device, dtype)
        # The sign of rotate-half is folded in here, so that applying it is a roll and one fused multiply-add.
        self.sin = torch.cat((-sin, sin), -1).to(device, dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x # [tokens, heads, head_dim], turned pairwise (i, i + head_dim / 2) by the angles of its positions."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)
