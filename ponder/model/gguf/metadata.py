"""The shape of a model in GGUF's metadata, both ways."""

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np

from ponder.model.config import MOST_LAYERS, Family, ModelConfig, RopeConfig
from ponder.model.fields import Fields
from ponder.model.gguf.container import Container, StoredTensor
from ponder.model.gguf.names import OUTSIDE, ROPE_FREQS
from ponder.model.gguf.rope import llama3_metadata, yarn_from_metadata, yarn_metadata
from ponder.model.weights import EMBEDDINGS, HEAD

FAMILIES: tuple[Family, ...] = get_args(Family)  # each has its own name in GGUF too


def metadata_fields(container: Container) -> Fields:
    """Numbers of single precision as they were meant: 1e-05, and not 9.999999747378752e-06."""
    plain = {key: _meant(value) for key, value in container.metadata.items()}
    return Fields(plain, str(container.path))


def config_from_metadata(fields: Fields, tensors: Mapping[str, StoredTensor]) -> ModelConfig:
    """The shape, without ids of tokens; scaling that lies in a tensor of its own is not looked at.

    Raises:
        ValueError: another architecture, something that the decoder does not have, a field that is missing or wrong.
    """
    family = _family(fields)
    _refuse_unsupported(fields, family)
    embeddings = tensors.get(OUTSIDE[EMBEDDINGS])
    if embeddings is None or len(embeddings.shape) != 2:
        raise ValueError(
            f"{fields.where} has no {OUTSIDE[EMBEDDINGS]}, so it is no whole model; take another file of it"
        )
    hidden, heads = fields.whole(f"{family}.embedding_length"), fields.whole(f"{family}.attention.head_count")
    head_dim = fields.whole(f"{family}.attention.key_length", max(1, hidden // heads))
    for other in ("attention.value_length", "rope.dimension_count"):
        if fields.whole(f"{family}.{other}", head_dim) != head_dim:
            raise fields.refused(f"{family}.{other}", f"the size of a head, {head_dim}")
    bias = family == "qwen2" or "blk.0.attn_q.bias" in tensors
    context = fields.whole(f"{family}.context_length")
    try:
        return ModelConfig(
            family=family,
            vocab_size=embeddings.shape[0],
            hidden_size=hidden,
            intermediate_size=fields.whole(f"{family}.feed_forward_length"),
            num_layers=fields.whole(f"{family}.block_count", most=MOST_LAYERS),
            num_heads=heads,
            num_kv_heads=fields.whole(f"{family}.attention.head_count_kv", heads),
            head_dim=head_dim,
            qkv_bias=bias,
            output_bias=bias and family != "qwen2",
            qk_norm=family == "qwen3",
            tie_embeddings=OUTSIDE[HEAD] not in tensors,
            rms_norm_eps=fields.number(f"{family}.attention.layer_norm_rms_epsilon"),
            max_positions=context,
            rope=_rope(fields, family, context),
        )
    except ValueError as error:
        raise ValueError(f"{fields.where}: {str(error).removeprefix(f'{fields.where}: ')}") from None


def metadata_from_config(config: ModelConfig, where: str) -> dict[str, Any]:
    """
    Args:
        where: of the config, for errors
    Raises:
        ValueError: a shape that llama.cpp's architecture of that name does not have.
    """
    if config.rope.kind == "llama3" and config.family != "llama":
        raise ValueError(f"{where}: llama3 RoPE scaling of a {config.family} model cannot be written as GGUF")
    if config.output_bias and config.family != "llama":
        raise ValueError(f"{where}: a bias of {config.family}'s attention output cannot be written as GGUF")
    values = {
        "context_length": config.max_positions,
        "embedding_length": config.hidden_size,
        "block_count": config.num_layers,
        "feed_forward_length": config.intermediate_size,
        "vocab_size": config.vocab_size,
        "attention.head_count": config.num_heads,
        "attention.head_count_kv": config.num_kv_heads,
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.dimension_count": config.head_dim,
        "rope.freq_base": config.rope.theta,
    }
    if config.rope.kind != "default":
        scaling = yarn_metadata(config.rope, where) if config.rope.kind == "yarn" else llama3_metadata(config.rope)
        values |= {f"rope.scaling.{key}": value for key, value in scaling.items()}
    return {"general.architecture": config.family} | {f"{config.family}.{key}": value for key, value in values.items()}


def _family(fields: Fields) -> Family:
    name = fields.text("general.architecture", "none")
    if name not in FAMILIES:
        raise ValueError(
            f"{fields.where}: architecture {name!r} is not supported; Ponder imports {', '.join(FAMILIES)}: take a file of "
            "one of these"
        )
    return name


def _refuse_unsupported(fields: Fields, family: Family) -> None:
    where = fields.where
    if fields.text("general.type", "model") != "model":
        raise ValueError(
            f"{where}: general.type is {fields.text('general.type')!r}, so it is no whole model; give the model's own file"
        )
    if fields.has("split.count") and fields.whole("split.count") > 1:
        raise ValueError(
            f"{where}: it is one of {fields.whole('split.count')} parts; join them with llama.cpp's "
            "`llama-gguf-split --merge`, and give the whole"
        )
    experts = fields.raw.get(f"{family}.expert_count")
    if experts is not None and not (isinstance(experts, int) and experts == 0):
        raise ValueError(f"{where}: a mixture of experts is not supported; take a dense model")
    if fields.has(f"{family}.attention.sliding_window"):
        raise ValueError(f"{where}: sliding-window attention is not supported; take a model without it")


def _rope(fields: Fields, family: Family, context: int) -> RopeConfig:
    theta = fields.number(f"{family}.rope.freq_base", 10_000.0)
    if not theta > 0:
        raise fields.refused(f"{family}.rope.freq_base", "above 0")
    prefix = f"{family}.rope.scaling."
    # Without a type llama.cpp takes it for linear, which a factor of 1 makes no scaling.
    factor = fields.number(f"{prefix}factor", fields.number(f"{family}.rope.scale_linear", 1.0))
    kind = fields.text(f"{prefix}type", "linear")
    if kind == "yarn":
        if not factor >= 1 or not fields.has(f"{prefix}factor"):
            raise fields.refused(f"{prefix}factor", "a number of at least 1")
        return yarn_from_metadata(theta, fields, prefix, context)
    if kind == "none" or (kind == "linear" and factor in (0, 1)):
        return RopeConfig(theta=theta)
    raise ValueError(
        f"{fields.where}: RoPE scaling {kind!r} is not supported; Ponder has yarn, and Llama 3's as {ROPE_FREQS}"
    )


def _meant(value: Any) -> Any:
    return float(str(np.float32(value))) if isinstance(value, float) else value
