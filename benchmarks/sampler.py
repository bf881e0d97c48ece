"""The sampler alone, from logits to tokens with log-probabilities, against torch.topk and torch.softmax on the same logits.

    python benchmarks/sampler.py [--threads N ...] [--vocabs N ...] [--rows N ...] [--turns N]

Logits are normal numbers, float32, five times their standard deviation so that at temperature 1 some hundred tokens have most of
the mass, as in a sampled text's less certain places. `topk` and `softmax` are torch's own, alone and into new memory, as one would
write them; a sampler needs both, and a draw. The best of several turns, in which each takes its turn once.
"""

import argparse
import time
from collections.abc import Callable

import torch
from headline import CORES, headline
from rich.console import Console
from rich.table import Table

from ponder.engine.protocol import SamplingParams
from ponder.engine.sampler import SamplerState, likeliest, sample

SETTINGS = {
    "default": SamplingParams(),
    "top_p alone": SamplingParams(top_k=0),
    "greedy": SamplingParams(temperature=0.0),
    "T = 1, untruncated": SamplingParams(temperature=1.0, top_k=0, top_p=1.0),
}


def best_of(turns: int, base: torch.Tensor, uniform: torch.Tensor) -> dict[str, float]:
    """{name: milliseconds}; each has logits of its own to overwrite."""
    logits = base.clone()
    named = ways(logits, uniform)
    best = dict.fromkeys(named, float("inf"))
    for _ in range(turns):
        for name, way in named.items():
            logits.copy_(base)
            began = time.perf_counter()
            way()
            best[name] = min(best[name], 1000 * (time.perf_counter() - began))
    return best


def ways(logits: torch.Tensor, uniform: torch.Tensor) -> dict[str, Callable[[], object]]:
    def of(params: SamplingParams) -> Callable[[], object]:
        state = SamplerState.of([params] * len(logits), logits.device)
        return lambda: sample(logits, uniform, state, None, None)

    asked = SamplerState.of([SamplingParams(top_logprobs=20)] * len(logits), logits.device)
    found: dict[str, Callable[[], object]] = {name: of(params) for name, params in SETTINGS.items()}
    found["likeliest 20"] = lambda: likeliest(logits, asked)
    found["topk 40"] = lambda: logits.topk(40)
    found["softmax"] = lambda: torch.softmax(logits, -1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, CORES}))
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--vocabs", type=int, nargs="+", default=(49_152, 151_936))
    parser.add_argument("--rows", type=int, nargs="+", default=(1, 16, 64))
    arguments = parser.parse_args()
    console = Console(width=140)
    console.print(headline())
    table = Table(title="ms a step", title_justify="left")
    columns = ("vocabulary", "rows", "threads", *SETTINGS, "likeliest 20", "torch.topk 40", "torch.softmax")
    for column in columns:
        table.add_column(column, justify="right")
    for vocab in arguments.vocabs:
        for rows in arguments.rows:
            generator = torch.Generator().manual_seed(0)
            base = torch.randn(rows, vocab, generator=generator) * 5
            uniform = torch.rand(rows, generator=generator)
            for threads in arguments.threads:
                torch.set_num_threads(threads)
                with torch.inference_mode():
                    best = best_of(arguments.turns, base, uniform)
                table.add_row(f"{vocab:,}", str(rows), str(threads), *(f"{ms:.1f}" for ms in best.values()))
    console.print(table)


if __name__ == "__main__":
    main()
