"""Adapters in peft's format, in and out, and merged into the weights of their base."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ponder.model.config import LORA_TARGETS, LoraConfig, ModelConfig
from ponder.model.decoder import build_empty
from ponder.model.fields import Fields
from ponder.model.lora import adapted_modules, is_adapter
from ponder.model.tensor_files import write_safetensors

CONFIG_FILE, TENSOR_FILE = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # peft wraps the model twice
# What would change the arithmetic, and what peft says where it is off.
UNSUPPORTED = {
    "use_dora": False,
    "modules_to_save": None,
    "bias": "none",
    "fan_in_fan_out": False,
    "rank_pattern": {},
    "alpha_pattern": {},
    "layers_to_transform": None,
    "trainable_token_indices": None,
    "lora_bias": False,
}


def save_adapter(
    config: ModelConfig, parameters: Mapping[str, Tensor], directory: Path, base: str, revision: str | None = None
) -> None:
    """Write adapter_config.json and adapter_model.safetensors into an existing directory.

    Args:
        config: of the decoder, with its adapters
        parameters: {name: values} of the decoder's adapters at least
        base, revision: the model that the adapter is to be put on: a directory, or an id of the hub and the commit
    """
    lora = config.lora
    assert lora is not None
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "revision": revision,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "use_rslora": lora.rank_stabilised,
        "target_modules": sorted(lora.targets),
        "lora_dropout": 0.0,
        "inference_mode": True,
        **UNSUPPORTED,
    }
    (directory / CONFIG_FILE).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    tensors = {}
    for module, parts in adapted_modules(config).items():
        for name, values in zip(("lora_A", "lora_B"), parts(parameters), strict=True):
            tensors[f"{PREFIX}{module}.{name}.weight"] = values.detach().to("cpu", torch.float32, copy=True)
    write_safetensors(tensors, directory / TENSOR_FILE, {"format": "pt"})


def read_lora(directory: Path) -> tuple[LoraConfig, str]:
    """An adapter's shape, and where its base lies by what it says.

    Raises:
        ValueError: not an adapter of peft's, or one that does what the decoder's do not.
    """
    path = directory / CONFIG_FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(raw, dict) or raw.get("peft_type") != "LORA":
        raise ValueError(
            f"{path}: peft_type is {raw.get('peft_type') if isinstance(raw, dict) else None!r}, not 'LORA'"
        )
    for key, off in UNSUPPORTED.items():
        if raw.get(key, off) not in (off, None):
            raise ValueError(f"{path}: {key} is not supported (it says {json.dumps(raw[key])[:80]})")
    fields = Fields(raw, str(path))
    targets = raw.get("target_modules")
    if targets == "all-linear":
        targets = list(LORA_TARGETS)
    if not isinstance(targets, list) or not targets or not set(map(str, targets)) <= set(LORA_TARGETS):
        raise ValueError(f"{path}: target_modules {json.dumps(targets)[:200]}: there are {', '.join(LORA_TARGETS)}")
    lora = LoraConfig(
        fields.whole("r", most=16_384),
        fields.number("lora_alpha", 8.0),
        tuple(t for t in LORA_TARGETS if t in targets),
        fields.flag("use_rslora"),
    )
    return lora, fields.text("base_model_name_or_path", "")


@torch.no_grad()
def fill_adapters(config: ModelConfig, parameters: Mapping[str, Tensor], directory: Path) -> None:
    """Give a decoder's adapters the values of a file, in place.

    Raises:
        ValueError: a damaged file, or an adapter of another base (its matrices have other shapes, or there are others).
    """
    path = directory / TENSOR_FILE
    if not path.is_file():
        raise ValueError(f"{directory} has no {TENSOR_FILE}: an adapter is this file beside {CONFIG_FILE}")
    try:
        stored = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from None
    wanted = {
        f"{PREFIX}{module}.{name}.weight": values
        for module, parts in adapted_modules(config).items()
        for name, values in zip(("lora_A", "lora_B"), parts(parameters), strict=True)
    }
    if others := sorted(set(stored) ^ set(wanted)):
        which = "lacks" if others[0] in wanted else "has also"
        raise ValueError(f"{path} is an adapter of another model than its base: it {which} {others[0]!r}")
    for name, values in wanted.items():
        if stored[name].shape != values.shape:
            raise ValueError(
                f"{path} is an adapter of another model than its base: {name} has shape {tuple(stored[name].shape)}, "
                f"not {tuple(values.shape)}"
            )
        values.copy_(stored[name])


def read_adapters(config: ModelConfig, directory: Path) -> dict[str, Tensor]:
    """{name: an adapter's parameter, float32}, for a decoder of `config`; ValueError as `fill_adapters`."""
    shapes = {name: p.shape for name, p in build_empty(config).named_parameters() if is_adapter(name)}
    values = {name: torch.empty(shape) for name, shape in shapes.items()}
    fill_adapters(config, values, directory)
    return values


class Merge:
    """W + scale * B A for every adapted matrix, in float32, on its way into a file of `dtype`.

    Attributes:
        lost: how much of the adapters' change rounding to `dtype` takes away or adds, as a share of its Euclidean norm, over
            all tensors that have gone through
    """

    def __init__(self, config: ModelConfig, parameters: Mapping[str, Tensor], dtype: torch.dtype):
        assert config.lora is not None
        self.parts, self.parameters, self.scale, self.dtype = (
            adapted_modules(config),
            parameters,
            config.lora.scale,
            dtype,
        )
        self.changed = self.rounded = 0.0  # sums of squares

    @property
    def lost(self) -> float:
        return (self.rounded / self.changed) ** 0.5 if self.changed else 0.0

    def __call__(self, name: str, weight: Tensor) -> Tensor:
        """A tensor by its name in the file -> what is written # as `weight`, float32 where it is adapted"""
        module, _, kind = name.rpartition(".")
        if kind != "weight" or module not in self.parts:
            return weight
        a, b = self.parts[module](self.parameters)
        change = (b.float() @ a.float()).mul_(self.scale)
        merged = weight.float() + change
        self.changed += change.double().square().sum().item()
        self.rounded += (merged.to(self.dtype).float() - merged).double().square().sum().item()
        return merged
