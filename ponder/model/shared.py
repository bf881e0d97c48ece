"""Parameters in one flat piece of shared memory, so that several processes work on the same weights without a copy (no
weight sync between trainer and sampler)."""

import torch
from torch import Tensor

from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder, build_empty

_ALIGNMENT = 64  # elements; keeps every matrix on a cache line of its own


def share_parameters(decoder: Decoder) -> Tensor:
    """Move all parameters into shared memory, in place; the decoder works on as before. Again, it gives the same memory.

    Returns:
        # [elements], every parameter end to end
    """
    flat = getattr(decoder, "shared_memory", None)
    if flat is None:
        flat = torch.zeros(flat_size(decoder), dtype=decoder.dtype).share_memory_()
        for parameter, view in zip(decoder.parameters(), flat_views(decoder, flat), strict=True):
            view.copy_(parameter.detach())
            parameter.data = view
        decoder.shared_memory = flat
    return flat


def attach_parameters(config: ModelConfig, flat: Tensor) -> Decoder:
    """A decoder whose parameters are views of `flat`, as laid out by `share_parameters`; they ask for no gradient."""
    decoder = build_empty(config)
    names = [name for name, _ in decoder.named_parameters()]
    decoder.load_state_dict(dict(zip(names, flat_views(decoder, flat), strict=True)), assign=True)
    return decoder.requires_grad_(False)


def flat_gradients(decoder: Decoder, flat: Tensor | None = None) -> Tensor:
    """Give every parameter a gradient that is a view of `flat` # [elements] (zeros where it is not given)."""
    if flat is None:
        flat = torch.zeros(flat_size(decoder), dtype=decoder.dtype, device=decoder.device)
    for parameter, view in zip(decoder.parameters(), flat_views(decoder, flat), strict=True):
        parameter.grad = view
    return flat


def flat_size(decoder: Decoder) -> int:
    return sum(_room(p.numel()) for p in decoder.parameters())


def flat_views(decoder: Decoder, flat: Tensor) -> list[Tensor]:
    """`flat` cut into the shapes of the decoder's parameters, in their order."""
    views, start = [], 0
    for parameter in decoder.parameters():
        views.append(flat[start : start + parameter.numel()].view(parameter.shape))
        start += _room(parameter.numel())
    return views


def _room(elements: int) -> int:
    return -(-elements // _ALIGNMENT) * _ALIGNMENT
