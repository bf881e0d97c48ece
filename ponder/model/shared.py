"""Parameters in one flat piece of shared memory, so that several processes work on the same weights without a copy (no
weight sync between trainer and sampler)."""

from collections.abc import Sequence

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
        parameters = list(decoder.parameters())
        flat = torch.zeros(flat_size(parameters), dtype=decoder.dtype).share_memory_()
        for parameter, view in zip(parameters, flat_views(parameters, flat), strict=True):
            view.copy_(parameter.detach())
            parameter.data = view
        decoder.shared_memory = flat
    return flat


def attach_parameters(config: ModelConfig, flat: Tensor) -> Decoder:
    """A decoder whose parameters are views of `flat`, as laid out by `share_parameters`; they ask for no gradient."""
    decoder = build_empty(config)
    names, parameters = zip(*decoder.named_parameters(), strict=True)
    decoder.load_state_dict(dict(zip(names, flat_views(parameters, flat), strict=True)), assign=True)
    return decoder.requires_grad_(False)


def flat_size(parameters: Sequence[Tensor]) -> int:
    return sum(_room(p.numel()) for p in parameters)


def flat_views(parameters: Sequence[Tensor], flat: Tensor) -> list[Tensor]:
    """`flat` # [elements] cut into the shapes of some parameters, in their order."""
    views, start = [], 0
    for parameter in parameters:
        views.append(flat[start : start + parameter.numel()].view(parameter.shape))
        start += _room(parameter.numel())
    return views


def _room(elements: int) -> int:
    return -(-elements // _ALIGNMENT) * _ALIGNMENT
