"""A long prompt among short streams: what the others notice, with prompts computed whole and in chunks.

    python benchmarks/long_prompts.py [--tokens 8000] [--chunk 1024]

Twenty streams of short prompts run; a request with a long prompt comes, and 0.3 s later one with a short prompt. Random
weights ("6 layers x 256"); each engine in a process of its own, one after the other.
"""

import argparse
import asyncio
import itertools
import json
import random
import subprocess
import sys
import time
from dataclasses import replace

import psutil
from headline import headline
from models import MODELS
from rich.console import Console
from rich.table import Table

from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.thread import ThreadedEngine
from ponder.model.decoder import build_random

STREAMS, SHORT = 20, 40
ALONE_S = 3.0  # of the streams before the long prompt comes
LONG_TOKENS = 40  # of the long prompt's answer that are waited for
ROWS = (
    ("late", "a short request beside it, to the first token, s", ".2f"),
    ("gap", "the streams' longest gap between tokens, s", ".2f"),
    ("long", "the long prompt, to the first token, s", ".2f"),
    ("before", "between tokens of the streams before, p50, ms", ".0f"),
    ("beside", "between tokens of the streams beside its answer, p50, ms", ".0f"),
    ("memory", "resident memory at the end, MiB", ",.0f"),
)


async def measure(engine: ThreadedEngine, tokens: int) -> dict[str, float]:
    rng = random.Random(0)
    times: dict[str, list[float]] = {}

    def ask(name: str, prompt_tokens: int, max_tokens: int) -> asyncio.Task:
        prompt = tuple(rng.randrange(1, 4000) for _ in range(prompt_tokens))
        params = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, max_tokens=max_tokens)
        times[name] = [time.perf_counter()]
        return asyncio.create_task(read(name, Request(name, prompt, params, seed=len(times))))

    async def read(name: str, request: Request) -> None:
        async for _ in engine.stream(request):
            times[name].append(time.perf_counter())

    def gaps(begin: float, end: float) -> list[float]:
        streams = [times[f"stream {number}"][1:] for number in range(STREAMS)]
        pairs = [pair for stream in streams for pair in itertools.pairwise(stream)]
        return sorted(after - before for before, after in pairs if before < end and after > begin)

    tasks = [ask(f"stream {number}", SHORT, 20_000) for number in range(STREAMS)]
    while any(len(times[f"stream {number}"]) < 2 for number in range(STREAMS)):
        await asyncio.sleep(0.01)
    begun = time.perf_counter()
    await asyncio.sleep(ALONE_S)
    came = time.perf_counter()
    tasks.append(ask("long", tokens, 4 * LONG_TOKENS))
    await asyncio.sleep(0.3)
    await ask("late", SHORT, 2)
    while len(times["long"]) < 1 + LONG_TOKENS:
        await asyncio.sleep(0.01)
    first, end = times["long"][1], time.perf_counter()
    before, beside = gaps(begun, came), gaps(first, end)
    measured = {
        "late": times["late"][1] - times["late"][0],
        "gap": gaps(came, end)[-1],
        "long": first - times["long"][0],
        "before": 1e3 * before[len(before) // 2],
        "beside": 1e3 * beside[len(beside) // 2],
        "memory": psutil.Process().memory_info().rss / 2**20,
    }
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await engine.close()
    return measured


async def run(tokens: int, chunk: int) -> dict[str, float]:
    decoder = build_random(replace(MODELS["6 layers x 256"], max_positions=131_072), seed=0)
    local = LocalEngine(decoder, token_budget=2**22, chunk_tokens=chunk or None)
    return await measure(ThreadedEngine(local), tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=8000, help="of the long prompt")
    parser.add_argument("--chunk", type=int, default=1024, help="chunk_tokens of the engine")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(asyncio.run(run(args.tokens, args.chunk))))
        return
    results = []
    for chunk in (0, args.chunk):
        command = [sys.executable, __file__, "--one", "--tokens", str(args.tokens), "--chunk", str(chunk)]
        results.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
    table = Table(title=f"a prompt of {args.tokens:,} tokens among {STREAMS} streams", title_justify="left")
    for column in ("", "whole", f"chunks of {args.chunk}", "ratio"):
        table.add_column(column, justify="left" if not column else "right")
    for key, name, form in ROWS:
        whole, chunked = (result[key] for result in results)
        table.add_row(name, format(whole, form), format(chunked, form), f"{chunked / whole:.2f}")
    console = Console(width=110)
    console.print(headline())
    console.print(table)


if __name__ == "__main__":
    main()
