"""Weights laid out for the processor's matrix kernels (prepacked, by oneDNN), once instead of at every product. On Zen 4 that
is 1.2 to 1.8 times as fast, the more the fewer rows there are.

Serving packs in place (`pack`): the weights do not change, and are given up for their packed form, so that nothing is held twice but
a table of embeddings that is the output matrix, too. Training samples through a `PackedView`, whose matrices are laid out anew
when the learner's have changed.
"""

import torch
from torch import Tensor, nn

from ponder.model.decoder import Block, Decoder, build_empty
from ponder.model.lora import Projection

# Rows that a layout is chosen for; it serves any number.
PACKED_FOR = 64
LEAST_ROWS = 4  # fewer take longer than four
# Parameters from which packing pays in training (the weights of smaller models stay in the processor's caches), and bytes of weights
# up to which each sampling process may have a copy of its own.
LEAST_PARAMETERS, MOST_BYTES = 2_000_000, 2**30


def can_pack(decoder: Decoder) -> bool:
    """On CPUs for which torch has oneDNN, in float32, and in bfloat16 where the processor computes with it."""
    if decoder.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if not hasattr(torch.ops.mkldnn, "_reorder_linear_weight"):
        return False
    return decoder.dtype == torch.float32 or (
        decoder.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


class PackedLinear(nn.Module):
    """x # [rows, inputs] -> x W^T + b # [rows, outputs], with an adapter beside it where there was one."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, adapter: nn.Module | None = None):
        super().__init__()
        self.bias, self.adapter = bias, adapter
        self.lay_out(weight)

    def lay_out(self, weight: Tensor) -> None:
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), PACKED_FOR)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
        return out if self.adapter is None else self.adapter(x, out)


@torch.inference_mode()
def pack(decoder: Decoder) -> Decoder:
    """The same decoder, in place; it can only be sampled from now on. Where this processor has no such kernels nothing
    happens."""
    if not can_pack(decoder):
        return decoder
    head = decoder.head
    decoder.packed_head = PackedLinear(head.weight)
    decoder.lm_head = None
    for layer in decoder.layers:
        for part, name in _projections(layer):
            linear: Projection = getattr(part, name)
            setattr(part, name, PackedLinear(linear.weight, linear.bias, linear.adapter))
    return decoder


def packs_for_training(decoder: Decoder) -> bool:
    """Whether sampling processes take a packed copy of its matrices: a matter of the model and of the processor alone, so that
    a run's numbers do not depend on how many there are."""
    parameters = sum(parameter.numel() for parameter in decoder.parameters())
    return can_pack(decoder) and parameters >= LEAST_PARAMETERS and parameters * decoder.dtype.itemsize <= MOST_BYTES


class PackedView:
    """A decoder to sample from: norms, biases, embeddings and adapters are `decoder`'s own, where they lie; its matrices are a
    packed copy. With adapters the matrices never change, and are laid out once.

    Attributes:
        decoder: to be sampled from, after `refresh`
    """

    @torch.inference_mode()
    def __init__(self, decoder: Decoder):
        self.decoder = build_empty(decoder.config).eval()
        self.frozen = decoder.config.lora is not None
        self.decoder.embed, self.decoder.norm, self.decoder.rotary = decoder.embed, decoder.norm, decoder.rotary
        head = decoder.head
        self.decoder.lm_head, self.decoder.packed_head = None, PackedLinear(head.weight)
        self.copies: list[tuple[PackedLinear, nn.Module]] = [(self.decoder.packed_head, head)]
        for layer, own in zip(self.decoder.layers, decoder.layers, strict=True):
            layer.input_norm, layer.post_norm = own.input_norm, own.post_norm
            layer.attention.q_norm, layer.attention.k_norm = own.attention.q_norm, own.attention.k_norm
            for (part, name), (source, _) in zip(_projections(layer), _projections(own), strict=True):
                linear: Projection = getattr(source, name)
                packed = PackedLinear(linear.weight, linear.bias, linear.adapter)
                setattr(part, name, packed)
                self.copies.append((packed, linear))

    @torch.inference_mode()
    def refresh(self) -> None:
        """Lay the matrices out as they are now."""
        if not self.frozen:
            for packed, linear in self.copies:
                packed.lay_out(linear.weight)


def _projections(layer: Block) -> list[tuple[nn.Module, str]]:
    attention, mlp = layer.attention, layer.mlp
    return [(attention, "qkv_proj"), (attention, "o_proj"), (mlp, "gate_up_proj"), (mlp, "down_proj")]
