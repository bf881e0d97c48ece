"""The container: what a GGUF file says about itself, read with bounds before anything is believed.

The layout is that of ggml's docs/gguf.md: magic, version, two counts, metadata, descriptions of tensors, and aligned data.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ponder.model.gguf.quantisation import Quantisation, quantisation

MAGIC = b"GGUF"
VERSIONS = (2, 3)  # alike but for big-endian files, which 3 allows; 1 had shorter counts and was in use for weeks
MOST_HEADER = 2**27  # bytes before the tensors; a vocabulary of 256,000 tokens takes a tenth of it
MOST_KEYS, MOST_TENSORS, MOST_TEXTS = 2**16, 2**17, 2**21
MOST_NAME = 1024  # bytes of a key or of a tensor's name
MOST_DIMENSIONS = 4
DEFAULT_ALIGNMENT = 32

TEXT, ARRAY, FLAG = 8, 9, 7
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", FLAG: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies. `shape` is in the order of numpy and torch: the last dimension is contiguous."""

    name: str
    shape: tuple[int, ...]
    quantisation: Quantisation
    start: int  # byte in the file
    size: int  # bytes


@dataclass(frozen=True)
class Container:
    """
    Attributes:
        metadata: numbers, flags and texts by key; lists of texts; arrays of numbers as numpy's
        tensors: by name, in the order of the file
    """

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, StoredTensor]


def read_container(path: Path) -> Container:
    """
    Raises:
        ValueError: no GGUF file, one that is cut short or lies about itself, or of a kind that Ponder does not read; the
            file is named, and what to do.
    """
    if not path.is_file():
        raise ValueError(f"{path} is no file; give a GGUF file")
    with path.open("rb", buffering=1 << 20) as file:
        return _Reader(path, file, path.stat().st_size).container()


class _Reader:
    def __init__(self, path: Path, file: BinaryIO, size: int):
        self.path, self.file, self.size, self.at = path, file, size, 0

    def container(self) -> Container:
        keys, tensors = self._beginning()
        metadata: dict[str, Any] = {}
        for _ in range(keys):
            key = self._text(MOST_NAME)
            if key in metadata:
                raise self._refused(f"has the key {key!r} twice")
            metadata[key] = self._value(self._number("I"), key)
        described = [self._tensor() for _ in range(tensors)]
        alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or not 0 < alignment <= 2**16 or alignment & (alignment - 1):
            raise self._refused(f"has general.alignment {alignment!r}; it must be a power of two")
        return Container(self.path, metadata, self._placed(described, -(-self.at // alignment) * alignment, alignment))

    def _beginning(self) -> tuple[int, int]:
        """Numbers of keys and of tensors."""
        magic = self.file.read(4)
        if magic != MAGIC:
            raise ValueError(
                f"{self.path} is not a GGUF file: it begins with {magic!r}, not {MAGIC!r}; download it again, and look "
                "whether it is a web page or another format"
            )
        self.at = 4
        version = self._number("I")
        if version not in VERSIONS:
            if int.from_bytes(version.to_bytes(4, "little"), "big") in range(1, 100):
                raise ValueError(f"{self.path} is big-endian; take the model's little-endian file, or its safetensors")
            raise ValueError(
                f"{self.path} is GGUF version {version}; Ponder reads 2 and 3: take a newer file of the model, or convert "
                "its safetensors again with a llama.cpp of today"
            )
        tensors, keys = self._number("Q"), self._number("Q")
        # Each takes some bytes at least: a key 8 + 4 + 1, a tensor 8 + 4 + 8 + 4 + 8.
        self._count(keys, MOST_KEYS, 13, "keys")
        self._count(tensors, MOST_TENSORS, 32, "tensors")
        return keys, tensors

    def _value(self, kind: int, key: str) -> Any:
        if kind == TEXT:
            return self._text()
        if kind == ARRAY:
            return self._array(key)
        if kind not in SCALARS:
            raise self._refused(f"has a value of the unknown type {kind} for {key!r}")
        return self._number(SCALARS[kind])

    def _array(self, key: str) -> Any:
        kind, count = self._number("I"), self._number("Q")
        if kind == TEXT:
            self._count(count, MOST_TEXTS, 8, f"texts in {key!r}")
            return [self._text() for _ in range(count)]
        if kind not in SCALARS:
            raise self._refused(f"has a list of the type {kind} for {key!r}, which no model of Ponder's has")
        dtype = np.dtype("<" + SCALARS[kind] if SCALARS[kind] != "?" else "?")
        self._count(count, MOST_HEADER, dtype.itemsize, f"numbers in {key!r}")
        return np.frombuffer(self._take(count * dtype.itemsize), dtype)

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape, number of the quantisation, place among the data."""
        name = self._text(MOST_NAME)
        dimensions = self._number("I")
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            raise self._refused(f"has the tensor {name!r} of {dimensions} dimensions")
        shape = tuple(self._number("Q") for _ in range(dimensions))[::-1]
        if not all(1 <= extent < 2**40 for extent in shape):
            raise self._refused(f"has the tensor {name!r} of shape {shape}")
        return name, shape, self._number("I"), self._number("Q")

    def _placed(
        self, described: list[tuple[str, tuple[int, ...], int, int]], base: int, alignment: int
    ) -> dict[str, StoredTensor]:
        placed: dict[str, StoredTensor] = {}
        for name, shape, kind, offset in described:
            if name in placed:
                raise self._refused(f"has the tensor {name!r} twice")
            try:
                form = quantisation(kind)
                size = form.size(shape)
            except ValueError as error:
                raise self._refused(
                    f"has the tensor {name!r} {error}", "take the model in another quantisation"
                ) from None
            if offset % alignment:
                raise self._refused(f"has the tensor {name!r} at byte {offset}, which is no multiple of {alignment}")
            if base + offset + size > self.size:
                raise self._cut(f"the tensor {name!r}", base + offset + size)
            placed[name] = StoredTensor(name, shape, form, base + offset, size)
        if base + sum(tensor.size for tensor in placed.values()) > self.size:
            raise self._refused("has tensors that lie in one another")
        return placed

    def _text(self, most: int = MOST_HEADER) -> str:
        length = self._number("Q")
        if length > most:
            raise self._refused(f"has a text of {length:,} bytes at byte {self.at - 8}")
        try:
            return self._take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise self._refused(f"has a text that is not UTF-8 at byte {self.at - length}") from None

    def _number(self, form: str) -> Any:
        return struct.unpack("<" + form, self._take(struct.calcsize("<" + form)))[0]

    def _take(self, count: int) -> bytes:
        if self.at + count > self.size:
            raise self._cut("its metadata", self.at + count)
        if self.at + count > MOST_HEADER:
            raise self._refused(f"has more than {MOST_HEADER >> 20} MiB of metadata")
        taken = self.file.read(count)
        if len(taken) < count:
            raise self._cut("its metadata", self.at + count)
        self.at += count
        return taken

    def _count(self, count: int, most: int, least_bytes: int, what: str) -> None:
        """Before anything is made of a count."""
        if count > most or count * least_bytes > self.size - self.at:
            raise self._refused(f"claims {count:,} {what}, more than it can hold")

    def _cut(self, what: str, end: int) -> ValueError:
        return ValueError(
            f"{self.path} is cut short: {what} would end at byte {end:,}, the file ends at {self.size:,}; download it again"
        )

    def _refused(self, what: str, remedy: str = "it is damaged: download it again") -> ValueError:
        return ValueError(f"{self.path} {what}; {remedy}")
