"""int8 weights by torchao against packed bfloat16 weights, on a CPU: does a matrix product get faster?

    pip install torchao
    python benchmarks/int8_weights.py [--threads 2]

The matrices are those of a layer of Qwen2.5-Coder-0.5B, and its output matrix, as many copies as 200 MB hold, so that weights come from
memory as they do in a model. torchao's Int8WeightOnlyConfig is symmetric by output channel, eager and compiled. Each number is the best
of five.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from headline import headline
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from ponder.engine.packed import PackedLinear

SHAPES = {
    "qkv": (896, 1152),
    "o": (896, 896),
    "gate and up": (896, 9728),
    "down": (4864, 896),
    "output": (896, 151_936),
}
ROWS = (1, 8, 64)
BYTES = 200 * 10**6  # of bfloat16 weights that a measurement walks through


def best_s(products: Sequence[Callable[[Tensor], Tensor]], x: Tensor) -> float:
    """Seconds of one product."""
    with torch.inference_mode():
        for product in products[:2]:
            product(x)
        times = []
        for _ in range(5):
            started = time.perf_counter()
            for product in products:
                product(x)
            times.append(time.perf_counter() - started)
    return min(times) / len(products)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    print(headline("int8_weights.py"))
    table = Table(
        "matrix", "rows", "packed bfloat16, us", "int8, us", "int8 compiled, us", "bfloat16 / int8, the better"
    )
    torch.manual_seed(0)
    for name, (inputs, outputs) in SHAPES.items():
        count = max(1, BYTES // (2 * inputs * outputs))
        weights = [torch.randn(outputs, inputs, dtype=torch.bfloat16) * 0.02 for _ in range(count)]
        packed = [PackedLinear(weight) for weight in weights]
        eager: list[nn.Module] = []
        for weight in weights:
            linear = nn.Linear(inputs, outputs, bias=False, dtype=torch.bfloat16)
            linear.weight.data = weight
            quantize_(linear, Int8WeightOnlyConfig())
            eager.append(linear)
        compiled = [torch.compile(module, dynamic=False) for module in eager]
        for rows in ROWS:
            x = torch.randn(rows, inputs, dtype=torch.bfloat16)
            times = [best_s(products, x) for products in (packed, eager, compiled)]
            ratio = times[0] / min(times[1:])
            table.add_row(name, str(rows), *(f"{1e6 * one:,.0f}" for one in times), f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
