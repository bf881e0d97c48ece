"""A recipe that runs end to end in seconds: a thimble of a model, a few steps of each stage."""

import subprocess
import sys
from pathlib import Path

import yaml

RECIPE = {
    "name": "micro",
    "seed": 3,
    "model": {
        "birth": {
            "hidden_size": 32,
            "layers": 2,
            "heads": 2,
            "kv_heads": 1,
            "intermediate_size": 64,
            "vocab_size": 300,
            "context": 128,
        }
    },
    "sources": {
        "sums": {
            "kind": "gym",
            "family": "chain_sum",
            "settings": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1},
            "prompt": "plain",
        }
    },
    "held_out": {"problems": 8, "fraction": 0.3},
    "engine": {"workers": 0},
    "stages": [
        {
            "name": "cold_start",
            "kind": "sft",
            "demonstrations": {"columns": {"guess": 1.0, "check": 0.0, "slip": 0.2}},
            "steps": 60,
            "examples_per_step": 16,
            "optimizer": {"lr": 1e-2},
            "save_every": 20,
        },
        {
            "name": "math",
            "kind": "rl",
            "steps": 6,
            "prompts_per_step": 12,
            "samples_per_prompt": 8,
            "max_tokens": 24,
            "optimizer": {"lr": 1e-3},
            "refill_prompts": 4,
            "truncated": "wrong",
            "eval_every": 2,
            "eval_problems": 4,
            "save_every": 2,
            "micro_batch_tokens": 512,
        },
    ],
}


HABITS = {"guess": 1.0, "check": 0.0, "slip": 0.2}
# The same with small programs beside the sums, in one stage each.
MIXED = RECIPE | {
    "sources": RECIPE["sources"] | {"code": {"kind": "programs", "kinds": ["text"], "min_steps": 1, "max_steps": 1}},
    "sandbox": {"workers": 2, "timeout_s": 5},
    "stages": [
        RECIPE["stages"][0] | {"steps": 150, "demonstrations": {"columns": HABITS, "programs": HABITS}},
        RECIPE["stages"][1] | {"max_tokens": 40},
    ],
}


def write_recipe(directory: Path, recipe: dict = RECIPE) -> Path:
    path = directory / f"{recipe['name']}.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def ponder(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "ponder.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def spawn(*arguments, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "ponder.cli.main", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
