"""The weights that an optimizer updates, and the decoder that computes with them (law 1).

In float32 the two are one. In mixed precision (Micikevicius et al. 2017, arXiv:1710.03740) the optimizer holds float32 master
weights, since an update of RL is often smaller than half a step of bfloat16, and writes the one bfloat16 copy, which learner
and sampler both read. With LoRA only the adapters have masters; the base is there once, in the decoder's dtype.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ponder.model.decoder import Decoder, build_empty
from ponder.model.lora import is_adapter
from ponder.model.shared import flat_size, flat_views

PIECE = 2**17  # elements of a gradient that are added at a time


class MasterWeights:
    """
    Attributes:
        decoder: what learner and sampler compute with
        masters: {name: the parameter that is learned, float32}; in float32 the decoder's own
        base: of adapters, the directory of the model that they are put on
    """

    def __init__(self, decoder: Decoder, masters: dict[str, nn.Parameter], base: Path | None = None):
        self.decoder, self.masters, self.base = decoder, masters, base

    @classmethod
    def of(cls, decoder: Decoder, dtype: torch.dtype = torch.float32) -> "MasterWeights":
        """All weights are learned.

        Args:
            decoder: float32. Its parameters become the masters
            dtype: what is computed in
        """
        assert decoder.dtype == torch.float32 and decoder.config.lora is None
        if dtype == torch.float32:
            return cls(decoder, dict(decoder.named_parameters()))
        masters = {name: nn.Parameter(p.detach()) for name, p in decoder.named_parameters()}
        computing = build_empty(decoder.config).to(dtype).to_empty(device=decoder.device)
        weights = cls(computing, masters)
        weights.publish()
        return weights

    @classmethod
    def of_adapters(cls, decoder: Decoder, exact: dict[str, Tensor], base: Path | None = None) -> "MasterWeights":
        """The adapters alone are learned.

        Args:
            decoder: with adapters (`config.lora`), in the dtype that is computed in
            exact: {name: the adapters' values, float32}
        """
        own = dict(decoder.named_parameters())
        assert set(exact) == {name for name in own if is_adapter(name)} and exact
        if decoder.dtype == torch.float32:
            return cls(decoder, {name: own[name] for name in exact}, base)
        return cls(decoder, {name: nn.Parameter(value) for name, value in exact.items()}, base)

    @property
    def apart(self) -> bool:
        """Whether the masters lie beside the decoder's own weights."""
        return self.decoder.dtype != torch.float32

    def parameters(self) -> dict[str, Tensor]:
        """{name: value} of the whole decoder, as exact as there is."""
        return dict(self.decoder.named_parameters()) | self.masters

    @torch.no_grad()
    def publish(self) -> None:
        """The decoder computes with the masters as they are now."""
        if self.apart:
            for parameter, master in zip(trained(self.decoder), self.masters.values(), strict=True):
                parameter.copy_(master)


def trained(decoder: Decoder) -> list[nn.Parameter]:
    """The decoder's parameters that are learned, in their order: its adapters, where it has some, else all."""
    if decoder.config.lora is None:
        return list(decoder.parameters())
    return [parameter for name, parameter in decoder.named_parameters() if is_adapter(name)]


def collect_gradients(parameters: Sequence[nn.Parameter], flat: Tensor | None = None) -> Tensor:
    """From now on a backward pass adds the gradients of some parameters to `flat` # [elements], float32 (zeros where it is not
    given). Those of bfloat16 parameters are added as they come and kept no longer: micro-batches add up in float32."""
    if flat is None:
        flat = torch.zeros(flat_size(parameters), device=parameters[0].device)
    for parameter, view in zip(parameters, flat_views(parameters, flat), strict=True):
        parameter.requires_grad_(True)
        if parameter.dtype == torch.float32:
            parameter.grad = view
        else:
            _add_as_they_come(parameter, view)
    return flat


def _add_as_they_come(parameter: nn.Parameter, view: Tensor) -> None:
    if (before := getattr(parameter, "gradient_hook", None)) is not None:  # of a stage before this
        before.remove()

    # torch makes a float32 copy of what is added, which stays in a CPU's cache where it is small.
    piece = PIECE if parameter.device.type == "cpu" else parameter.numel()

    def add(parameter: Tensor) -> None:
        for ours, new in zip(view.flatten().split(piece), parameter.grad.flatten().split(piece), strict=True):
            ours.add_(new)
        parameter.grad = None

    parameter.gradient_hook = parameter.register_post_accumulate_grad_hook(add)
