"""The shape of a decoder, read from and written to Hugging Face `config.json` in its old and new spellings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

Family = Literal["qwen2", "qwen3", "llama"]

ARCHITECTURES: dict[str, Family] = {
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "LlamaForCausalLM": "llama",
}
PRESETS = ("qwq-32b",)


@dataclass(frozen=True)
class RopeConfig:
    """Rotary position embedding and its scaling. `kind` names the scaling; the other fields belong to one or both."""

    theta: float = 10_000.0
    kind: Literal["default", "yarn", "llama3"] = "default"
    factor: float = 1.0
    original_max_positions: int = 0
    # YaRN (Peng et al. 2023, arXiv:2309.00071)
    attention_factor: float | None = None
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool = True
    # Llama 3.1
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0


@dataclass(frozen=True)
class ModelConfig:
    family: Family
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    qkv_bias: bool
    output_bias: bool
    qk_norm: bool
    tie_embeddings: bool
    rms_norm_eps: float
    max_positions: int
    rope: RopeConfig
    dtype: str = "float32"
    bos_id: int | None = None
    eos_ids: tuple[int, ...] = ()
    pad_id: int | None = None

    def __post_init__(self):
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_attention_heads ({self.num_heads}) must be a multiple of num_key_value_heads ({self.num_kv_heads})"
            )
        if self.head_dim % 2:
            raise ValueError(f"head_dim must be even for rotary embeddings, got {self.head_dim}")

    def to_hf(self) -> dict[str, Any]:
        """`config.json` that both transformers 4 and 5, and vLLM, read the same way."""
        architecture = next(name for name, family in ARCHITECTURES.items() if family == self.family)
        eos = list(self.eos_ids)
        config: dict[str, Any] = {
            "architectures": [architecture],
            "model_type": self.family,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_layers,
            "num_attention_heads": self.num_heads,
            "num_key_value_heads": self.num_kv_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "rms_norm_eps": self.rms_norm_eps,
            "max_position_embeddings": self.max_positions,
            "tie_word_embeddings": self.tie_embeddings,
            "rope_theta": self.rope.theta,
            "rope_parameters": _rope_to_hf(self.rope),
            "torch_dtype": self.dtype,
            "dtype": self.dtype,
            "bos_token_id": self.bos_id,
            "eos_token_id": eos[0] if len(eos) == 1 else eos or None,
            "pad_token_id": self.pad_id,
            "use_cache": True,
        }
        if self.rope.kind != "default":
            config["rope_scaling"] = {k: v for k, v in config["rope_parameters"].items() if k != "rope_theta"}
        if self.family != "qwen2":
            config["attention_bias"] = self.qkv_bias
        return config


def from_hf(raw: Mapping[str, Any], where: str = "config.json") -> ModelConfig:
    """Read a parsed `config.json`.

    Raises:
        ValueError: an architecture or feature that the decoder does not have, or a missing field, named with `where`.
    """
    architecture = (raw.get("architectures") or ["none"])[0]
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"{where}: architecture {architecture!r} is not supported; Ponder loads {', '.join(sorted(ARCHITECTURES))}"
        )
    family = ARCHITECTURES[architecture]

    def need(key: str) -> Any:
        if raw.get(key) is None:
            raise ValueError(f"{where}: the field {key!r} is missing")
        return raw[key]

    _refuse_unsupported(raw, where)
    hidden_size, num_heads = int(need("hidden_size")), int(need("num_attention_heads"))
    default_head_dim = 128 if family == "qwen3" else hidden_size // num_heads
    attention_bias = bool(raw.get("attention_bias", False))
    eos = raw.get("eos_token_id")
    return ModelConfig(
        family=family,
        vocab_size=int(need("vocab_size")),
        hidden_size=hidden_size,
        intermediate_size=int(need("intermediate_size")),
        num_layers=int(need("num_hidden_layers")),
        num_heads=num_heads,
        num_kv_heads=int(raw.get("num_key_value_heads") or num_heads),
        head_dim=int(raw.get("head_dim") or default_head_dim),
        qkv_bias=family == "qwen2" or attention_bias,
        output_bias=family != "qwen2" and attention_bias,
        qk_norm=family == "qwen3",
        tie_embeddings=bool(raw.get("tie_word_embeddings", False)),
        rms_norm_eps=float(raw.get("rms_norm_eps", 1e-6)),
        max_positions=int(need("max_position_embeddings")),
        rope=_rope_from_hf(raw, where),
        dtype=str(raw.get("dtype") or raw.get("torch_dtype") or "float32").removeprefix("torch."),
        bos_id=raw.get("bos_token_id"),
        eos_ids=tuple(eos) if isinstance(eos, list) else () if eos is None else (int(eos),),
        pad_id=raw.get("pad_token_id"),
    )


def load_config(directory: Path) -> ModelConfig:
    path = Path(directory) / "config.json"
    if not path.is_file():
        raise ValueError(f"{directory} is not a model: it has no config.json")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(raw, dict):
        raise ValueError(f"{path} must hold a JSON object")
    return from_hf(raw, str(path))


def load_preset(name: str) -> ModelConfig:
    if name not in PRESETS:
        raise ValueError(f"no preset named {name!r}; there are: {', '.join(PRESETS)}")
    text = resources.files("ponder.model").joinpath("presets", f"{name}.json").read_text(encoding="utf-8")
    return from_hf(json.loads(text), f"preset {name}")


def _refuse_unsupported(raw: Mapping[str, Any], where: str) -> None:
    if raw.get("hidden_act", "silu") != "silu":
        raise ValueError(f"{where}: hidden_act {raw['hidden_act']!r} is not supported, only 'silu'")
    if raw.get("mlp_bias"):
        raise ValueError(f"{where}: mlp_bias is not supported")
    layers = raw.get("layer_types") or []
    if (raw.get("use_sliding_window") and raw.get("sliding_window")) or "sliding_attention" in layers:
        raise ValueError(f"{where}: sliding-window attention is not supported; set use_sliding_window to false")
    if raw.get("quantization_config"):
        raise ValueError(f"{where}: quantised checkpoints are not supported; load the original weights")


def _rope_from_hf(raw: Mapping[str, Any], where: str) -> RopeConfig:
    """`rope_parameters` (transformers 5) holds theta and scaling; before it, `rope_theta` and `rope_scaling`."""
    spec = dict(raw.get("rope_parameters") or raw.get("rope_scaling") or {})
    theta = float(spec.get("rope_theta") or raw.get("rope_theta") or 10_000.0)
    kind = spec.get("rope_type") or spec.get("type") or "default"
    if kind == "default":
        return RopeConfig(theta=theta)
    if kind not in ("yarn", "llama3"):
        raise ValueError(f"{where}: RoPE scaling {kind!r} is not supported; Ponder has default, yarn and llama3")
    original = int(spec.get("original_max_position_embeddings") or raw["max_position_embeddings"])
    factor = spec.get("factor")
    if factor is None and kind == "llama3":
        raise ValueError(f"{where}: llama3 RoPE scaling needs a factor")
    return RopeConfig(
        theta=theta,
        kind=kind,
        factor=float(factor if factor is not None else raw["max_position_embeddings"] / original),
        original_max_positions=original,
        attention_factor=spec.get("attention_factor"),
        beta_fast=float(spec.get("beta_fast") or 32.0),
        beta_slow=float(spec.get("beta_slow") or 1.0),
        mscale=spec.get("mscale"),
        mscale_all_dim=spec.get("mscale_all_dim"),
        truncate=bool(spec.get("truncate", True)),
        low_freq_factor=float(spec.get("low_freq_factor", 1.0)),
        high_freq_factor=float(spec.get("high_freq_factor", 4.0)),
    )


def _rope_to_hf(rope: RopeConfig) -> dict[str, Any]:
    spec: dict[str, Any] = {"rope_theta": rope.theta, "rope_type": rope.kind}
    if rope.kind == "default":
        return spec
    spec |= {"factor": rope.factor, "original_max_position_embeddings": rope.original_max_positions}
    if rope.kind == "llama3":
        return spec | {"low_freq_factor": rope.low_freq_factor, "high_freq_factor": rope.high_freq_factor}
    spec |= {"beta_fast": rope.beta_fast, "beta_slow": rope.beta_slow, "truncate": rope.truncate}
    optional = {k: getattr(rope, k) for k in ("attention_factor", "mscale", "mscale_all_dim")}
    return spec | {k: v for k, v in optional.items() if v is not None}
