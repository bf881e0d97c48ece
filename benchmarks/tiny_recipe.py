"""The tiny recipe over three seeds: held-out accuracy in math and in code before and after RL, time, peak memory, time to
the first step, and how long a step waits for verdicts once all is sampled.

    python benchmarks/tiny_recipe.py [--seeds 0 1 2] [--dtypes float32 bfloat16]

Each seed is a fresh `ponder train recipes/tiny.yaml` in a process of its own: another newborn, another split of
problems drawn, other demonstrations.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

import psutil
from headline import headline
from rich.console import Console
from rich.table import Table

from ponder.runs.run import Run

RECIPE = Path(__file__).parent.parent / "recipes" / "tiny.yaml"


def run(seed: int, dtype: str, directory: Path) -> dict:
    path = directory / f"seed-{seed}-{dtype}"
    command = [sys.executable, "-m", "ponder.cli.main", "train", RECIPE, "--run", path]
    command += ["--set", f"seed={seed}", "--set", f"model.dtype={dtype}"]
    began = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL)
    first_step, peak = None, 0.0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        if first_step is None and (path / "metrics.jsonl").exists() and (path / "metrics.jsonl").stat().st_size:
            first_step = time.monotonic() - began
        peak = max(peak, memory(watched))
        time.sleep(0.2)
    assert process.returncode == 0, f"seed {seed} failed"
    seconds = time.monotonic() - began
    report = json.loads((path / "report.json").read_text())
    return {
        "stages": {s["name"]: s for s in report["stages"]},
        "phases": report["totals"]["phase_seconds"],
        "seconds": seconds,
        "gap": max(row.get("mismatch/mean", 0.0) for row in Run.open(path).metrics()),
        "peak": peak,
        "first_step": first_step,
    }


def memory(process: psutil.Process) -> float:
    """Proportional set size in GB of a process and its children: every page counts once in the sum."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--dtypes", nargs="+", default=["float32"], choices=["float32", "bfloat16"])
    arguments = parser.parse_args()
    console = Console(width=140)
    console.print(headline())
    for dtype in arguments.dtypes:
        with tempfile.TemporaryDirectory() as directory:
            results = {seed: run(seed, dtype, Path(directory)) for seed in arguments.seeds}
        console.print(table_of(dtype, results))


def table_of(dtype: str, results: dict[int, dict]) -> Table:
    names = list(next(iter(results.values()))["stages"])
    domains = list(next(iter(results.values()))["stages"][names[-1]]["by_domain"])
    table = Table(title=f"recipes/tiny.yaml in {dtype}: held-out accuracy", title_justify="left")
    for column in (
        "seed",
        "domain",
        *names,
        "time",
        "first step",
        "peak memory",
        "waits for verdicts",
        "largest mean gap",
    ):
        table.add_column(column, justify="right")
    for seed, result in results.items():
        waits = result["phases"]["verify"] / sum(result["phases"].values())
        costs = [
            f"{result['seconds']:.0f} s",
            f"{result['first_step']:.1f} s",
            f"{result['peak']:.2f} GB",
            f"{waits:.1%}",
            f"{result['gap']:.1e}",
        ]
        for domain in domains:
            parts = [result["stages"][name]["by_domain"][domain] for name in names]
            cells = [f"{p['accuracy']:.3f} ({p['interval'][0]:.2f}-{p['interval'][1]:.2f})" for p in parts]
            table.add_row(str(seed), domain, *cells, *(costs if domain == domains[0] else [""] * 5))
    for domain in domains:
        means = [mean(r["stages"][name]["by_domain"][domain]["accuracy"] for r in results.values()) for name in names]
        seconds = f"{mean(r['seconds'] for r in results.values()):.0f} s" if domain == domains[0] else ""
        table.add_row("mean", domain, *(f"{m:.3f}" for m in means), seconds, "", "", "", "")
    return table


if __name__ == "__main__":
    main()
