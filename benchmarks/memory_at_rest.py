"""What `ponder serve` holds when it has nothing to do, against the weights and against what `ponder model describe` says.

    python benchmarks/memory_at_rest.py DIR [DIR ...]

Each DIR is a checkpoint. Resident memory of the server's process, as the system counts it: after its start, and after one
short answer. The goal is the weights and 0.6 GB. The overhead of a process, which `describe` adds (PROCESS_BYTES), is what
this measured.
"""

import argparse
from pathlib import Path

import httpx
import psutil
from headline import headline
from rich.console import Console
from rich.table import Table
from served import served

from ponder.model.config import load_config
from ponder.model.describe import PROCESS_BYTES, describe

GB = 1e9
GOAL_BYTES = 600_000_000  # beside the weights


def resident(process: psutil.Process) -> int:
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+", metavar="DIR")
    args = parser.parse_args()
    console = Console(width=140)
    console.print(
        headline(f"a process counted as {PROCESS_BYTES / GB:.2f} GB, goal {GOAL_BYTES / GB:.2f} GB beside the weights")
    )
    table = Table(title="ponder serve at rest", title_justify="left")
    columns = (
        "checkpoint",
        "weights GB",
        "described GB",
        "resident GB",
        "beside the weights",
        "/ weights",
        "/ described",
    )
    for column in columns:
        table.add_column(column, justify="left" if column == "checkpoint" else "right")
    missed = False
    for checkpoint in args.checkpoints:
        config = load_config(checkpoint)
        weights, described = describe(config).weight_bytes, describe(config).at_rest_bytes
        with served(checkpoint) as (url, pid):
            process = psutil.Process(pid)
            held = {"started": resident(process)}
            chat = {"model": "it", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 16}
            httpx.post(f"{url.removesuffix('/v1')}/v1/chat/completions", json=chat, timeout=300).raise_for_status()
            held["after an answer"] = resident(process)
        for when, size in held.items():
            table.add_row(
                f"{checkpoint.name}, {config.dtype}, {when}",
                *(f"{some / GB:.2f}" for some in (weights, described, size, size - weights)),
                *(f"{size / some:.2f}" for some in (weights, described)),
            )
        missed = missed or held["started"] > weights + GOAL_BYTES
    console.print(table)
    console.print("the goal is missed" if missed else "the goal is reached")


if __name__ == "__main__":
    main()
