"""Low-rank adaptation (LoRA, Hu et al. 2021, arXiv:2106.09685): what is learned is beside a matrix, and small.

A projection's output is x W^T + scale * (x A^T) B^T, with A # [rank, inputs], B # [outputs, rank], scale = alpha / rank. Our
projections hold several of Hugging Face's in one matrix (q, k, v; gate, up), so that an `Adapter` has an A and a B for each of
these that is adapted.
"""

import functools
import hashlib
import itertools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ponder.model.config import LoraConfig, ModelConfig

# {our projection: Hugging Face's modules in it, in the order of its rows}
MODULES = {
    "attention.qkv_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.o_proj": ("self_attn.o_proj",),
    "mlp.gate_up_proj": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down_proj": ("mlp.down_proj",),
}


class Adapter(nn.Module):
    """What is added to the output of one projection.

    Args:
        rows: {name of each of the modules in the projection: how many of its rows are that module's}, in their order
    """

    def __init__(self, lora: LoraConfig, rows: Mapping[str, int], inputs: int):
        super().__init__()
        self.rows, self.rank, self.scale = dict(rows), lora.rank, lora.scale
        self.names = [name for name in rows if name in lora.targets]
        self.a = nn.Parameter(torch.zeros(len(self.names) * lora.rank, inputs))  # one A under the other
        self.b = nn.ParameterDict({name: nn.Parameter(torch.zeros(rows[name], lora.rank)) for name in self.names})

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """x # [tokens, inputs], out # [tokens, outputs] -> out and what is learned # [tokens, outputs]"""
        low = dict(zip(self.names, (x @ self.a.T).mul(self.scale).split(self.rank, dim=-1), strict=True))
        parts = [
            low[name] @ self.b[name].T if name in low else out.new_zeros(len(out), rows)
            for name, rows in self.rows.items()
        ]
        return out + (parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1))


class Projection(nn.Linear):
    """A matrix of the decoder, with an adapter beside it where its config has one."""

    def __init__(self, inputs: int, rows: Mapping[str, int], bias: bool, lora: LoraConfig | None):
        super().__init__(inputs, sum(rows.values()), bias=bias)
        adapted = lora is not None and any(name in lora.targets for name in rows)
        self.adapter = Adapter(lora, rows, inputs) if adapted else None

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return out if self.adapter is None else self.adapter(x, out)


def adapted_modules(config: ModelConfig) -> dict[str, Callable[[Mapping[str, Tensor]], tuple[Tensor, Tensor]]]:
    """{Hugging Face's name of each adapted module, such as "model.layers.0.self_attn.q_proj": from the decoder's parameters by
    name to its A # [rank, inputs] and B # [outputs, rank], views}"""
    assert config.lora is not None
    found = {}
    for layer, (projection, modules) in itertools.product(range(config.num_layers), MODULES.items()):
        names = [name for name in modules if name.rpartition(".")[2] in config.lora.targets]
        for index, name in enumerate(names):
            place = f"layers.{layer}.{projection}.adapter"
            found[f"model.layers.{layer}.{name}"] = functools.partial(
                _parts, place, index, name.rpartition(".")[2], config.lora.rank
            )
    return found


def _parts(place: str, index: int, target: str, rank: int, parameters: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    return parameters[f"{place}.a"][index * rank : (index + 1) * rank], parameters[f"{place}.b.{target}"]


def is_adapter(name: str) -> bool:
    """Whether a parameter of the decoder, by its name, is of an adapter."""
    return ".adapter." in name


def initialise_adapters(decoder: nn.Module, seed: int) -> dict[str, Tensor]:
    """Adapters that change nothing yet: A uniform in +-1/sqrt(inputs), as peft begins it, and B zero.

    Returns:
        {parameter: its value, float32}, which the decoder has in its own dtype
    """
    generator, exact = torch.Generator().manual_seed(seed), {}
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if is_adapter(name):
                value = torch.zeros(parameter.shape)
                if name.endswith(".a"):
                    value.uniform_(-1, 1, generator=generator).mul_(parameter.shape[1] ** -0.5)
                exact[name] = value.to(parameter.device)
                parameter.copy_(value)
    return exact


def adapter_digest(parameters: Mapping[str, Tensor], dtype: torch.dtype) -> str:
    """A hash of the adapters among some parameters, as they are in `dtype`: equal where all bits are."""
    digest = hashlib.blake2b(digest_size=8)
    for name, parameter in parameters.items():
        if is_adapter(name):
            digest.update(parameter.detach().to("cpu", dtype).contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()
