"""Quantisations: how the numbers of a tensor are packed into blocks, by the tables of the package `gguf`."""

from dataclasses import dataclass
from functools import cache
from math import prod

import numpy as np

from ponder.model.gguf.library import gguf_library


@dataclass(frozen=True)
class Quantisation:
    """`block` numbers of a row are packed into `block_bytes`."""

    number: int  # ggml's
    name: str
    block: int
    block_bytes: int

    def size(self, shape: tuple[int, ...]) -> int:
        """Bytes of a tensor. ValueError where its rows are no whole blocks."""
        if shape[-1] % self.block:
            raise ValueError(f"in {self.name} with rows of {shape[-1]}, which are no multiple of {self.block}")
        return prod(shape) // self.block * self.block_bytes

    def unpack(self, packed: np.ndarray) -> np.ndarray:
        """packed # [rows, bytes], uint8 -> # [rows, width], float32"""
        library = gguf_library()
        return library.dequantize(packed, library.GGMLQuantizationType(self.number))

    def pack(self, rows: np.ndarray) -> np.ndarray:
        """rows # [rows, width], float32 -> as stored"""
        library = gguf_library()
        return library.quantize(rows, library.GGMLQuantizationType(self.number))


@cache
def quantisation(number: int) -> Quantisation:
    """ValueError where the package cannot unpack it, in words that follow a tensor's name."""
    library = gguf_library()
    try:
        kind = library.GGMLQuantizationType(number)
        block, block_bytes = library.GGML_QUANT_SIZES[kind]
    except (ValueError, KeyError):
        raise ValueError(f"in the unknown quantisation {number}") from None
    try:
        library.dequantize(np.zeros((1, block_bytes), np.uint8), kind)
    except NotImplementedError:
        raise ValueError(f"in {kind.name}, which cannot be unpacked to numbers") from None
    return Quantisation(number, kind.name, block, block_bytes)


def by_name(name: str) -> Quantisation:
    """Such as F32, F16, Q8_0."""
    return quantisation(int(gguf_library().GGMLQuantizationType[name]))
