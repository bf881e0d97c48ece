"""Benchmarks that are found by name: their files, and what their rows hold."""

import os
from pathlib import Path

# Field mappings of benchmark files that are found by name alone (NAME.jsonl in a data directory).
BENCHMARKS: dict[str, dict[str, str]] = {
    "gsm8k_test": {"prompt": "question", "answer": "answer"},
    "math500": {"prompt": "problem", "answer": "answer"},
    "aime24": {"prompt": "prompt", "answer": "answer"},
    "aime25": {"prompt": "prompt", "answer": "answer"},
    "humaneval": {"verifier": "code"},
    "mbpp": {"verifier": "code"},
    "ifeval": {"verifier": "instructions"},
    "mmlu_stem": {"verifier": "choice"},
}


def data_directories() -> list[Path]:
    """Where benchmark names are looked up: the directories in PONDER_DATA, then ./data, then ../shared/data."""
    named = [Path(entry) for entry in os.environ.get("PONDER_DATA", "").split(os.pathsep) if entry]
    return [*named, Path("data"), Path("..", "shared", "data")]


def find_benchmark(name: str) -> Path:
    """The file of the benchmark of that name; ValueError with the places searched."""
    searched = data_directories()
    for directory in searched:
        if (directory / f"{name}.jsonl").is_file():
            return directory / f"{name}.jsonl"
    raise ValueError(
        f"Benchmark {name!r}: no {name}.jsonl in {', '.join(map(str, searched))}. "
        "Put the file into one of these, or name its directory in the environment variable PONDER_DATA"
    )
