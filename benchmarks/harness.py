"""GSM8K by Ponder and by lm-evaluation-harness: the same questions, the same greedy answers, the same score, and how long it takes.

    python benchmarks/harness.py MODEL --data DIR --harness-python PATH [--rows 200] [--batch 1 --batch 32] [--server]
    python benchmarks/harness.py MODEL --data DIR --harness-python PATH --rows 1319 --server-only --to evals/gsm8k

MODEL is a checkpoint with a chat template; DIR holds gsm8k_test.jsonl; PATH is the Python of an environment with lm-eval
(benchmarks/peers/README.md). Both ask `--rows` problems, evenly spaced, with the prompt of Ponder's greedy protocol: Ponder's
`ponder eval` with its exact engine, the harness with its hf backend, in each `--batch` (its default is one row at a time); its best
counts. Times hold asking and judging, not imports and loading. With `--server` the harness also asks a `ponder serve --exact`,
which must give the answers of `ponder eval`, word for word.

The harness scores its answers by its own filters (the last number), Ponder by its verifier (the boxed answer, or what stands for
one); where the two differ on one answer, it is printed.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

from headline import headline
from rich.console import Console
from rich.table import Table
from served import served

from ponder.clients.evaluate import Asking, evaluate
from ponder.evals.evaluate import Wanted, prepare
from ponder.evals.records import Sample
from ponder.tasks.prompts import ask

HERE = Path(__file__).parent
SHOWN = 3


def ponder_eval(model: str, wanted: Wanted, directory: Path) -> tuple[list[Sample], float]:
    """Its answers in the order of the problems, and seconds from the first question to the last answer."""
    begun = [0.0]

    def say(line: str) -> None:
        if "they are kept in" in line:  # the last line before the first question
            begun[0] = time.perf_counter()
        print(line)

    _, found = evaluate(model, wanted, directory, Asking(), say)
    seconds = time.perf_counter() - begun[0]
    samples = {sample.problem: sample for sample in found.samples}
    return [samples[problem.id] for problem in found.problems], seconds


def harness(python: Path, rows: Path, max_tokens: int, dtype: str, *how: str) -> dict:
    command = [str(python), str(HERE / "peers/harness_gsm8k.py"), "--data", str(rows), "--max-tokens", str(max_tokens)]
    command += ["--prompt", ask("{question}", "boxed"), "--dtype", dtype, *how]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the harness has failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout)


def write_rows(wanted: Wanted, data: Path, to: Path) -> None:
    """The rows of the problems that are asked, for the harness."""
    (bench,) = prepare(wanted)
    lines = (data / "gsm8k_test.jsonl").read_text(encoding="utf-8").splitlines()
    places = [int(problem.place.rpartition(", line ")[2]) - 1 for problem in bench.problems]
    to.write_text("".join(lines[place] + "\n" for place in places), encoding="utf-8")


def timed(
    console: Console,
    ours: list[Sample],
    seconds: float,
    batches: list[int],
    model: str,
    python: Path,
    rows: Path,
    max_tokens: int,
    dtype: str,
) -> dict:
    """Print what the hf backend takes against Ponder's seconds; returns its best."""
    table = Table()
    for column in ("", "s", "tokens", "tokens/s", "Ponder is faster by"):
        table.add_column(column, justify="left" if not column else "right")
    tokens = sum(sample.tokens or 0 for sample in ours)
    table.add_row("ponder eval", f"{seconds:.1f}", f"{tokens:,}", f"{tokens / seconds:.0f}", "")
    found = []
    for batch in batches:
        theirs = harness(python, rows, max_tokens, dtype, "--model", model, "--batch", str(batch))
        found.append(theirs)
        named = f"lm-evaluation-harness {theirs['version']}, hf, batch {batch}"
        table.add_row(named, f"{theirs['seconds']:.1f}", "", "", f"{theirs['seconds'] / seconds:.1f}")
    console.print(table)
    return min(found, key=lambda theirs: theirs["seconds"])


def compare(console: Console, ours: list[Sample], theirs: dict, name: str) -> int:
    """Print how many answers are the same, and what each scorer says of them; returns how many answers differ."""
    answers = theirs["answers"]
    same = [sample.content.strip() == answer["text"].strip() for sample, answer in zip(ours, answers, strict=True)]
    correct = [sample.status == "correct" for sample in ours]
    flexible = [answer["flexible"] == 1 for answer in answers]
    console.print(
        f"{name}: {sum(same)} of {len(same)} answers are the same, word for word; correct by Ponder's verifier "
        f"{sum(correct)}, by the harness's last number {sum(flexible)}, by its '#### ' {sum(a['strict'] for a in answers):.0f}"
    )
    apart = [n for n in range(len(ours)) if same[n] and correct[n] != flexible[n]]
    console.print(f"the same answer, judged differently: {len(apart)}")
    for n in apart[:SHOWN]:
        console.print(
            f"  {ours[n].problem}: Ponder {ours[n].status} (read {ours[n].parsed!r}), the harness "
            f"{'correct' if flexible[n] else 'wrong'}: ...{ours[n].content[-160:]!r}",
            markup=False,
        )
    return len(same) - sum(same)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--harness-python", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--batch", type=int, action="append", help="of the hf backend (repeatable; 32)")
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--server-only", action="store_true", help="nothing is timed, and the hf backend not asked")
    parser.add_argument(
        "--to", type=Path, help="where Ponder's answers are kept; those that are there are not asked again"
    )
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="that the checkpoint has")
    args = parser.parse_args()
    console = Console()
    console.print(headline(args.dtype, f"{args.rows} problems, {args.max_tokens} tokens"))
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)

        wanted = Wanted(("gsm8k",), "greedy", (args.data,), rows=args.rows, max_tokens=args.max_tokens)
        write_rows(wanted, args.data, here / "rows.jsonl")
        ours, seconds = ponder_eval(args.model, wanted, args.to or here / "ours")
        if not args.server_only:
            asked = (args.model, args.harness_python, here / "rows.jsonl", args.max_tokens, args.dtype)
            best = timed(console, ours, seconds, args.batch or [32], *asked)
            compare(console, ours, best, f"the hf backend, batch {best['batch']}")
        if args.server or args.server_only:
            with served(Path(args.model), "--exact") as (url, _):
                how = ("--url", url, "--name", "it", "--batch", "32")
                theirs = harness(args.harness_python, here / "rows.jsonl", args.max_tokens, args.dtype, *how)
            if compare(console, ours, theirs, "the harness against ponder serve --exact"):
                raise SystemExit("the server has answered otherwise than ponder eval")


if __name__ == "__main__":
    main()
