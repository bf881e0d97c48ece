"""The shape of a decoder, read from and written to Hugging Face `config.json` in its old and new spellings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from ponder.model.directory import base_of, model_directory
from ponder.model.fields import Fields

Family = Literal["qwen2", "qwen3", "llama"]

ARCHITECTURES: dict[str, Family] = {
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "LlamaForCausalLM": "llama",
}
# A score in the place of the output matrix: reward models.
SCORING_ARCHITECTURES: dict[str, Family] = {
    name.replace("ForCausalLM", "ForSequenceClassification"): family for name, family in ARCHITECTURES.items()
}
PRESETS = ("qwq-32b",)
DTYPE_NAMES = ("float32", "bfloat16", "float16")
MOST_LAYERS = 10_000  # so that reading a config that lies costs little


@dataclass(frozen=True)
class RopeConfig:
    """Rotary position embedding (RoPE) and its scaling for long contexts. `kind` names the scaling; the other fields belong
    to one or both."""

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


LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters (model/lora.py): `targets` are Hugging Face's names of the matrices that have one."""

    rank: int
    alpha: float
    targets: tuple[str, ...] = LORA_TARGETS
    rank_stabilised: bool = False  # rsLoRA, Kalajdzievski 2023, arXiv:2312.03732

    @property
    def scale(self) -> float:
        return self.alpha / (self.rank**0.5 if self.rank_stabilised else self.rank)


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a decoder, in our names; `from_hf` and `to_hf` translate those of `config.json`.

    Attributes:
        vocab_size: rows of the embeddings; a tokenizer may have fewer tokens
        head_dim: of queries, keys and values alike; num_heads query heads share num_kv_heads heads of keys and values (GQA)
        qkv_bias, output_bias, qk_norm: what the families differ in (Qwen2, Llama's attention_bias, Qwen3)
        tie_embeddings: the output matrix (lm_head) is the embeddings
        max_positions: the context window in tokens
        dtype: of the weights in the checkpoint
        lora: the adapters that learn, while all else stays; not a part of `config.json`
        scores: a reward model: one number for a sequence (a sequence-classification head) in the place of the output matrix
    Raises:
        ValueError: numbers of heads that do not fit.
    """

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
    lora: LoraConfig | None = None
    scores: bool = False

    def __post_init__(self):
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_attention_heads ({self.num_heads}) must be a multiple of num_key_value_heads ({self.num_kv_heads})"
            )
        if self.head_dim % 2:
            raise ValueError(f"head_dim must be even for rotary embeddings, got {self.head_dim}")

    def to_hf(self) -> dict[str, Any]:
        """`config.json` that both transformers 4 and 5, and vLLM, read the same way."""
        named = SCORING_ARCHITECTURES if self.scores else ARCHITECTURES
        architecture = next(name for name, family in named.items() if family == self.family)
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
        if self.scores:
            config |= {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}  # transformers counts labels by these
        if self.rope.kind != "default":
            config["rope_scaling"] = {k: v for k, v in config["rope_parameters"].items() if k != "rope_theta"}
        if self.family != "qwen2":
            config["attention_bias"] = self.qkv_bias
        return config


def from_hf(raw: Mapping[str, Any], where: str = "config.json", scores: bool = False) -> ModelConfig:
    """Read a parsed `config.json`.

    Args:
        scores: whether a reward model is expected, or a model that writes
    Raises:
        ValueError: an architecture or feature that the decoder does not have, a missing field or one of another type,
            named with `where`; a reward model where none is expected, and the other way round.
    """
    fields = Fields(raw, where)
    architecture = (fields.texts("architectures") or ["none"])[0]
    family = _family(architecture, where, scores)
    if scores:
        _check_one_label(fields)
    _refuse_unsupported(fields)
    try:
        return replace(_read(fields, family), scores=scores)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(where) else f"{where}: {text}") from None


def _family(architecture: str, where: str, scores: bool) -> Family:
    wanted, other = (ARCHITECTURES, SCORING_ARCHITECTURES)[:: -1 if scores else 1]
    if architecture in wanted:
        return wanted[architecture]
    if architecture in other and scores:
        raise ValueError(
            f"{where}: {architecture} writes answers and has no head that scores them: a reward model is expected here "
            f"({', '.join(sorted(wanted))}). A stage of kind reward_model makes one of it"
        )
    if architecture in other:
        raise ValueError(
            f"{where}: {architecture} is a reward model: it scores answers and writes none, so it can be the `base` of a stage of "
            "kind reward_model, or judge answers (the verifier reward_model), and nothing else"
        )
    raise ValueError(
        f"{where}: architecture {architecture!r} is not supported; Ponder loads {', '.join(sorted(wanted))}"
    )


def _check_one_label(fields: Fields) -> None:
    """transformers counts labels by their names, and takes two where a config has none."""
    named = fields.raw.get("id2label")
    labels = len(named) if isinstance(named, dict) else fields.whole("num_labels", 2)
    if labels != 1:
        raise ValueError(
            f"{fields.where}: it has {labels} labels, and a reward model gives one score: this is a classifier of another kind"
        )


def _read(fields: Fields, family: Family) -> ModelConfig:
    hidden_size, num_heads = fields.whole("hidden_size"), fields.whole("num_attention_heads")
    attention_bias = fields.flag("attention_bias")
    return ModelConfig(
        family=family,
        vocab_size=fields.whole("vocab_size"),
        hidden_size=hidden_size,
        intermediate_size=fields.whole("intermediate_size"),
        num_layers=fields.whole("num_hidden_layers", most=MOST_LAYERS),
        num_heads=num_heads,
        num_kv_heads=fields.whole("num_key_value_heads", num_heads),
        head_dim=fields.whole("head_dim", 128 if family == "qwen3" else max(1, hidden_size // num_heads)),
        qkv_bias=family == "qwen2" or attention_bias,
        output_bias=family != "qwen2" and attention_bias,
        qk_norm=family == "qwen3",
        tie_embeddings=fields.flag("tie_word_embeddings"),
        rms_norm_eps=fields.number("rms_norm_eps", 1e-6),
        max_positions=fields.whole("max_position_embeddings"),
        rope=_rope_from_hf(fields),
        dtype=_dtype(fields),
        bos_id=fields.token_id("bos_token_id"),
        eos_ids=fields.token_ids("eos_token_id"),
        pad_id=fields.token_id("pad_token_id"),
    )


def load_config(directory: str | Path, scores: bool = False) -> ModelConfig:
    """The config of a checkpoint directory, or of an adapter's base; ValueError as `from_hf`, and where the directory holds no model."""
    raw, path = _read_config(directory)
    return from_hf(raw, str(path), scores)


def is_reward_model(directory: str | Path) -> bool:
    """Whether the checkpoint's architecture is one that scores; ValueError where the directory holds no model."""
    raw, path = _read_config(directory)
    return (Fields(raw, str(path)).texts("architectures") or ["none"])[0] in SCORING_ARCHITECTURES


def _read_config(directory: str | Path) -> tuple[dict[str, Any], Path]:
    directory = model_directory(directory)
    path = (base_of(directory) or directory) / "config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(raw, dict):
        raise ValueError(f"{path} must hold a JSON object")
    return raw, path


def load_preset(name: str) -> ModelConfig:
    if name not in PRESETS:
        raise ValueError(f"no preset named {name!r}; there are: {', '.join(PRESETS)}")
    text = resources.files("ponder.model").joinpath("presets", f"{name}.json").read_text(encoding="utf-8")
    return from_hf(json.loads(text), f"preset {name}")


def _refuse_unsupported(fields: Fields) -> None:
    where = fields.where
    if (activation := fields.text("hidden_act", "silu")) != "silu":
        raise ValueError(f"{where}: hidden_act {activation!r} is not supported, only 'silu'")
    if fields.flag("mlp_bias"):
        raise ValueError(f"{where}: mlp_bias is not supported")
    slides = fields.flag("use_sliding_window") and fields.has("sliding_window")
    if slides or "sliding_attention" in fields.texts("layer_types"):
        raise ValueError(f"{where}: sliding-window attention is not supported; set use_sliding_window to false")
    if fields.raw.get("quantization_config"):
        raise ValueError(f"{where}: quantised checkpoints are not supported; load the original weights")


def _dtype(fields: Fields) -> str:
    """transformers 5 writes `dtype`, before it `torch_dtype`; both spellings may say `torch.bfloat16`, too."""
    key = "dtype" if fields.has("dtype") else "torch_dtype"
    dtype = fields.text(key, "float32").removeprefix("torch.")
    if dtype not in DTYPE_NAMES:
        raise fields.refused(key, f"one of {', '.join(DTYPE_NAMES)}")
    return dtype


def _rope_from_hf(fields: Fields) -> RopeConfig:
    """`rope_parameters` (transformers 5) holds theta and scaling; before it, `rope_theta` and `rope_scaling`."""
    spec = fields.object("rope_parameters" if fields.raw.get("rope_parameters") else "rope_scaling")
    theta = spec.number("rope_theta", fields.number("rope_theta", 10_000.0))
    kind = spec.text("rope_type", spec.text("type", "default"))
    if not theta > 0:
        raise fields.refused("rope_theta", "above 0")
    if kind == "default":
        return RopeConfig(theta=theta)
    if kind not in ("yarn", "llama3"):
        raise ValueError(f"{fields.where}: RoPE scaling {kind!r} is not supported; Ponder has default, yarn and llama3")
    context = fields.whole("max_position_embeddings")
    original = spec.whole("original_max_position_embeddings", context)
    if not spec.has("factor") and kind == "llama3":
        raise ValueError(f"{fields.where}: llama3 RoPE scaling needs a factor")
    return RopeConfig(
        theta=theta,
        kind=kind,
        factor=spec.number("factor", context / original),
        original_max_positions=original,
        attention_factor=spec.number_or_none("attention_factor"),
        beta_fast=spec.number("beta_fast", 32.0),
        beta_slow=spec.number("beta_slow", 1.0),
        mscale=spec.number_or_none("mscale"),
        mscale_all_dim=spec.number_or_none("mscale_all_dim"),
        truncate=spec.flag("truncate", True),
        low_freq_factor=spec.number("low_freq_factor", 1.0),
        high_freq_factor=spec.number("high_freq_factor", 4.0),
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
