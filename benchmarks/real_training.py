"""RL on a real pretrained model in float32, in mixed precision and with adapters: the held-out curve, the time of a step, peak
memory, and the gap between sampler and learner.

    python benchmarks/real_training.py MODEL [--forms float32 bfloat16 lora] [--steps 20]

MODEL is a directory of a real model (benchmarks/real_models.py brings two). The task is sums of two numbers of one or two digits, 12
prompts x 8 samples x 24 tokens, exactly as `recipe` below says.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, median

import psutil
import yaml
from headline import headline
from rich.console import Console
from rich.table import Table
from tiny_recipe import memory

from ponder.runs.run import Run

FORMS = {
    "float32": ({"dtype": "float32"}, 1e-5),
    "bfloat16": ({"dtype": "bfloat16"}, 1e-5),
    "lora": ({"dtype": "bfloat16", "lora": {}}, 2e-4),
}


def recipe(model: Path, form: str, steps: int) -> dict:
    settings, lr = FORMS[form]
    return {
        "name": form,
        "model": {"path": str(model), "save_dtype": "bfloat16", **settings},
        "sources": {
            "sums": {
                "kind": "gym",
                "family": "chain_sum",
                "settings": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 2},
                "prompt": "{question} Answer with the number only.",
            }
        },
        "held_out": {"problems": 100},
        "stages": [
            {
                "name": "math",
                "kind": "rl",
                "steps": steps,
                "prompts_per_step": 12,
                "samples_per_prompt": 8,
                "max_tokens": 24,
                "micro_batch_tokens": 1024,
                "optimizer": {"lr": lr},
                "eval_every": 5,
                "eval_problems": 100,
                "save_every": 1000,
            }
        ],
    }


def run(model: Path, form: str, steps: int, directory: Path) -> dict | None:
    """None where the training refused, or failed."""
    path, text = directory / form, directory / f"{form}.yaml"
    text.write_text(yaml.safe_dump(recipe(model, form, steps)))
    command = [sys.executable, "-m", "ponder.cli.main", "train", str(text), "--run", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # what goes wrong stands on standard error
    peak, watched = 0.0, psutil.Process(process.pid)
    while process.poll() is None:
        peak = max(peak, memory(watched))
        time.sleep(0.5)
    if process.returncode:
        return None
    opened = Run.open(path)
    return {
        "steps": list(opened.metrics()),
        "report": json.loads((path / "report.json").read_text()),
        "peak": peak,
        "evals": list(opened.evals()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    console = Console(width=140)
    console.print(headline())
    table = Table(title=f"{arguments.model.name}: sums, held-out accuracy of 100 (95% interval)", title_justify="left")
    evaluated = ["start", *range(5, arguments.steps + 1, 5)]
    columns = (
        "form",
        *(str(step) for step in evaluated),
        "s/step",
        "sampling",
        "update",
        "computed",
        "peak GB",
        "mean gap",
    )
    for column in columns:
        table.add_column(column, justify="left" if column == "form" else "right")
    with tempfile.TemporaryDirectory() as directory:
        for form in arguments.forms:
            found = run(arguments.model.resolve(), form, arguments.steps, Path(directory))
            if found is None:
                table.add_row(form, "failed, see above")
                continue
            curve = [f"{e.accuracy:.2f} ({e.interval[0]:.2f}-{e.interval[1]:.2f})" for e in found["evals"]]
            steps = found["steps"]
            times = [f"{median(row[f'time/{part}_s'] for row in steps):.1f}" for part in ("step", "sample", "learn")]
            computed = f"{mean(row['learned/computed_share'] for row in steps):.0%}"
            gap = f"{max(row['mismatch/mean'] for row in steps):.1e}"
            table.add_row(form, *curve, *times, computed, f"{found['peak']:.1f}", gap)
    console.print(table)


if __name__ == "__main__":
    main()
