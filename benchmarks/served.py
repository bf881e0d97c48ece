"""A `ponder serve` of a benchmark's own, as a real process."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(checkpoint: Path, *options: str) -> Iterator[tuple[str, int]]:
    """Its address, with /v1, and the process id; its name for the model is "it"."""
    command = [
        sys.executable,
        "-m",
        "ponder.cli.main",
        "serve",
        str(checkpoint),
        "--port",
        "0",
        "--name",
        "it",
        *options,
    ]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            said = ""
            while "Ponder serves" not in said:
                said = process.stdout.readline()
                if not said:
                    log.seek(0)
                    raise SystemExit(f"ponder serve has ended: {log.read().decode()[-2000:]}")
            yield next(word for word in said.split() if word.startswith("http")), process.pid
        finally:
            process.terminate()
            process.wait(60)
