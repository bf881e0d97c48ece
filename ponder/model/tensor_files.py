"""Files of tensors (safetensors): written, and read by name, one tensor in memory at a time."""

import stat
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


def write_safetensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """A file of tensors, with the permissions that any new file has here: the library's own are for the owner alone."""
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    save_file(tensors, path, metadata=metadata)
    path.chmod(mode)


def read_safetensors(into: dict[str, Tensor], path: Path) -> None:
    """Fill tensors by name from a file that has exactly these, one in memory at a time.

    Raises:
        ValueError: the file is damaged, or its tensors are others.
    """
    if set(tensor_names(path)) != set(into):
        raise ValueError(
            f"{path} is damaged: it holds {len(tensor_names(path))} tensors, and not the {len(into)} of the model"
        )
    with torch.no_grad():
        for name, tensor in into.items():
            with safe_open(path, framework="pt") as file:
                stored = file.get_tensor(name)
            if (stored.shape, stored.dtype) != (tensor.shape, tensor.dtype):
                raise ValueError(f"{path} is damaged: {name} is {stored.dtype} of shape {tuple(stored.shape)}")
            tensor.copy_(stored)


def tensor_names(file: Path) -> list[str]:
    """Raises ValueError where it is no whole file of tensors."""
    try:
        with safe_open(file, framework="pt") as shard:
            return list(shard.keys())
    except SafetensorError as error:
        raise ValueError(f"{file} is not a whole safetensors file: {error}") from None
