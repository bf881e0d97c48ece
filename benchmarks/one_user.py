"""One user alone: tokens a second of a single answer, against transformers.generate and vLLM on the CPU, and against
the limit, which is to read all weights once for each token at the memory's measured rate.

    python benchmarks/one_user.py DIR [--vllm-python PATH] [--dtypes float32 bfloat16] [--tokens 64]

DIR holds the two real models (benchmarks/real_models.py). Every engine runs in a process of its own, one after the other,
on all cores (transformers also on one; the better counts), best of two after a warm-up. A prompt of 32 tokens.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from headline import CORES, headline
from models import write_prompts
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
PROMPT_TOKENS = 32


def ponder(model: Path, requests: Path, out_tokens: int, dtype: str, exact: bool) -> None:
    """As `ponder serve` computes. Runs in a process of its own: prints one JSON line."""
    sys.path.insert(0, str(HERE / "peers"))
    from result import time_runs

    from ponder.engine.invariance import fast_forms
    from ponder.engine.local import LocalEngine
    from ponder.engine.packed import pack
    from ponder.engine.protocol import Request, rl_sampling
    from ponder.model.weights import DTYPES, load_decoder

    (ids,) = json.loads(requests.read_text())["prompts"]
    decoder = load_decoder(model).to(DTYPES[dtype])
    engine = LocalEngine(decoder) if exact else LocalEngine(pack(decoder), forms=fast_forms(decoder))
    request = Request(0, tuple(ids), rl_sampling(out_tokens, frozenset()), seed=0)
    print(json.dumps(time_runs(lambda: sum(len(c.ids) for c in engine.generate([request])))))


def memory_rate() -> float:
    """Bytes a second that all cores read together: the best of ten sums over 1 GiB."""
    numbers = torch.ones(2**28)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        numbers.sum()
        seconds.append(time.perf_counter() - began)
    return numbers.nbytes / min(seconds)


def measure(*command: object, threads: int | None = None) -> dict | None:
    """What a script reports; None where it fails."""
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment)
    if done.returncode:
        print(done.stderr[-1500:], file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(console: Console, model: Path, dtype: str, tokens: int, vllm: Path | None, rate: float) -> None:
    config = json.loads((model / "config.json").read_text())
    with tempfile.TemporaryDirectory() as directory:
        requests = write_prompts(Path(directory) / "requests.json", config["vocab_size"], 1, PROMPT_TOKENS)
        common = ["--model", model, "--requests", requests, "--out-tokens", tokens, "--dtype", dtype]
        own = [sys.executable, __file__, "--ponder", model, requests, tokens, dtype]
        theirs = [sys.executable, HERE / "peers" / "transformers_generate.py", *common]
        rows = {
            "Ponder": measure(*own, "fast"),
            "Ponder, --exact": measure(*own, "exact"),
            f"transformers.generate, {CORES} threads": measure(*theirs, "--threads", CORES, threads=CORES),
            "transformers.generate, 1 thread": measure(*theirs, "--threads", 1, threads=1),
        }
        if vllm is not None:
            rows["vLLM on the CPU"] = measure(vllm, HERE / "peers" / "vllm_generate.py", *common, "--threads", CORES)
    size = sum(file.stat().st_size for file in model.glob("*.safetensors"))
    stored = 4 if config.get("dtype", config.get("torch_dtype")) == "float32" else 2
    read = size / stored * (4 if dtype == "float32" else 2)
    if not config["tie_word_embeddings"]:  # one row of these is read
        read -= config["vocab_size"] * config["hidden_size"] * (4 if dtype == "float32" else 2)
    limit = rate / read
    ours = rows["Ponder"]
    if ours is None:
        raise SystemExit("Ponder itself failed: see above")
    table = Table(title=f"{model.name}, {dtype}: one answer of {tokens} tokens", title_justify="left")
    for column in ("engine", "tokens/s", "Ponder is", "tokens per CPU-second", "Ponder is", "of the limit"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for name, row in rows.items():
        if row is None:
            table.add_row(name, "failed", *["-"] * 4)
            continue
        wall, work = (row["sampled_tokens"] / row[key] for key in ("seconds", "cpu_seconds"))
        own_wall, own_work = (ours["sampled_tokens"] / ours[key] for key in ("seconds", "cpu_seconds"))
        table.add_row(
            name,
            f"{wall:.1f}",
            f"{own_wall / wall:.2f} x",
            f"{work:.1f}",
            f"{own_work / work:.2f} x",
            f"{wall / limit:.2f}",
        )
    table.add_row("limit: weights at the memory's rate", f"{limit:.1f}", f"{own_wall / limit:.2f} x", "-", "-", "1")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="?", metavar="DIR")
    parser.add_argument("--vllm-python", type=Path)
    parser.add_argument("--dtypes", nargs="+", choices=["float32", "bfloat16"], default=["float32", "bfloat16"])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--ponder", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ponder:
        model, requests, out_tokens, dtype, mode = args.ponder
        return ponder(Path(model), Path(requests), int(out_tokens), dtype, mode == "exact")
    models = sorted(path.parent for path in args.models.glob("*/config.json")) if args.models else []
    if not models:
        raise SystemExit("no models there: python benchmarks/real_models.py DIR brings them")
    console = Console(width=120)
    rate = memory_rate()
    console.print(headline(f"memory read at {rate / 1e9:.1f} GB/s"))
    for model in models:
        for dtype in args.dtypes:
            compare(console, model, dtype, args.tokens, args.vllm_python, rate)


if __name__ == "__main__":
    main()
