"""What a GPU does: decoding against the limit of its memory's bandwidth, and one RL step of a 7B and a 32B model with LoRA,
its update against the GPU's own matrix products.

    python benchmarks/gpu.py [--rows decode-7b step-7b decode-32b step-32b]
    python benchmarks/gpu.py --small          # tiny shapes on any device, to see that the script works

Weights are random, made on the device in bfloat16; the shapes are Qwen2.5-7B's and QwQ-32B's. Decoding: prompts of 128 tokens,
128 more of each, of which the last 96 are timed; a step cannot be faster than reading every weight that it uses, and the
keys and values so far, once. RL step: 8 prompts of 128 tokens x 8 samples x 256 tokens, LoRA of rank 16 on all matrices, the second
of two. Model FLOPs of the update: 4 for each weight of a matrix and each token computed (forward, and the gradient of its
input: the base itself has none), and attention's likewise; work that is done again to save memory is not counted.
Both limits are measured here, in the same run. A row that needs more memory than there is is left out, with the figures.
"""

import argparse
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from headline import headline
from models import qwen2
from rich.console import Console
from rich.table import Table
from rl_step import GROUP, Step

from ponder.engine.build import SamplingEngine
from ponder.engine.kernels import LENGTH_BUCKET, ROW_TILE, round_up
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, rl_sampling
from ponder.model.attention import attends_as_rows
from ponder.model.config import LoraConfig, ModelConfig, load_preset
from ponder.model.decoder import Decoder, build_empty
from ponder.model.lora import initialise_adapters
from ponder.recipe.schema import EngineSettings
from ponder.recipe.stages import Optimizer
from ponder.training.learner import Learner
from ponder.training.master import MasterWeights
from ponder.training.precision import free_memory, training_bytes
from ponder.training.scoring import KEPT, LOGITS_AT_ONCE, activation_bytes

BFLOAT16 = torch.bfloat16
TOKEN_BUDGET = 8192  # of a micro-batch
SPARE = 1.15  # of what is counted: fragments, and what kernels need beside it


@dataclass(frozen=True)
class Sizes:
    """How much is measured; `--small` has tiny ones."""

    models: dict[str, ModelConfig]
    batches: tuple[int, ...] = (1, 64)
    prompt: int = 128
    decoded: int = 128
    timed: int = 96
    prompts: int = 8
    answer: int = 256
    rank: int = 16
    copied: int = 2**31  # bytes
    product: tuple[int, int, int] = (8192, 8192, 8192)


FULL = Sizes(
    {
        "7b": replace(qwen2(152_064, 3584, 18_944, 28, 28, 4), max_positions=32_768, dtype="bfloat16"),
        "32b": load_preset("qwq-32b"),
    }
)
TINY = {"7b": qwen2(512, 64, 128, 2, 4, 2), "32b": qwen2(512, 64, 192, 3, 4, 2)}
SMALL = Sizes(TINY, (1, 3), 8, 8, 4, 2, 8, 2, 2**20, (64, 64, 64))


# ---- limits of this GPU ----


def copy_rate(device: torch.device, size: int) -> float:
    """Bytes read and written a second by copying `size` bytes, the best of ten."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / fastest(lambda: target.copy_(source), device)


def product_rate(device: torch.device, shape: tuple[int, int, int]) -> float:
    """FLOP/s of a bfloat16 matrix product, the best of ten."""
    rows, inner, columns = shape
    a = torch.randn(rows, inner, device=device, dtype=BFLOAT16)
    b = torch.randn(inner, columns, device=device, dtype=BFLOAT16)
    return 2 * rows * inner * columns / fastest(lambda: a @ b, device)


def fastest(work: Callable[[], object], device: torch.device, runs: int = 10) -> float:
    best = float("inf")
    for _ in range(runs + 2):  # the first ones choose kernels
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        best = min(best, time.perf_counter() - began)
    return best


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_gb(device: torch.device) -> float | None:
    return torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else None


# ---- what is measured ----


def random_decoder(config: ModelConfig, device: torch.device, seed: int = 0) -> Decoder:
    """As `build_random` in spirit, but made where it stays, in bfloat16: a 32B model in float32 would be 131 GB."""
    decoder = build_empty(config).to(BFLOAT16).to_empty(device=device).requires_grad_(False)
    generator = torch.Generator(device).manual_seed(seed)
    for name, parameter in decoder.named_parameters():
        if parameter.dim() == 2:
            parameter.normal_(0, parameter.shape[1] ** -0.5, generator=generator)
        else:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    return decoder


def prompts_of(config: ModelConfig, count: int, length: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, config.vocab_size - 1, (count, length), generator=generator).tolist()


def read_bytes(decoder: Decoder, batch: int, cached: float) -> float:
    """What one decoding step has to read: every weight but rows of the embeddings, and keys and values of `cached` tokens of
    each sequence."""
    weights = sum(p.numel() for p in decoder.parameters())
    if decoder.lm_head is not None:
        weights -= decoder.embed.weight.numel()
    return decoder.dtype.itemsize * (weights + batch * cached * cache_elements(decoder.config))


def cache_elements(config: ModelConfig) -> int:
    """Of one token's keys and values."""
    return 2 * config.num_layers * config.num_kv_heads * config.head_dim


def decode(decoder: Decoder, batch: int, sizes: Sizes) -> tuple[float, float]:
    """Tokens a second while all of a batch is decoded, and bytes that a step has to read on average."""
    engine = LocalEngine(decoder, max_rows=max(sizes.batches))
    params = rl_sampling(sizes.decoded, frozenset())
    prompts = prompts_of(decoder.config, batch, sizes.prompt)
    engine.submit([Request(i, tuple(prompt), params, i) for i, prompt in enumerate(prompts)])
    while engine.waiting or len(engine.running[0].completion.ids) < sizes.decoded - sizes.timed:
        engine.step()  # prompts, and what kernels are chosen for
    wait(decoder.device)
    first, began = len(engine.running[0].completion.ids), time.perf_counter()
    for _ in range(sizes.timed - 1):
        engine.step()
    seconds = time.perf_counter() - began  # every step ends with its tokens on the host
    cached = sizes.prompt + first + (sizes.timed - 1) / 2
    engine.close()
    return batch * (sizes.timed - 1) / seconds, read_bytes(decoder, batch, cached)


class LoraStep(Step):
    """The step of benchmarks/rl_step.py with adapters that learn, beside a base in bfloat16."""

    def __init__(self, decoder: Decoder, prompts: list[list[int]], tokens: int):
        exact = initialise_adapters(decoder, 0)
        weights = MasterWeights.of_adapters(decoder, exact)
        self.engine = SamplingEngine(weights.decoder, EngineSettings(max_rows=512, workers=0))
        self.learner = Learner(weights, Optimizer(lr=1e-6), 100, TOKEN_BUDGET)
        self.replicas, self.prompts, self.tokens, self.number, self.mixed = None, prompts, tokens, 0, None


def update_flops(config: ModelConfig, sizes: Sizes) -> float:
    """Of the model, as this script's first lines count them; what the adapters add (under 1%) is not counted."""
    groups, answers = sizes.prompts, sizes.prompts * GROUP
    tokens = groups * sizes.prompt + answers * sizes.answer  # a prompt once for its group
    pairs = groups * sizes.prompt**2 / 2 + answers * (sizes.answer * sizes.prompt + sizes.answer**2 / 2)
    attended = config.num_layers * config.num_heads * config.head_dim * pairs
    head = answers * sizes.answer * config.vocab_size * config.hidden_size
    # Attention: two products forward and four back, of 2 FLOPs each.
    return 4 * (tokens * layer_weights(config) + head) + 12 * attended


def layer_weights(config: ModelConfig) -> int:
    """Weights in the matrices of all layers."""
    q, kv = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    return config.num_layers * config.hidden_size * (2 * q + 2 * kv + 3 * config.intermediate_size)


# ---- memory, from arithmetic, before anything is made ----


def decode_memory(config: ModelConfig, sizes: Sizes) -> float:
    """Bytes: weights, keys and values in whole tiles of rows, half more while they grow, and the logits' probabilities."""
    weights = sum(p.numel() for p in build_empty(config).parameters()) * BFLOAT16.itemsize
    rows = round_up(max(sizes.batches), ROW_TILE)
    return weights + cache_bytes(config, rows, sizes.prompt + sizes.decoded) + 6 * 4 * rows * config.vocab_size


def cache_bytes(config: ModelConfig, rows: int, length: int) -> float:
    return 1.5 * BFLOAT16.itemsize * rows * round_up(length, LENGTH_BUCKET) * cache_elements(config)


def step_memory(config: ModelConfig, sizes: Sizes) -> float:
    """Bytes, with layers computed again: `config` has its adapters. Sampling and update do not overlap; the larger counts."""
    fixed = training_bytes(config, BFLOAT16)
    width = sizes.prompt + sizes.answer
    sampling = cache_bytes(config, sizes.prompts * GROUP, width)
    weights_kept = 0 if attends_as_rows(sizes.prompt, sizes.answer) else width
    one_layer = 3 * activation_bytes(replace(config, num_layers=1), TOKEN_BUDGET, weights_kept, BFLOAT16)
    kept = 2 * TOKEN_BUDGET * config.hidden_size * config.num_layers
    logits = 4 * LOGITS_AT_ONCE * 4 + 2 * KEPT
    return fixed + max(sampling, one_layer + kept + logits)


# ---- tables ----


def decode_row(table: Table, name: str, device: torch.device, sizes: Sizes, bandwidth: float) -> None:
    config = sizes.models[name]
    fits, said = room(decode_memory(config, sizes), device)
    if not fits:
        table.add_row(name, "-", said, *["-"] * 4)
        return
    decoder = random_decoder(config, device)
    for batch in sizes.batches:
        reset_peak(device)
        rate, size = decode(decoder, batch, sizes)
        limit = batch * bandwidth / size
        share = f"{100 * rate / limit:.0f}%"
        table.add_row(name, str(batch), said, f"{rate:,.0f}", f"{limit:,.0f}", share, shown(peak_gb(device)))


def step_row(table: Table, name: str, device: torch.device, sizes: Sizes, products: float) -> None:
    config = replace(sizes.models[name], lora=LoraConfig(sizes.rank, 2.0 * sizes.rank))
    fits, said = room(step_memory(config, sizes), device)
    if not fits:
        table.add_row(name, said, *["-"] * 6)
        return
    decoder = random_decoder(config, device)
    step = LoraStep(decoder, prompts_of(config, sizes.prompts, sizes.prompt), sizes.answer)
    reset_peak(device)
    parts = step.best(1)
    step.close()
    flops = update_flops(config, sizes) / parts["learn"]
    sampled = sizes.prompts * GROUP * sizes.answer / parts["sample"]
    cells = [f"{parts['step']:.2f}", f"{parts['sample']:.2f} s", f"{parts['learn']:.2f} s", f"{sampled:,.0f}"]
    table.add_row(name, said, *cells, f"{100 * flops / products:.0f}%", shown(peak_gb(device)))


def room(needed: float, device: torch.device) -> tuple[bool, str]:
    """Whether so many bytes fit, and how to say it."""
    gc.collect()
    needed, there = SPARE * needed, free_memory(device.type)
    if needed > there:
        return False, f"left out: needs {needed / 1e9:.1f} GB, {there / 1e9:.1f} GB are free"
    return True, f"{needed / 1e9:.1f}"


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def shown(gb: float | None) -> str:
    return "-" if gb is None else f"{gb:.1f}"


def table_of(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column == "model" else "right")
    return table


ROWS = ("decode-7b", "step-7b", "decode-32b", "step-32b")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="tiny shapes on any device: the figures mean nothing")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    arguments = parser.parse_args()
    console = Console(width=120)
    if not arguments.small and not torch.cuda.is_available():
        console.print("torch sees no GPU here, so nothing was measured; --small shows that the script works.")
        return
    sizes = SMALL if arguments.small else FULL
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    console.print(headline(torch.cuda.get_device_name() if device.type == "cuda" else "no GPU"))
    bandwidth, products = copy_rate(device, sizes.copied), product_rate(device, sizes.product)
    console.print(f"copies: {bandwidth / 1e9:,.1f} GB/s; bfloat16 products: {products / 1e12:,.3f} TFLOP/s")
    decoding = table_of("decoding", "model", "batch", "GB needed", "tokens/s", "limit", "of the limit", "peak GB")
    steps = table_of(
        f"one RL step with LoRA, {sizes.prompts * GROUP} samples x {sizes.answer} tokens",
        *("model", "GB needed", "s/step", "sampling", "update", "tokens/s sampled", "update's MFU", "peak GB"),
    )
    for row in arguments.rows:
        kind, _, name = row.partition("-")
        began = time.perf_counter()
        try:
            if kind == "decode":
                decode_row(decoding, name, device, sizes, bandwidth)
            else:
                step_row(steps, name, device, sizes, products)
        except torch.OutOfMemoryError as error:  # what the other rows found is shown all the same
            console.print(f"{row}: the arithmetic was wrong: {str(error).splitlines()[0]}")
        console.print(f"{row}: {time.perf_counter() - began:.0f} s")
    console.print(decoding)
    console.print(steps)


if __name__ == "__main__":
    main()
