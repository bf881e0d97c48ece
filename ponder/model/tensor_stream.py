"""A safetensors file written piece by piece, so that not even one tensor has to be in memory whole."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path

import torch
from torch import Tensor

NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}


class SafetensorsStream:
    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype):
        """The tensors have to come in the order of `shapes`."""
        self._file = path.open("wb")
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        end = 0
        for name, shape in shapes.items():
            start, end = end, end + prod(shape) * dtype.itemsize
            header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [start, end]}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)  # so that the numbers are aligned
        self._file.write(len(text).to_bytes(8, "little") + text)
        self._dtype, self._end = dtype, 8 + len(text) + end

    def write(self, piece: Tensor) -> None:
        """The next numbers."""
        self._file.write(piece.to(self._dtype).contiguous().view(torch.uint8).numpy().data)

    def close(self) -> None:
        """ValueError where numbers are missing."""
        written = self._file.tell()
        self._file.close()
        if written != self._end:
            raise ValueError(f"{self._file.name}: {written:,} of {self._end:,} bytes were written")


@contextmanager
def safetensors_stream(
    path: Path, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype
) -> Iterator[SafetensorsStream]:
    stream = SafetensorsStream(path, shapes, dtype)
    try:
        yield stream
    except BaseException:
        stream._file.close()
        raise
    stream.close()
