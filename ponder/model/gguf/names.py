"""Names of tensors, here and in Hugging Face's files, and the order of the rows that llama.cpp turns by RoPE in pairs."""

import numpy as np

from ponder.model.config import ModelConfig
from ponder.model.weights import EMBEDDINGS, HEAD, checkpoint_layout

OUTSIDE = {EMBEDDINGS: "token_embd.weight", "model.norm.weight": "output_norm.weight", HEAD: "output.weight"}
IN_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
ROPE_FREQS = "rope_freqs.weight"


def gguf_name(name: str) -> str:
    """Of a tensor of a Hugging Face checkpoint: `model.layers.3.mlp.up_proj.weight` is `blk.3.ffn_up.weight`."""
    if name in OUTSIDE:
        return OUTSIDE[name]
    layer, _, rest = name.removeprefix("model.layers.").partition(".")
    part, _, ending = rest.rpartition(".")
    return f"blk.{layer}.{IN_LAYER[part]}.{ending}"


def layout(config: ModelConfig) -> dict[str, tuple[str, tuple[int, ...]]]:
    """By Hugging Face's name: GGUF's name and the shape, which is the same in both."""
    return {name: (gguf_name(name), place.shape) for name, place in checkpoint_layout(config).items()}


def is_paired(config: ModelConfig, name: str) -> bool:
    """Whether the rows of the tensor stand in another order in GGUF.

    RoPE turns numbers in pairs. Hugging Face pairs row i of a head with row i + head_dim / 2; so does llama.cpp for Qwen,
    but for Llama it pairs neighbours, as Meta's own files did.
    """
    return config.family == "llama" and any(f".{part}_proj." in name for part in ("q", "k"))


def to_pairs(rows: np.ndarray, head_dim: int) -> np.ndarray:
    """rows # [heads * head_dim, ...] of Hugging Face, in the order of GGUF's Llama."""
    return rows.reshape(-1, 2, head_dim // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def from_pairs(rows: np.ndarray, head_dim: int) -> np.ndarray:
    """The reverse of `to_pairs`."""
    return rows.reshape(-1, head_dim // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)
