"""Hugging Face checkpoints in and out: safetensors, sharded, one tensor in memory at a time. Pickle is refused."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import safe_open
from torch import Tensor

from ponder.model.adapter_files import Merge, read_adapters, read_lora
from ponder.model.config import LoraConfig, ModelConfig, load_config
from ponder.model.decoder import Decoder, build_empty
from ponder.model.directory import INDEX_FILE, SINGLE_FILE, base_of, model_directory
from ponder.model.tensor_files import tensor_names
from ponder.model.tensor_stream import safetensors_stream

EMBEDDINGS, HEAD = "model.embed_tokens.weight", "lm_head.weight"
SHARD_BYTES = 2 * 10**9
STORED = ("F32", "BF16", "F16", "F64")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Rows:
    """Where a checkpoint's tensor lives: rows `start` to `start + shape[0]` of one of our parameters."""

    parameter: str
    start: int
    shape: tuple[int, ...]


def checkpoint_layout(config: ModelConfig) -> dict[str, Rows]:
    """Every tensor name of the Hugging Face checkpoint, and its place in the decoder (q, k, v and gate, up are fused)."""
    hidden, inner = config.hidden_size, config.intermediate_size
    q_rows, kv_rows = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    layout = {EMBEDDINGS: Rows("embed.weight", 0, (config.vocab_size, hidden))}
    for i in range(config.num_layers):
        theirs, ours = f"model.layers.{i}", f"layers.{i}"
        layout[f"{theirs}.input_layernorm.weight"] = Rows(f"{ours}.input_norm.weight", 0, (hidden,))
        start = 0
        for name, rows in (("q", q_rows), ("k", kv_rows), ("v", kv_rows)):
            source, target = f"{theirs}.self_attn.{name}_proj", f"{ours}.attention.qkv_proj"
            layout[f"{source}.weight"] = Rows(f"{target}.weight", start, (rows, hidden))
            if config.qkv_bias:
                layout[f"{source}.bias"] = Rows(f"{target}.bias", start, (rows,))
            start += rows
        layout[f"{theirs}.self_attn.o_proj.weight"] = Rows(f"{ours}.attention.o_proj.weight", 0, (hidden, q_rows))
        if config.output_bias:
            layout[f"{theirs}.self_attn.o_proj.bias"] = Rows(f"{ours}.attention.o_proj.bias", 0, (hidden,))
        if config.qk_norm:
            for name in ("q_norm", "k_norm"):
                place = Rows(f"{ours}.attention.{name}.weight", 0, (config.head_dim,))
                layout[f"{theirs}.self_attn.{name}.weight"] = place
        layout[f"{theirs}.post_attention_layernorm.weight"] = Rows(f"{ours}.post_norm.weight", 0, (hidden,))
        layout[f"{theirs}.mlp.gate_proj.weight"] = Rows(f"{ours}.mlp.gate_up_proj.weight", 0, (inner, hidden))
        layout[f"{theirs}.mlp.up_proj.weight"] = Rows(f"{ours}.mlp.gate_up_proj.weight", inner, (inner, hidden))
        layout[f"{theirs}.mlp.down_proj.weight"] = Rows(f"{ours}.mlp.down_proj.weight", 0, (hidden, inner))
    layout["model.norm.weight"] = Rows("norm.weight", 0, (hidden,))
    if config.scores:
        layout["score.weight"] = Rows("score.weight", 0, (1, hidden))
    elif not config.tie_embeddings:
        layout[HEAD] = Rows("lm_head.weight", 0, (config.vocab_size, hidden))
    return layout


def open_checkpoint(directory: str | Path, scores: bool = False) -> tuple[ModelConfig, dict[str, Path]]:
    """The config of a checkpoint and the file of each of its tensors; no weights are read.

    A config that ties the embeddings beside a file with another output matrix (lm_head) is returned untied, with a
    warning: so does transformers 5.

    Raises:
        ValueError: as `load_decoder`, but for NaN and infinity.
    """
    directory = model_directory(directory)
    if base := base_of(directory):
        raise ValueError(f"{directory} is an adapter of {base}, and no whole model: give a merged one")
    config = load_config(directory, scores)
    files = _tensor_files(directory)
    _check_tensors(directory, config, files)
    if config.tie_embeddings and not scores and _has_other_head(files):
        warnings.warn(
            f"{directory}: config.json says tie_word_embeddings, but the file holds an lm_head of its own: it is loaded "
            "untied, as transformers 5 does, and what is saved from it says tie_word_embeddings: false",
            stacklevel=2,
        )
        config = replace(config, tie_embeddings=False)
    return config, files


def load_decoder(
    directory: str | Path,
    dtype: str | None = None,
    device: str = "cpu",
    lora: LoraConfig | None = None,
    scores: bool = False,
) -> Decoder:
    """Load a checkpoint; names, shapes and shards are checked before a byte of weights is read.

    A config that ties the embeddings beside a file with another output matrix gives an untied decoder (`open_checkpoint`).

    Args:
        directory: with config.json and safetensors; or an adapter (peft's format), which is merged into its base in float32
        dtype: "float32", "bfloat16" or "float16"; the checkpoint's own where None. `config.dtype` stays the checkpoint's
        lora: with adapters like these, which have no values yet (`lora.initialise_adapters`)
        scores: whether it is a reward model
    Raises:
        ValueError: not a model, an unknown architecture, a missing shard, a missing, extra or misshapen tensor, a tensor
            that holds NaN or infinity, or more weights than memory.
    """
    directory = model_directory(directory)
    merge = None
    if base := base_of(directory):
        assert lora is None
        config = replace(load_config(base), lora=read_lora(directory)[0])
        merge = Merge(config, read_adapters(config, directory), DTYPES[dtype or config.dtype])
        directory = base
    config, files = open_checkpoint(directory, scores)
    config = replace(config, lora=lora)
    decoder = build_empty(config).to(DTYPES[dtype or config.dtype])
    _check_fits(decoder, directory, device)
    decoder = decoder.to_empty(device=device)
    parameters = dict(decoder.named_parameters())
    with torch.no_grad():
        for name, place in checkpoint_layout(config).items():
            # A file is opened anew for each tensor: closing it drops its mapped pages, so that only one model is resident.
            with safe_open(files[name], framework="pt") as shard:
                rows = parameters[place.parameter][place.start : place.start + place.shape[0]]
                stored = shard.get_tensor(name)
                rows.copy_(stored if merge is None else merge(name, stored))
            _check_finite(rows, name, files[name])
    return decoder.eval()


def save_decoder(
    decoder: Decoder,
    directory: Path,
    dtype: str | None = None,
    parameters: Mapping[str, Tensor] | None = None,
    changed: Callable[[str, Tensor], Tensor] | None = None,
) -> None:
    """Write config.json and safetensors (an index where there are several shards) into an existing directory.

    Args:
        dtype: of the tensors in the files; the decoder's own where None
        parameters: {name: values} in the place of the decoder's own, which may be less exact
        changed: from a tensor's name in the file and its values to those that are written (`adapter_files.Merge`)
    Raises:
        ValueError: a weight that is too large for float16.
    """
    layout = checkpoint_layout(decoder.config)
    parameters = parameters or dict(decoder.named_parameters())
    dtype = dtype or str(decoder.dtype).removeprefix("torch.")
    config = decoder.config.to_hf() | {"dtype": dtype, "torch_dtype": dtype}
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    tensors = {
        name: parameters[place.parameter].detach()[place.start : place.start + place.shape[0]]
        for name, place in layout.items()
    }
    size = DTYPES[dtype].itemsize
    shards = list(_shards(tensors, size))
    total = sum(tensor.numel() * size for tensor in tensors.values())
    weight_map = {}
    for number, names in enumerate(shards, 1):
        file = SINGLE_FILE if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        shapes = {name: tuple(tensors[name].shape) for name in names}
        with safetensors_stream(directory / file, shapes, DTYPES[dtype]) as stream:  # one tensor at a time in memory
            for name in names:
                values = tensors[name] if changed is None else changed(name, tensors[name])
                stored = values.to("cpu", DTYPES[dtype])
                _check_finite(stored, name, directory / file)
                stream.write(stored)
        weight_map |= dict.fromkeys(names, file)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (directory / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _shards(tensors: dict[str, Tensor], itemsize: int) -> Iterator[list[str]]:
    names: list[str] = []
    size = 0
    for name, tensor in tensors.items():
        if names and size + tensor.numel() * itemsize > SHARD_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += tensor.numel() * itemsize
    yield names


def _tensor_files(directory: Path) -> dict[str, Path]:
    """The file of every tensor in the checkpoint. Index entries are names of files in `directory`, never paths."""
    index_path, single = directory / INDEX_FILE, directory / SINGLE_FILE
    if index_path.is_file():
        try:
            weight_map = json.loads(index_path.read_text(encoding="utf-8"))["weight_map"]
            files = {name: directory / file for name, file in weight_map.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{index_path} is damaged: it must hold a JSON object with a 'weight_map'") from None
        for file in sorted(set(files.values())):
            if file.parent != directory:
                raise ValueError(f"{index_path} points outside its own directory: {file}")
            if not file.is_file():
                count = sum(owner == file for owner in files.values())
                raise ValueError(f"{directory}: the shard {file.name} is missing ({count} tensors); copy it again")
        present = {name for file in set(files.values()) for name in tensor_names(file)}
        if lost := sorted(set(files) - present):
            raise ValueError(f"{directory}: the index names {lost[0]!r}, but {files[lost[0]].name} does not hold it")
        return files
    if single.is_file():
        return dict.fromkeys(tensor_names(single), single)
    if pickles := sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in directory.glob(pattern)):
        raise ValueError(
            f"{directory} holds pickled weights ({pickles[0]}), which can run code when loaded; "
            "convert them to safetensors first (transformers: save_pretrained)"
        )
    raise ValueError(f"{directory} has no weights: neither {SINGLE_FILE} nor {INDEX_FILE}")


def _check_tensors(directory: Path, config: ModelConfig, files: dict[str, Path]) -> None:
    layout = checkpoint_layout(config)
    # Copies of tied heads and rotary tables stand in some checkpoints; both are derived, so both may be passed over.
    head = Rows("lm_head.weight", 0, (config.vocab_size, config.hidden_size))
    unused = config.tie_embeddings or config.scores  # some reward models still have the output matrix of their base
    derived = {n for n in files if n.endswith("rotary_emb.inv_freq") or (unused and n == HEAD)}
    if missing := [name for name in layout if name not in files]:
        raise ValueError(f"{directory}: the checkpoint lacks {len(missing)} tensors, first {missing[0]!r}")
    if extra := sorted(set(files) - set(layout) - derived):
        raise ValueError(
            f"{directory}: the checkpoint has {len(extra)} tensors that {config.family} has not, first {extra[0]!r}"
        )
    for file in sorted(set(files.values())):
        with safe_open(file, framework="pt") as shard:
            for name in tensor_names(file):
                if name in layout or name == HEAD:
                    _check_form(name, shard.get_slice(name), layout.get(name, head).shape)


def _check_form(name: str, stored: Any, shape: tuple[int, ...]) -> None:
    found = tuple(stored.get_shape())
    if found != shape:
        raise ValueError(f"tensor {name!r} has shape {found}, the config asks for {shape}")
    if stored.get_dtype() not in STORED:
        raise ValueError(
            f"tensor {name!r} is stored as {stored.get_dtype()}: quantised checkpoints are not supported; "
            "load the original weights"
        )


def _check_fits(decoder: Decoder, directory: Path, device: str) -> None:
    needed = sum(parameter.numel() * parameter.element_size() for parameter in decoder.parameters())
    on_gpu = device.startswith("cuda")
    there = torch.cuda.mem_get_info(device)[1] if on_gpu else psutil.virtual_memory().total
    if needed > there:
        raise ValueError(
            f"{directory}: the weights take {needed / 1e9:.1f} GB in {str(decoder.dtype).removeprefix('torch.')}, and "
            f"{'the GPU' if on_gpu else 'this machine'} has {there / 1e9:.1f} GB of memory: take a smaller model, or a smaller "
            "dtype"
        )


def _has_other_head(files: dict[str, Path]) -> bool:
    """Whether there is an output matrix, and it is not the embeddings."""
    if HEAD not in files:
        return False
    with safe_open(files[HEAD], framework="pt") as one, safe_open(files[EMBEDDINGS], framework="pt") as other:
        return not torch.equal(one.get_tensor(HEAD), other.get_tensor(EMBEDDINGS))


def _check_finite(tensor: Tensor, name: str, file: Path) -> None:
    if bool(torch.isfinite(tensor.sum())):  # quick, and needs no memory; a sum may overflow though no number has
        return
    if wrong := int((~torch.isfinite(tensor)).sum()):
        dtype = str(tensor.dtype).removeprefix("torch.")
        raise ValueError(
            f"tensor {name!r} of {file} holds NaN or infinity ({wrong:,} of {tensor.numel():,} numbers, as {dtype}): the "
            "training that wrote it had diverged, the file is damaged, or its numbers are too large for this dtype; take "
            "an earlier checkpoint, or another dtype"
        )
