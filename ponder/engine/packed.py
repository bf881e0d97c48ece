"""Weights laid out for the processor's matrix kernels (prepacked, by oneDNN), once instead of at every product. On Zen 4 that
is 1.2 to 1.8 times as fast, the more the fewer rows there are.

For serving, where weights do not change: the matrices are given up for their packed form, so that nothing is held twice but a
table of embeddings that is the output matrix, too.
"""

import torch
from torch import Tensor, nn

from ponder.model.decoder import Decoder
from ponder.model.lora import Projection

# Rows that a layout is chosen for; it serves any number.
PACKED_FOR = 64
LEAST_ROWS = 4  # fewer take longer than four


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
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), PACKED_FOR)
        self.bias, self.adapter = bias, adapter

    def forward(self, x: Tensor) -> Tensor:
        out = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
        return out if self.adapter is None else self.adapter(x, out)


@torch.inference_mode()
def pack(decoder: Decoder) -> Decoder:
    """The same decoder, in place; it can only be sampled from now on. Where this processor has no such kernels nothing
    happens."""
    if not can_pack(decoder):
        return decoder
    head = decoder.embed if decoder.lm_head is None else decoder.lm_head
    decoder.packed_head = PackedLinear(head.weight)
    decoder.lm_head = None
    for layer in decoder.layers:
        for part, name in (
            (layer.attention, "qkv_proj"),
            (layer.attention, "o_proj"),
            (layer.mlp, "gate_up_proj"),
            (layer.mlp, "down_proj"),
        ):
            linear: Projection = getattr(part, name)
            setattr(part, name, PackedLinear(linear.weight, linear.bias, linear.adapter))
    return decoder
