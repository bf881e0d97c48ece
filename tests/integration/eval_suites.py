"""A suite of sums, and `ponder eval` as a process."""

import json
import subprocess
import sys
from pathlib import Path

SUITE = """
name: sums
data: {{file: sums.jsonl, fields: {{prompt: question, answer: answer}}}}
verifier: math
prompt: plain
sampling: {{samples: {samples}, temperature: 1.0, top_p: 1.0, top_k: 0, max_tokens: 24}}
"""


def write_suite(directory: Path, samples: int = 2, variants: str = "") -> Path:
    """The path of its YAML, 40 rows beside it."""
    own = f"variants: {{{variants}: {{}}}}\n" if variants else ""
    (directory / "sums.yaml").write_text(SUITE.format(samples=samples) + own)
    rows = [{"question": f"{n} + {n}", "answer": str(2 * n)} for n in range(40)]
    (directory / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory / "sums.yaml"


def command(*arguments) -> list[str]:
    return [sys.executable, "-m", "ponder.cli.main", "eval", *map(str, arguments)]


def told(*arguments) -> tuple[int, str, str]:
    done = subprocess.run(command(*arguments), capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr
