"""A Hugging Face directory becomes one GGUF file, a tensor at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from ponder.model.config import ModelConfig
from ponder.model.gguf.library import gguf_library
from ponder.model.gguf.metadata import metadata_from_config
from ponder.model.gguf.names import ROPE_FREQS, is_paired, layout, to_pairs
from ponder.model.gguf.quantisation import Quantisation, by_name
from ponder.model.gguf.rope import llama3_divisors
from ponder.model.gguf.tokenizer_export import tokenizer_metadata
from ponder.model.weights import open_checkpoint

# What a matrix is stored as, and what where its rows are no whole blocks.
FORMS = {"float32": ("F32",), "float16": ("F16",), "q8_0": ("Q8_0", "F16")}
FILE_TYPES = {"float32": 0, "float16": 1, "q8_0": 7}  # llama.cpp's general.file_type: what most tensors are

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Export:
    """
    Attributes:
        files: of each tensor, by Hugging Face's name
        metadata: of the GGUF file, but for the type of its tensors
    """

    directory: Path
    config: ModelConfig
    files: Mapping[str, Path]
    metadata: Mapping[str, Any]

    def remarks(self, dtype: str) -> list[str]:
        """What is not as it was asked for, a sentence each."""
        shapes = {name: shape for name, (_, shape) in layout(self.config).items() if len(shape) > 1}
        wanted = by_name(FORMS[dtype][0])
        other = {name: form.name for name, shape in shapes.items() if (form := _form(shape, dtype)) != wanted}
        said = []
        if other:
            name, form = next(iter(other.items()))
            said.append(
                f"{len(other)} matrices stay {form}, first {name}: {wanted.name} wants rows of a multiple of {wanted.block}"
            )
        rope = self.config.rope
        if rope.kind == "yarn" and (rope.beta_fast, rope.beta_slow) != (32, 1):
            ramp = f"--yarn-beta-fast {rope.beta_fast:g} --yarn-beta-slow {rope.beta_slow:g}"
            said.append(f"llama.cpp does not read YaRN's ramp from a file: give it {ramp}")
        return said


def plan_export(directory: str | Path) -> Export:
    """Look at the whole directory but its numbers.

    Raises:
        ValueError: it is no model, or it has something that GGUF or llama.cpp has not.
    """
    gguf_library()
    directory = Path(directory).expanduser()
    config, files = open_checkpoint(directory)
    metadata = metadata_from_config(config, str(directory / "config.json"))
    metadata |= {"general.type": "model", "general.name": directory.resolve().name}
    metadata |= tokenizer_metadata(directory, config)
    return Export(directory, config, files, metadata)


def write_export(plan: Export, path: Path, dtype: str, progress: Progress | None = None) -> None:
    """Write the file; matrices are of `dtype` (float32, float16, q8_0), vectors float32.

    Raises:
        ValueError: a tensor that holds NaN or infinity, or does so in float16.
    """
    library, config = gguf_library(), plan.config
    writer = library.GGUFWriter(path, config.family)
    _add_metadata(writer, plan.metadata | {"general.quantization_version": 2, "general.file_type": FILE_TYPES[dtype]})
    forms = {name: _form(shape, dtype) for name, (_, shape) in layout(config).items()}
    extra = {ROPE_FREQS: llama3_divisors(config.rope, config.head_dim)} if config.rope.kind == "llama3" else {}
    for name, divisors in extra.items():
        writer.add_tensor_info(name, divisors.shape, divisors.dtype, divisors.nbytes)
    for name, (stored, shape) in layout(config).items():
        _add_tensor_info(writer, stored, shape, forms[name])
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for divisors in extra.values():
            writer.write_tensor_data(divisors)
        whole, done = sum(forms[name].size(shape) for name, (_, shape) in layout(config).items()), 0
        for name, (_, shape) in layout(config).items():
            writer.write_tensor_data(_packed(plan, name, forms[name]))
            done += forms[name].size(shape)
            if progress:
                progress(done, whole)
    finally:
        writer.close()


def _form(shape: tuple[int, ...], dtype: str) -> Quantisation:
    """Vectors stay float32: llama.cpp computes with norms and biases of no other type."""
    if len(shape) == 1:
        return by_name("F32")
    forms = [by_name(name) for name in FORMS[dtype]]
    return next(form for form in forms if shape[-1] % form.block == 0)


def _packed(plan: Export, name: str, form: Quantisation) -> np.ndarray:
    """A tensor as it is stored. The file is opened anew for each: closing it drops its mapped pages."""
    with safe_open(plan.files[name], framework="pt") as file:
        rows = file.get_tensor(name).to(torch.float32).numpy()
    if is_paired(plan.config, name):
        rows = np.ascontiguousarray(to_pairs(rows, plan.config.head_dim))
    with np.errstate(over="ignore", invalid="ignore"):  # found and named below
        packed = form.pack(rows)
    _check_finite(rows if form.name == "Q8_0" else packed, f"{plan.files[name]}: tensor {name!r}", form.name)
    return packed


def _check_finite(numbers: np.ndarray, what: str, form: str) -> None:
    if not np.isfinite(numbers).all():
        wrong = numbers.size - int(np.isfinite(numbers).sum())
        raise ValueError(
            f"{what} holds NaN or infinity as {form} ({wrong:,} of {numbers.size:,} numbers): the training that wrote it had "
            "diverged, or its numbers are too large for it; take an earlier checkpoint, or --dtype float32"
        )


def _add_tensor_info(writer: Any, name: str, shape: tuple[int, ...], form: Quantisation) -> None:
    kind = gguf_library().GGMLQuantizationType(form.number)
    dtype = {"F32": np.dtype(np.float32), "F16": np.dtype(np.float16)}.get(form.name, np.dtype(np.uint8))
    stored = (*shape[:-1], form.size(shape) // prod(shape[:-1])) if form.block > 1 else shape
    writer.add_tensor_info(name, stored, dtype, form.size(shape), raw_dtype=kind)


def _add_metadata(writer: Any, metadata: Mapping[str, Any]) -> None:
    for key, value in metadata.items():
        if key == "general.architecture":  # the writer has put it there itself
            continue
        match value:
            case bool():
                writer.add_bool(key, value)
            case int():
                writer.add_uint32(key, value)
            case float():
                writer.add_float32(key, value)
            case str():
                writer.add_string(key, value)
            case list():
                writer.add_array(key, value)
