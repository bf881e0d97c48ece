"""Reproducible sampling by counting (law 4; a counter-based random number generator): each random number is a pure
function of what it is for, and of nothing before it."""

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def key(*parts: int | str) -> int:
    """A 64-bit key of its parts, such as (run seed, "sample", step, task id, sample number)."""
    digest = hashlib.blake2b("\x1f".join(map(repr, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def uniforms(keys: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """One number in [0, 1) for each (key, position), with 24 random bits, exact in float32.

    SplitMix64's output function (Steele, Lea & Flood 2014) over key + position * golden ratio.

    Args:
        keys: # [rows], uint64
        positions: # [rows], uint64
    Returns:
        # [rows], float32
    """
    with np.errstate(over="ignore"):
        z = keys + (positions + np.uint64(1)) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)) * np.float64(2.0**-24)).astype(np.float32)
