"""One RL step (sampling, rewards, update): Ponder against TRL's GRPOTrainer, and how a step's cost grows.

    python benchmarks/rl_step.py [--trl-python PATH] [--quick]

Same weights, prompts, group size and lengths: 8 prompts x 8 samples x 64 tokens on a random model of 6 layers, width
256. `--trl-python` is the Python of an environment that has TRL (benchmarks/peers/README.md).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from headline import CORES, headline
from models import MODELS, qwen2, write_model, write_prompts
from rich.console import Console
from rich.table import Table

from ponder.engine.build import SamplingEngine
from ponder.engine.protocol import Request, rl_sampling
from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder, build_random
from ponder.model.weights import load_decoder
from ponder.recipe.schema import EngineSettings
from ponder.recipe.stages import Optimizer
from ponder.training.batch import Sample
from ponder.training.goals import Reinforcement
from ponder.training.learner import Learner
from ponder.training.objectives import OBJECTIVES
from ponder.training.replicas import Replicas

HERE = Path(__file__).parent
GROUP = 8
SIZES = {
    "0.5M": MODELS["the demo's (0.5M)"],
    "7M": MODELS["6 layers x 256"],
    "30M": qwen2(8192, 512, 1536, 8, 8, 2),
    "100M": MODELS["100M"],
}


class Step:
    """Ponder's own parts, as its RL stage strings them together, around a reward that costs nothing."""

    def __init__(self, decoder: Decoder, prompts: list[list[int]], tokens: int):
        self.engine = SamplingEngine(decoder, EngineSettings(max_rows=512))
        self.replicas = Replicas(decoder, self.engine.workers - 1) if self.engine.workers > 1 else None
        self.learner = Learner(decoder, Optimizer(lr=1e-6), 100, 8192, accumulator=self.replicas)
        self.prompts, self.tokens, self.number = prompts, tokens, 0

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
            prompt, group = list(completion.request.prompt), rewards[completion.request.id[0]]
            reward = sum(i % 2 for i in completion.ids) / self.tokens
            mask = [0] * len(prompt) + [1] * self.tokens
            advantage = reward - sum(group) / len(group)
            samples.append(Sample(prompt + completion.ids, mask, completion.logprobs, advantage))
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


def rss_gb() -> float:
    """Of this process and its children; pages they share count once."""
    me = psutil.Process()
    return (me.memory_info().rss + sum(c.memory_full_info().uss for c in me.children(recursive=True))) / 1e9


def cost(config: ModelConfig, samples: int, tokens: int, runs: int) -> tuple[dict[str, float], float]:
    prompts = [[1 + (7 * i + j) % 300 for j in range(32)] for i in range(samples // GROUP)]
    step = Step(build_random(config, 0), prompts, tokens)
    parts = step.best(runs)
    memory = rss_gb()
    step.close()
    return parts, memory


def against_trl(console: Console, trl: Path | None) -> None:
    with tempfile.TemporaryDirectory() as directory:
        config = MODELS["6 layers x 256"]
        model = write_model(config, Path(directory) / "model")
        prompts = write_prompts(Path(directory) / "prompts.json", config.vocab_size, GROUP, 16)
        step = Step(load_decoder(model), json.loads(prompts.read_text())["prompts"], 64)
        parts, memory = step.best(5), rss_gb()
        step.close()
        theirs = None
        if trl is not None:
            script = [trl, HERE / "peers" / "trl_grpo_step.py", "--model", model, "--prompts", prompts]
            options = ["--group", GROUP, "--prompts-per-step", GROUP, "--max-new", 64, "--steps", 4]
            results = []
            for threads in (1, CORES):  # the better of the two
                command = [str(c) for c in [*script, *options, "--threads", threads]]
                environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
                done = subprocess.run(command, capture_output=True, text=True, env=environment)
                if done.returncode:
                    print(done.stderr[-1500:], file=sys.stderr)
                else:
                    results.append(json.loads(done.stdout.strip().splitlines()[-1]))
            theirs = min(results, key=lambda r: r["seconds_per_step"], default=None)

    table = Table(title="one RL step: 64 samples x 64 tokens, 6 layers x 256, float32", title_justify="left")
    for column in ("trainer", "s/step", "sampling", "rewards", "update", "memory GB", "Ponder is"):
        table.add_column(column, justify="left" if column == "trainer" else "right")
    shares = [f"{100 * parts[name] / parts['step']:.0f}%" for name in ("sample", "rewards", "learn")]
    table.add_row("Ponder", f"{parts['step']:.2f}", *shares, f"{memory:.1f}", "")
    if theirs is None:
        table.add_row("TRL GRPOTrainer: not installed here", *["-"] * 6)
    else:
        seconds, sampling = theirs["seconds_per_step"], theirs.get("sampling_s")
        share = "-" if sampling is None else f"{100 * sampling / seconds:.0f}%"
        ratio = f"{seconds / parts['step']:.1f} x"
        table.add_row("TRL GRPOTrainer", f"{seconds:.2f}", share, "-", "-", f"{theirs['peak_rss_gb']:.1f}", ratio)
    console.print(table)


def growth(console: Console, quick: bool) -> None:
    cases = [("samples", "7M", n, 64) for n in (64, 256, 1024)]
    cases += [("tokens", "7M", 64, n) for n in (64, 256, 1024)]
    cases += [("parameters", name, 64, 64) for name in SIZES]
    table = Table(title="how a step grows (prompts of 32 tokens, groups of 8)", title_justify="left")
    for column in ("along", "model", "samples", "tokens", "s/step", "sampling", "update", "tokens/s", "memory GB"):
        table.add_column(column, justify="left" if column in ("along", "model") else "right")
    for along, name, samples, tokens in cases:
        if quick and samples * tokens > 64 * 256:
            continue
        parts, memory = cost(SIZES[name], samples, tokens, runs=1 if samples * tokens > 4096 or name == "100M" else 3)
        shares = [f"{100 * parts[key] / parts['step']:.0f}%" for key in ("sample", "learn")]
        rate = f"{samples * tokens / parts['step']:,.0f}"
        table.add_row(along, name, str(samples), str(tokens), f"{parts['step']:.2f}", *shares, rate, f"{memory:.1f}")
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trl-python", type=Path)
    parser.add_argument("--quick", action="store_true", help="leave out the largest cases of the growth table")
    arguments = parser.parse_args()
    terminal = Console(width=110)
    terminal.print(headline())
    against_trl(terminal, arguments.trl_python)
    growth(terminal, arguments.quick)
