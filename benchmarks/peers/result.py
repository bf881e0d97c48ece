"""What the peer scripts share: a clean stdout, best-of timing, and peak memory over all processes of a peer."""

import json
import os
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import psutil


def claim_stdout() -> TextIO:
    """Keep stdout for the result line; whatever this process or its children print from now on goes to stderr."""
    stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return stdout


def read_prompts(path: Path) -> list:
    """The list under "prompts" in a JSON file; each entry is a list of token ids, or a text."""
    return json.loads(path.read_text())["prompts"]


def time_runs(generate: Callable[[], int], runs: int = 2) -> dict:
    """Time `generate`, which returns the number of tokens it sampled, after one warm-up run of it.

    `seconds`, `cpu_seconds` and `tokens_per_s` are those of the best run, which is fair to a peer on a machine that others use too.
    """
    generate()
    seconds, cpu = [], []
    for _ in range(runs):
        start, used = time.perf_counter(), cpu_seconds()
        sampled = generate()
        seconds.append(time.perf_counter() - start)
        cpu.append(cpu_seconds() - used)
    best, median = min(seconds), statistics.median(seconds)
    return {
        "sampled_tokens": sampled,
        "seconds": round(best, 3),
        "seconds_median": round(median, 3),
        "cpu_seconds": round(min(cpu), 3),
        "tokens_per_s": round(sampled / best, 1),
        "tokens_per_s_median": round(sampled / median, 1),
    }


def cpu_seconds() -> float:
    """Of this process and its living descendants."""
    me = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in [me, *me.children(recursive=True)])


def peak_rss_gb() -> float:
    """Peak resident memory in GB (1e9 bytes) of this process and its living descendants (Linux).

    Pages that several processes share count once for each, so the sum over many processes is an upper bound.
    """
    me = psutil.Process()
    pids = [me.pid, *(child.pid for child in me.children(recursive=True))]
    peaks_kib = [int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) for pid in pids]
    return round(sum(peaks_kib) * 1024 / 1e9, 3)
