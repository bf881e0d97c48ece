"""Pairs a second for each verifier; for mathematics against math-verify, called plainly and in a process pool.

    python benchmarks/verifiers.py [--run RUN] [--pairs N]

Ordinary mathematics are the answers of GSM8K and MATH-500 (looked for as ponder.tasks.jsonl_tasks does): the worked
solution, which is right, and another problem's answer in a box, which is wrong unless it happens to be equal. All
figures are for one process, one pair after another; first-time parsing of references is included. `--run` names the
directory of a finished RL run, whose steps' waiting for verdicts is added.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from headline import headline
from math_verify import parse, verify

from ponder.tasks import Task, jsonl_tasks
from ponder.tasks.benchmarks import find_benchmark
from ponder.tasks.jsonl import read_rows
from ponder.verifiers import Response, Verification
from ponder.verifiers.audit.corpora import CORPORA, load_corpus
from ponder.verifiers.audit.measure import verify_pairs
from ponder.verifiers.files.rows import LabelledPair

Pair = tuple[str, str]  # response, reference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run directory, for the share of its RL steps that waits")
    parser.add_argument("--pairs", type=int, default=1_000, help="most pairs of a kind for math-verify, which is slow")
    arguments = parser.parse_args()
    print(headline())
    print("\nOrdinary mathematics, pairs a second and milliseconds a pair:")
    for name, pairs in {"gsm8k, right": gsm8k(), "math500, right": math500(0), "math500, wrong": math500(7)}.items():
        against_math_verify(name, pairs, arguments.pairs)
    print("\nLabelled corpora, hostile rows among them:")
    with Verification() as verification:
        for verifier in CORPORA:
            seconds = [judged.seconds for judged in verify_pairs(verification, load_corpus(verifier), lambda _: None)]
            print(f"  {verifier:16}{rates(seconds)}")
    if arguments.run:
        waiting(arguments.run)


def gsm8k() -> list[Pair]:
    rows = [row for _, row in read_rows(find_benchmark("gsm8k_test"))]
    tasks = jsonl_tasks("gsm8k_test")
    return [
        (f"{row['answer'].split('####')[0]}\nThe answer is \\boxed{{{task.reference}}}.", task.reference)
        for row, task in zip(rows, tasks, strict=True)
    ]


def math500(shift: int) -> list[Pair]:
    """Each problem's reference with its own worked solution, or the boxed answer of the problem `shift` further on."""
    rows = [row for _, row in read_rows(find_benchmark("math500"))]
    others = rows[shift:] + rows[:shift]
    return [
        (f"So it is $\\boxed{{{other['answer']}}}$." if shift else row["solution"], row["answer"])
        for row, other in zip(rows, others, strict=True)
    ]


def against_math_verify(name: str, pairs: Sequence[Pair], most: int) -> None:
    with Verification() as verification:
        labelled = [
            LabelledPair(
                str(i), Task(({"role": "user", "content": ""},), "math", "math", reference), said(response), None, ""
            )
            for i, (response, reference) in enumerate(pairs)
        ]
        ours = [judged.seconds for judged in verify_pairs(verification, labelled, lambda _: None)]
        workers = len(verification.pool.process_ids())
    some = pairs[:most]
    plain = timed(plainly, some)
    with ProcessPoolExecutor(2) as processes:
        list(processes.map(plainly, some[:4]))  # they import sympy
        started = time.perf_counter()
        list(processes.map(plainly, some, chunksize=8))
        pooled = time.perf_counter() - started
    own_rate, plain_rate, pool_rate = len(ours) / sum(ours), len(plain) / sum(plain), len(some) / pooled
    print(f"  {name} ({len(pairs)} pairs, {'some' if workers else 'none'} left to worker processes)")
    print(f"    {'ponder':28}{rates(ours)}")
    print(f"    {'math-verify, plainly':28}{rates(plain)}; ponder has {own_rate / plain_rate:.0f} times its rate")
    print(
        f"    {'math-verify, 2 processes':28}{pool_rate:9,.0f} /s; ponder's one has {own_rate / pool_rate:.0f} times its rate"
    )


def plainly(pair: Pair) -> bool:
    response, reference = pair
    return verify(parse(f"${reference}$"), parse(response))


def said(response: str) -> Response:
    return Response("", response, thinking_closed=True, truncated=False)


def timed(function: Callable[[Pair], object], pairs: Sequence[Pair]) -> list[float]:
    seconds = []
    for pair in pairs:
        started = time.perf_counter()
        function(pair)
        seconds.append(time.perf_counter() - started)
    return seconds


def rates(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    median, p99 = (1000 * ordered[int(q * len(ordered))] for q in (0.5, 0.99))
    return f"{len(seconds) / sum(seconds):9,.0f} /s, median {median:.3f} ms, p99 {p99:.2f} ms, most {1000 * ordered[-1]:.1f} ms"


def waiting(run: Path) -> None:
    """The share of the RL steps' time between the last sampled token and the last verdict."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [row for row in rows if "time/verify_s" in row]
    share = sum(row["time/verify_s"] for row in steps) / sum(row["time/step_s"] for row in steps)
    print(f"\n{run}: {share:.1%} of {len(steps)} RL steps' time is spent waiting for verdicts")


if __name__ == "__main__":
    main()
