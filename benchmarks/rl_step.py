"""One RL step (sampling, rewards, update): Ponder against TRL's GRPOTrainer, the update alone against the processor's matrix
products, and how a step's cost grows.

    python benchmarks/rl_step.py [--trl-python PATH] [--smollm2 DIR] [--parts small real update growth]

Same weights, prompts, group size and lengths: 8 prompts x 8 samples x 64 tokens, on a random model of 6 layers, width 256, and
on SmolLM2-135M-Instruct (benchmarks/real_models.py brings it). "3 of 8 mixed": in five of the groups all rewards are equal, as
in the tiny recipe, and these teach nothing. TRL takes each of its settings that computes in the dtype, the small model on one
thread and on all, and the fastest counts; with SmolLM2 its weights in bfloat16 on all threads, which was its best setting (float32 and
autocast were slower). Micro-batches of Ponder's are 1,024 tokens there. `--trl-python` is the Python of an environment that has TRL (benchmarks/peers/README.md).
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import torch
import torch.nn.functional as F
from headline import CORES, headline
from models import MODELS, qwen2, write_model, write_prompts
from rich.console import Console
from rich.table import Table

from ponder.engine.build import SamplingEngine
from ponder.engine.protocol import Request, rl_sampling
from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder, build_random
from ponder.model.weights import DTYPES, load_decoder
from ponder.recipe.schema import EngineSettings
from ponder.recipe.stages import Optimizer
from ponder.training.batch import Sample
from ponder.training.goals import Reinforcement
from ponder.training.learner import Learner
from ponder.training.master import MasterWeights
from ponder.training.objectives import OBJECTIVES
from ponder.training.replicas import Replicas

HERE = Path(__file__).parent
GROUP, PROMPTS, TOKENS = 8, 8, 64
MIXED = 3  # groups of the demo's eight whose rewards differ
SIZES = {
    "0.5M": MODELS["the demo's (0.5M)"],
    "7M": MODELS["6 layers x 256"],
    "30M": qwen2(8192, 512, 1536, 8, 8, 2),
    "100M": MODELS["100M"],
}


class Step:
    """Ponder's own parts, as its RL stage strings them together, around a reward that costs nothing."""

    def __init__(
        self,
        decoder: Decoder,
        dtype: str,
        prompts: list[list[int]],
        tokens: int,
        mixed: int | None = None,
        micro_batch_tokens: int = 8192,
    ):
        """decoder: float32; mixed: groups whose rewards differ (None: all)"""
        weights = MasterWeights.of(decoder, DTYPES[dtype])
        self.engine = SamplingEngine(weights.decoder, EngineSettings(max_rows=512))
        self.replicas = Replicas(weights.decoder, self.engine.workers - 1) if self.engine.workers > 1 else None
        self.learner = Learner(weights, Optimizer(lr=1e-6), 100, micro_batch_tokens, accumulator=self.replicas)
        self.prompts, self.tokens, self.number, self.mixed = prompts, tokens, 0, mixed

    def run(self) -> dict[str, float]:
        self.number += 1
        params = rl_sampling(self.tokens, frozenset())
        requests = [
            Request((g, s), tuple(prompt), params, seed=self.number * 10_000 + g * GROUP + s)
            for g, prompt in enumerate(self.prompts)
            for s in range(GROUP)
        ]
        began = time.perf_counter()
        done = list(self.engine.generate(requests))
        sampled = time.perf_counter()
        rewards: dict[int, list[float]] = {}
        for completion in done:
            rewards.setdefault(completion.request.id[0], []).append(sum(i % 2 for i in completion.ids) / self.tokens)
        samples = []
        for completion in done:
            prompt, number = list(completion.request.prompt), completion.request.id[0]
            reward, group = sum(i % 2 for i in completion.ids) / self.tokens, rewards[number]
            mask = [0] * len(prompt) + [1] * self.tokens
            teaches = self.mixed is None or number < self.mixed
            advantage = reward - sum(group) / len(group) if teaches else 0.0
            samples.append(Sample(prompt + completion.ids, mask, completion.logprobs, advantage, group=number))
        judged = time.perf_counter()
        self.learner.learn(samples, Reinforcement.of(samples, OBJECTIVES["dapo"], self.tokens), self.number)
        learned = time.perf_counter()
        return {
            "sample": sampled - began,
            "rewards": judged - sampled,
            "learn": learned - judged,
            "step": learned - began,
        }

    def best(self, runs: int) -> dict[str, float]:
        self.run()
        return min((self.run() for _ in range(runs)), key=lambda parts: parts["step"])

    def close(self) -> None:
        self.engine.close()
        if self.replicas is not None:
            self.replicas.close()


class PeakMemory:
    """The largest memory of this process and its children while the block runs, in GB; pages they share count once."""

    def __enter__(self) -> "PeakMemory":
        self.gb, self.over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self.over.wait(0.2):
            processes = [me, *me.children(recursive=True)]
            self.gb = max(self.gb, sum(p.memory_full_info().pss for p in processes) / 1e9)


def cost(step: Step, runs: int) -> tuple[dict[str, float], float]:
    parts = step.best(runs)
    with PeakMemory() as memory:
        step.run()
    step.close()
    return parts, memory.gb


def trl_cost(
    python: Path, model: Path, prompts: Path, settings: list[list[str]], thread_counts: tuple[int, ...]
) -> dict | None:
    """The fastest of TRL's settings."""
    script = [python, HERE / "peers" / "trl_grpo_step.py", "--model", model, "--prompts", prompts]
    options = ["--group", GROUP, "--prompts-per-step", PROMPTS, "--max-new", TOKENS, "--steps", 3]
    results = []
    for setting in settings:
        for threads in thread_counts:
            command = [str(c) for c in [*script, *options, *setting, "--threads", threads]]
            environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                print(done.stderr[-1500:], file=sys.stderr)
            else:
                results.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return min(results, key=lambda r: r["seconds_per_step"], default=None)


def against_trl(
    console: Console,
    trl: Path | None,
    title: str,
    model: Path,
    vocab: int,
    dtypes: dict[str, list[list[str]]],
    length: int,
    thread_counts: tuple[int, ...],
    micro_batch_tokens: int,
) -> None:
    """dtypes: {Ponder's: TRL's settings that are its like}"""
    table = Table(title=f"one RL step: {PROMPTS * GROUP} samples x {TOKENS} tokens, {title}", title_justify="left")
    for column in ("trainer", "computes in", "groups mixed", "s/step", "sampling", "update", "memory GB", "Ponder is"):
        table.add_column(column, justify="left" if column in ("trainer", "computes in") else "right")
    with tempfile.TemporaryDirectory() as directory:
        prompts = write_prompts(Path(directory) / "prompts.json", vocab, PROMPTS, length)
        ids = json.loads(prompts.read_text())["prompts"]
        for dtype, settings in dtypes.items():
            theirs = trl_cost(trl, model, prompts, settings, thread_counts) if trl else None
            if theirs is None:
                table.add_row("TRL GRPOTrainer: not installed here", *["-"] * 7)
            else:
                name = f"{theirs['dtype']}, {theirs['threads']} threads"
                sampling = f"{theirs['sampling_s']:.2f} s"
                seconds, memory = theirs["seconds_per_step"], theirs["peak_rss_gb"]
                table.add_row("TRL GRPOTrainer", name, "any", f"{seconds:.2f}", sampling, "-", f"{memory:.1f}", "")
            for mixed in (None, MIXED):
                step = Step(load_decoder(model, "float32"), dtype, ids, TOKENS, mixed, micro_batch_tokens)
                parts, memory = cost(step, 3)
                ratio = f"{theirs['seconds_per_step'] / parts['step']:.1f} x" if theirs else "-"
                cells = [f"{parts['step']:.2f}", f"{parts['sample']:.2f} s", f"{parts['learn']:.2f} s", f"{memory:.1f}"]
                table.add_row("Ponder", dtype, "8 of 8" if mixed is None else f"{mixed} of 8", *cells, ratio)
    console.print(table)


def products_per_second(config: ModelConfig, dtype: str, rows: int) -> float:
    """FLOP/s of the model's largest product, forward and both ways back, in this process on one thread."""
    torch.set_num_threads(1)
    x = torch.randn(rows, config.hidden_size).to(DTYPES[dtype])
    weight = torch.randn(2 * config.intermediate_size, config.hidden_size).to(DTYPES[dtype])
    grad = torch.randn(rows, 2 * config.intermediate_size).to(DTYPES[dtype])
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(5):
            F.linear(x, weight)
            grad @ weight
            grad.T @ x
        best = max(best, 15 * 2 * rows * weight.numel() / (time.perf_counter() - began))
    return best


def update_alone(console: Console, models: dict[str, Decoder]) -> None:
    """What an update needs of matrix products, by what all cores do of these in the same time."""
    table = Table(
        title=f"the update alone: {PROMPTS * GROUP} samples x {TOKENS} tokens, all groups mixed", title_justify="left"
    )
    for column in ("model", "computes in", "s", "GFLOP/s", "products alone, all cores", "share"):
        table.add_column(column, justify="left" if column in ("model", "computes in") else "right")
    for name, decoder in models.items():
        config = decoder.config
        prompts = [[1 + (7 * i + j) % 300 for j in range(24)] for i in range(PROMPTS)]
        for dtype in ("float32", "bfloat16"):
            step = Step(decoder, dtype, prompts, TOKENS)
            seconds = min((step.run() for _ in range(4)), key=lambda parts: parts["learn"])["learn"]
            step.close()
            with multiprocessing.get_context("spawn").Pool(CORES) as pool:
                rates = pool.starmap(products_per_second, [(config, dtype, 2048)] * CORES)
            stream = PROMPTS * 24 + PROMPTS * GROUP * TOKENS
            inside = sum(p.numel() for n, p in decoder.named_parameters() if p.dim() == 2 and n.startswith("layers."))
            head = config.vocab_size * config.hidden_size
            work = 6 * (stream * inside + PROMPTS * GROUP * TOKENS * head)
            rate, limit = work / seconds / 1e9, sum(rates) / 1e9
            table.add_row(name, dtype, f"{seconds:.2f}", f"{rate:,.0f}", f"{limit:,.0f}", f"{rate / limit:.2f}")
    console.print(table)


def growth(console: Console, quick: bool) -> None:
    cases = [("samples", "7M", n, 64) for n in (64, 256, 1024)]
    cases += [("tokens", "7M", 64, n) for n in (64, 256, 1024)]
    cases += [("parameters", name, 64, 64) for name in SIZES]
    table = Table(title="how a step grows (prompts of 32 tokens, groups of 8, float32)", title_justify="left")
    for column in ("along", "model", "samples", "tokens", "s/step", "sampling", "update", "tokens/s", "memory GB"):
        table.add_column(column, justify="left" if column in ("along", "model") else "right")
    for along, name, samples, tokens in cases:
        if quick and samples * tokens > 64 * 256:
            continue
        prompts = [[1 + (7 * i + j) % 300 for j in range(32)] for i in range(samples // GROUP)]
        step = Step(build_random(SIZES[name], 0), "float32", prompts, tokens)
        parts, memory = cost(step, runs=1 if samples * tokens > 4096 or name == "100M" else 3)
        shares = [f"{100 * parts[key] / parts['step']:.0f}%" for key in ("sample", "learn")]
        rate = f"{samples * tokens / parts['step']:,.0f}"
        table.add_row(along, name, str(samples), str(tokens), f"{parts['step']:.2f}", *shares, rate, f"{memory:.1f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trl-python", type=Path)
    parser.add_argument("--smollm2", type=Path, help="the directory of SmolLM2-135M-Instruct")
    parts = ("small", "real", "update", "growth")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--quick", action="store_true", help="leave out the largest cases of the growth table")
    arguments = parser.parse_args()
    console = Console(width=120)
    console.print(headline())
    config, trl = MODELS["6 layers x 256"], arguments.trl_python
    bfloat16 = [["--dtype", "bfloat16"], ["--autocast"]]
    if "small" in arguments.parts:
        with tempfile.TemporaryDirectory() as directory:
            model = write_model(config, Path(directory) / "model")
            dtypes = {"float32": [[]], "bfloat16": bfloat16}
            against_trl(console, trl, "6 layers x 256 (7.8M)", model, config.vocab_size, dtypes, 16, (1, CORES), 8192)
    if arguments.smollm2 is None:
        console.print("SmolLM2-135M: not here (--smollm2 DIR)")
    elif "real" in arguments.parts:
        real = {"bfloat16": [["--dtype", "bfloat16"]]}
        against_trl(
            console, trl, "SmolLM2-135M, each side's best dtype", arguments.smollm2, 49_152, real, 24, (CORES,), 1024
        )
    if "update" in arguments.parts:
        models = {"6 layers x 256": build_random(config, 0)}
        if arguments.smollm2 is not None:
            models["SmolLM2-135M"] = load_decoder(arguments.smollm2, "float32")
        update_alone(console, models)
    if "growth" in arguments.parts:
        growth(console, arguments.quick)


if __name__ == "__main__":
    main()
