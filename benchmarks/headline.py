"""The line above every table: when, on what, and by which command."""

import os
import sys
from datetime import date
from pathlib import Path

from ponder.runs.processor import processor

CORES = len(os.sched_getaffinity(0))


def headline(*more: str) -> str:
    """Date, cores, processor and what it can do, `more` conditions, and the command that was given."""
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    return f"{date.today()}, {CORES} cores, {', '.join((processor(), *more))}\n{command}"
