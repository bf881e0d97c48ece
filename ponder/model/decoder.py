"""The one decoder, for training and for sampling (law 1): Qwen2, Qwen2.5, QwQ, Qwen3 and Llama.

It works on a flat stream of tokens. Which tokens see which is not its business: an `Attend` is handed in, and the
learner's packed sequences, a prompt's prefill and a decoding step over a KV cache are three of them. All else it does is
row by row: `tile` says how many rows (tokens) go through the kernels at a time (engine/invariance.py).
"""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ponder.model.config import ModelConfig
from ponder.model.lora import Projection
from ponder.model.rope import RotaryTable, rotate


class Attend(Protocol):
    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q # [tokens, heads, head_dim]; k, v # [tokens, kv_heads, head_dim] -> [tokens, heads * head_dim]"""
        ...


class RMSNorm(nn.Module):
    """Root mean square layer normalisation (Zhang & Sennrich 2019, arXiv:1910.07467)."""

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class Attention(nn.Module):
    """The projections of grouped-query attention (GQA, Ainslie et al. 2023, arXiv:2305.13245): several query heads share
    a head of keys and values. q, k and v come out of one matrix, in this order; Qwen2 gives it a bias, Qwen3 norms q and k
    (QK-norm). Attending itself is an `Attend`'s."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.num_heads, self.num_kv_heads, self.head_dim = config.num_heads, config.num_kv_heads, config.head_dim
        q_size, kv_size = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
        self.qkv_proj = Projection(
            config.hidden_size,
            {"q_proj": q_size, "k_proj": kv_size, "v_proj": kv_size},
            config.qkv_bias,
            config.lora,
        )
        self.o_proj = Projection(q_size, {"o_proj": config.hidden_size}, config.output_bias, config.lora)
        self.q_norm = RMSNorm(config.head_dim, config.rms_norm_eps) if config.qk_norm else None
        self.k_norm = RMSNorm(config.head_dim, config.rms_norm_eps) if config.qk_norm else None

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, ...]:
        """x # [tokens, hidden] -> q # [tokens, heads, head_dim]; k, v # [tokens, kv_heads, head_dim]"""
        qkv = self.qkv_proj(x).view(len(x), -1, self.head_dim)  # [tokens, heads + 2 * kv_heads, head_dim]
        qk, v = qkv[:, : -self.num_kv_heads], qkv[:, -self.num_kv_heads :]
        if self.q_norm is not None and self.k_norm is not None:
            q, k = qk.split((self.num_heads, self.num_kv_heads), dim=1)
            qk = torch.cat((self.q_norm(q), self.k_norm(k)), dim=1)
        q, k = rotate(qk, cos, sin).split((self.num_heads, self.num_kv_heads), dim=1)
        return q, k, v


class MLP(nn.Module):
    """SwiGLU (Shazeer 2020, arXiv:2002.05202); gate and up come out of one matrix, in this order."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.gate_up_proj = Projection(width, {"gate_proj": inner, "up_proj": inner}, False, config.lora)
        self.down_proj = Projection(inner, {"down_proj": width}, False, config.lora)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(swiglu(self.gate_up_proj(x)))


def swiglu(gate_up: Tensor) -> Tensor:
    """gate_up # [tokens, 2 * intermediate] -> [tokens, intermediate]"""
    if torch.is_grad_enabled() and gate_up.requires_grad:
        return _SwiGLU.apply(gate_up)
    gate, up = gate_up.chunk(2, dim=-1)
    return F.silu(gate) * up


class _SwiGLU(torch.autograd.Function):
    """What autograd would do, with nothing kept but the input, and its gradient written where it belongs."""

    @staticmethod
    def forward(ctx, gate_up: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (gate_up,) = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        out = torch.empty_like(gate_up)
        of_gate, of_up = out.chunk(2, dim=-1)
        torch.mul(grad, F.silu(gate), out=of_up)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=of_gate)
        return out


class Block(nn.Module):
    """One transformer layer with pre-norm: attention, then the MLP, each added to the residual stream."""

    def __init__(self, config: ModelConfig, layer: int):
        super().__init__()
        self.layer = layer
        self.input_norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.attention = Attention(config)
        self.post_norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        attend: Attend,
        tile: int | None = None,
        wanted: Tensor | None = None,
    ) -> Tensor:
        """wanted: # [rows], int64, whose outputs are computed and returned; None: all"""
        q, k, v = in_tiles(self.before, tile, x, cos, sin)
        attended = attend(self.layer, q, k, v)
        if wanted is not None:
            x, attended = x[wanted], attended[wanted]
        return in_tiles(self.after, tile, x, attended)

    def before(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, ...]:
        """What comes before tokens see each other: q, k, v."""
        return self.attention(self.input_norm(x), cos, sin)

    def after(self, x: Tensor, attended: Tensor) -> Tensor:
        """And after: attended # [tokens, heads * head_dim] -> [tokens, hidden]"""
        x = x + self.attention.o_proj(attended)
        return x + self.mlp(self.post_norm(x))


def in_tiles(rowwise: Callable, tile: int | None, *streams: Tensor):
    """`rowwise(*streams)`, computed `tile` rows at a time; None is all at once.

    Args:
        rowwise: from tensors # [rows, ...] to one such tensor, or several; no row of which depends on another
    """
    if tile is None or len(streams[0]) <= tile:
        return rowwise(*streams)
    parts = [rowwise(*rows) for rows in zip(*(stream.split(tile) for stream in streams), strict=True)]
    return torch.cat(parts) if isinstance(parts[0], Tensor) else tuple(map(torch.cat, zip(*parts, strict=True)))


class Decoder(nn.Module):
    """A decoder-only transformer (causal language model): token embeddings, layers, a last norm, and the output matrix
    (lm_head), which may be the embeddings themselves (tied). A reward model has a score instead (model/scoring.py).

    >>> decoder = build_random(config, seed=0)                                   # ponder.model.config.ModelConfig
    >>> hidden = decoder(ids, attend.positions, attend, attend.width)            # ponder.model.attention.PackedCausal
    >>> logits = decoder.logits(hidden)
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        tied = config.tie_embeddings or config.scores
        self.lm_head = None if tied else nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.score = nn.Linear(config.hidden_size, 1, bias=False) if config.scores else None  # of a reward model
        self.rotary = RotaryTable(config.rope, config.head_dim, config.max_positions)
        self.packed_head: nn.Module | None = None  # instead of the output matrix, where it is packed (engine/packed.py)

    def forward(
        self,
        ids: Tensor,
        positions: Tensor,
        attend: Attend,
        longest: int,
        factors: Tensor | None = None,
        tile: int | None = None,
        recompute: bool = False,
        wanted: Tensor | None = None,
    ) -> Tensor:
        """Hidden states after the last norm.

        Args:
            ids: # [tokens], int64
            positions: # [tokens], each token's place in its own sequence, counted from 0
            attend: which tokens see which
            longest: a bound on positions + 1, known on the host (so that nothing waits for the device)
            factors: # [tokens], int64, each token's YaRN factor by `rotary.index`; None where no sequence is scaled
            tile: rows that are computed at a time; None: all
            recompute: keep a layer's input alone for the backward pass, which computes the layer again (activation
                checkpointing, Chen et al. 2016, arXiv:1604.06174): a third more work, the same gradient
            wanted: # [rows], int64, places in the stream whose states are asked for; None: all. After the last layer's
                attention nothing else is computed
        Returns:
            # [tokens, hidden], or [rows, hidden]
        """
        x = self.embed(ids)
        cos, sin = self.rotary(positions, longest, x.dtype, factors)
        for layer in self.layers:
            own = wanted if layer is self.layers[-1] else None
            if recompute:
                x = checkpoint(layer, x, cos, sin, attend, tile, own, use_reentrant=False)
            else:
                x = layer(x, cos, sin, attend, tile, own)
        return in_tiles(self.norm, tile, x)

    def logits(self, hidden: Tensor, tile: int | None = None) -> Tensor:
        """hidden # [tokens, hidden] -> [tokens, vocab]"""
        if self.packed_head is not None:
            return in_tiles(self.packed_head, tile, hidden)
        return in_tiles(lambda rows: F.linear(rows, self.head.weight), tile, hidden)

    @property
    def head(self) -> nn.Embedding | nn.Linear:
        """What holds the output matrix # [vocab, hidden]."""
        return self.embed if self.lm_head is None else self.lm_head

    @property
    def device(self) -> torch.device:
        return self.embed.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embed.weight.dtype


def build_empty(config: ModelConfig) -> Decoder:
    """A decoder on the meta device: every shape, no memory."""
    with torch.device("meta"):
        return Decoder(config)


def build_random(config: ModelConfig, seed: int, device: str = "cpu") -> Decoder:
    """A newborn decoder: matrices normal(0, 1/sqrt(fan in)), those that write to the residual stream scaled by
    1/sqrt(2 * layers) as in GPT-2, embeddings normal(0, 1/sqrt(width)), zero biases."""
    with torch.device(device):
        decoder = Decoder(config)
    generator = torch.Generator(device).manual_seed(seed)
    residual_scale = (2 * config.num_layers) ** -0.5
    for name, parameter in decoder.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.dim() == 2:
            scale = residual_scale if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
            nn.init.normal_(parameter, std=scale * parameter.shape[1] ** -0.5, generator=generator)
    return decoder
