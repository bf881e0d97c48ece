"""A GGUF file becomes a Hugging Face directory: looked at whole first, then written piece by piece."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.fields import Fields
from ponder.model.gguf.container import Container, StoredTensor, read_container
from ponder.model.gguf.metadata import config_from_metadata, metadata_fields
from ponder.model.gguf.names import ROPE_FREQS, from_pairs, is_paired, layout
from ponder.model.gguf.rope import llama3_from_divisors
from ponder.model.gguf.tokenizer_import import remarks, tokenizer_files
from ponder.model.gguf.tokens import read_vocabulary
from ponder.model.tensor_stream import safetensors_stream
from ponder.model.weights import DTYPES, INDEX_FILE, SHARD_BYTES, SINGLE_FILE

PIECE = 2**22  # numbers that are unpacked at a time

# Told how many of how many bytes are written, after each tensor.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Import:
    """What a GGUF file will become; nothing speaks against it any more.

    Attributes:
        sources: by Hugging Face's name, in the order of the checkpoint
        files: the tokenizer's and what goes with it, contents by name
        remarks: what had to be guessed, a sentence each
    """

    container: Container
    config: ModelConfig
    sources: Mapping[str, StoredTensor]
    files: Mapping[str, str]
    remarks: tuple[str, ...]

    def size(self, dtype: str) -> int:
        """Bytes of the tensors that will be written."""
        return sum(prod(source.shape) for source in self.sources.values()) * DTYPES[dtype].itemsize


def plan_import(path: str | Path) -> Import:
    """Look at the whole file but its numbers.

    Raises:
        ValueError: whatever speaks against it, with the file and what to do.
    """
    container = read_container(Path(path).expanduser())
    fields = metadata_fields(container)
    config = config_from_metadata(fields, container.tensors)
    sources = _sources(container, config)
    config = replace(config, rope=_scaled(container, fields, config))
    vocabulary = read_vocabulary(fields, config.vocab_size)
    config = replace(
        config, bos_id=vocabulary.ids.get("bos"), eos_ids=vocabulary.ends, pad_id=vocabulary.ids.get("pad")
    )
    files = tokenizer_files(fields, vocabulary, config.family, config.max_positions)
    return Import(container, config, sources, files, tuple(remarks(fields, vocabulary, config.family)))


def write_import(plan: Import, directory: Path, dtype: str = "float32", progress: Progress | None = None) -> None:
    """Write the model into an existing empty directory, holding a few million numbers at a time.

    Args:
        dtype: of the tensors: float32, bfloat16 or float16
    Raises:
        ValueError: too little room on the disk; a tensor that holds NaN or infinity, or does so in float16.
    """
    _check_room(plan, directory, dtype)
    named = plan.config.to_hf() | {"dtype": dtype, "torch_dtype": dtype}
    (directory / "config.json").write_text(json.dumps(named, indent=2) + "\n", encoding="utf-8")
    for name, text in plan.files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8", newline="")
    whole, done = plan.size(dtype), 0
    shards = list(_shards(plan.sources, DTYPES[dtype].itemsize))
    weight_map = {}
    with plan.container.path.open("rb") as file:
        for number, names in enumerate(shards, 1):
            shard = SINGLE_FILE if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
            shapes = {name: plan.sources[name].shape for name in names}
            with safetensors_stream(directory / shard, shapes, DTYPES[dtype]) as stream:
                for name in names:
                    for piece in _pieces(plan, file, name, dtype):
                        stream.write(piece)
                    done += prod(shapes[name]) * DTYPES[dtype].itemsize
                    if progress:
                        progress(done, whole)
            weight_map |= dict.fromkeys(names, shard)
    if len(shards) > 1:
        index = {"metadata": {"total_size": whole}, "weight_map": weight_map}
        (directory / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _sources(container: Container, config: ModelConfig) -> dict[str, StoredTensor]:
    """Of every tensor of the checkpoint; names and shapes are the config's, and none is left over."""
    path, tensors = container.path, container.tensors
    wanted = layout(config)
    if missing := [name for name, _ in wanted.values() if name not in tensors]:
        raise ValueError(
            f"{path} lacks {len(missing)} tensors of the model that its metadata describe, first {missing[0]!r}; take "
            "another file of it"
        )
    if extra := sorted(set(tensors) - {name for name, _ in wanted.values()} - {ROPE_FREQS}):
        raise ValueError(
            f"{path} has {len(extra)} tensors that a {config.family} model of Ponder's has not, first {extra[0]!r}; take "
            "another model"
        )
    for name, shape in wanted.values():
        if tensors[name].shape != shape:
            raise ValueError(
                f"{path}: tensor {name!r} has shape {tensors[name].shape}, the metadata ask for {shape}; it is damaged, "
                "download it again"
            )
    return {name: tensors[stored] for name, (stored, _) in wanted.items()}


def _scaled(container: Container, fields: Fields, config: ModelConfig) -> RopeConfig:
    """The rotary embedding, with the scaling that a tensor of divisors describes."""
    source = container.tensors.get(ROPE_FREQS)
    if source is None:
        return config.rope
    if config.family != "llama" or config.rope.kind != "default" or source.shape != (config.head_dim // 2,):
        raise ValueError(
            f"{container.path}: {ROPE_FREQS} of shape {source.shape} does not belong to this {config.family} model; take "
            "another file of it"
        )
    with container.path.open("rb") as file:
        divisors = next(_rows(file, source, 1))[0]
    found = llama3_from_divisors(config.rope.theta, divisors, fields, f"{config.family}.rope.scaling.")
    if found is None:
        raise ValueError(f"{container.path}: {ROPE_FREQS} is no Llama 3 scaling, the only one Ponder has as a tensor")
    return found


def _pieces(plan: Import, file: BinaryIO, name: str, dtype: str) -> Iterator[torch.Tensor]:
    config, source = plan.config, plan.sources[name]
    paired = is_paired(config, name)
    for rows in _rows(file, source, config.head_dim if paired else 1):
        if len(source.shape) == 1:
            rows = rows[0]
        piece = torch.from_numpy(np.ascontiguousarray(from_pairs(rows, config.head_dim) if paired else rows))
        if not bool(torch.isfinite(piece.to(DTYPES[dtype]).sum(dtype=torch.float32))):
            _check_finite(piece.to(DTYPES[dtype]), plan.container.path, source.name, dtype)
        yield piece


def _rows(file: BinaryIO, source: StoredTensor, multiple: int) -> Iterator[np.ndarray]:
    """All rows in order, `multiple` and a few million numbers at a time  # [rows, width], float32"""
    width = source.shape[-1]
    count = prod(source.shape) // width
    row_bytes = source.size // count
    step = max(1, PIECE // (width * multiple)) * multiple
    file.seek(source.start)
    for first in range(0, count, step):
        rows = min(step, count - first)
        packed = np.empty((rows, row_bytes), np.uint8)
        if file.readinto(packed.data) < packed.size:
            raise ValueError(f"{file.name} ends within the tensor {source.name!r}: it has changed since it was opened")
        yield source.quantisation.unpack(packed).reshape(rows, width)


def _check_finite(piece: torch.Tensor, path: Path, name: str, dtype: str) -> None:
    if wrong := int((~torch.isfinite(piece)).sum()):
        raise ValueError(
            f"{path}: tensor {name!r} holds NaN or infinity as {dtype} ({wrong:,} of some {piece.numel():,} numbers); it is "
            "damaged, or its numbers are too large for this dtype: take another file of it, or another --dtype"
        )


def _check_room(plan: Import, directory: Path, dtype: str) -> None:
    need, free = plan.size(dtype), shutil.disk_usage(directory).free
    if need > free:
        raise ValueError(
            f"{plan.container.path} becomes {need / 1e9:,.1f} GB of {dtype}, and {free / 1e9:,.1f} GB are free at "
            f"{directory.parent}; make room, give another --to, or take --dtype bfloat16"
        )


def _shards(sources: Mapping[str, StoredTensor], itemsize: int) -> Iterator[list[str]]:
    names: list[str] = []
    size = 0
    for name, source in sources.items():
        own = prod(source.shape) * itemsize
        if names and size + own > SHARD_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += own
    yield names
