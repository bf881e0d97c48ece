"""`ponder eval`, killed with -9 again and again, against the same evaluation undisturbed.

    python benchmarks/eval_kills.py [--kills 20] [--seed 0]

A small random model is asked 50 sums, 10 answers each, 8 at a time. Each kill comes at a moment of its own: after some answers more
than the last time, and a random part of a second. Whatever stood in the file of answers before a kill must stand there afterwards; in
the end every answer must be there once, and be the one of the evaluation that nobody killed.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from headline import headline
from serving import write_checkpoint

from ponder.evals.store import SAMPLES, read

SUITE = """
name: sums
data: {file: sums.jsonl, fields: {prompt: question, answer: answer}}
verifier: math
prompt: plain
sampling: {samples: 10, temperature: 1.0, top_p: 1.0, top_k: 0, max_tokens: 24}
"""
PROBLEMS, ANSWERS, CONCURRENT = 50, 500, 8


def command(checkpoint: Path, here: Path, to: str) -> list[str]:
    asked = [sys.executable, "-m", "ponder.cli.main", "eval", str(checkpoint), "--bench", str(here / "sums.yaml")]
    return [*asked, "--concurrent", str(CONCURRENT), "--memory", "200MB", "--to", str(here / to)]


def whole_lines(path: Path) -> bytes:
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def kill_once(command: list[str], samples: Path, more: int, delay_s: float) -> int:
    """Run until `more` answers have come and `delay_s` has passed, then kill -9; returns the answers that are kept."""
    before = whole_lines(samples)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while whole_lines(samples).count(b"\n") < before.count(b"\n") + more:
        if process.poll() is not None:
            raise SystemExit("the evaluation has ended before it was killed")
        time.sleep(0.001)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    after = whole_lines(samples)
    if not after.startswith(before):
        raise SystemExit("answers that were kept have changed")
    return after.count(b"\n")


def answers(directory: Path) -> dict:
    return {(s.problem, s.sample): (s.content, s.status, s.seed) for s in read(directory).samples}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    print(headline(f"{args.kills} kills"))
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        write_checkpoint("the demo's (0.5M)", "float32", here / "model")
        (here / "sums.yaml").write_text(SUITE)
        rows = [{"question": f"{n} + {n}", "answer": str(2 * n)} for n in range(PROBLEMS)]
        (here / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        subprocess.run(command(here / "model", here, "whole"), check=True, stdout=subprocess.DEVNULL)
        cut, samples = command(here / "model", here, "cut"), here / "cut" / SAMPLES
        kept = []
        for _ in range(args.kills):
            kept.append(kill_once(cut, samples, rng.randint(1, 12), rng.uniform(0, 0.05)))
        subprocess.run(cut, check=True, stdout=subprocess.DEVNULL)
        times = Counter((row["problem"], row["sample"]) for row in map(json.loads, samples.read_text().splitlines()))
        print(f"answers kept after each kill: {kept}")
        print(f"in the end {len(times)} of {ANSWERS} answers, each at most {max(times.values())} time(s)")
        same = answers(here / "cut") == answers(here / "whole")
        print("they are those of the undisturbed evaluation" if same else "THEY DIFFER from the undisturbed evaluation")
        if not same or len(times) != ANSWERS or max(times.values()) != 1:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
