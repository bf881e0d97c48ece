"""How fast stored answers are scored: HumanEval's own solutions, and thousands of answers where no code runs.

    python benchmarks/eval_scoring.py [--answers N] [--data DIR]

The way of an evaluation: load_problems, then Verification. Answers are made from the data: a right and a wrong one for each
problem by turns, with some text before the answer as a model writes it; IFEval's are 2,000 characters long and follow
some of the instructions. No two answers are the same text. Times count from the first answer handed in to the last verdict; loading is told by itself.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence

from headline import headline

from ponder.evals.data import load_problems
from ponder.evals.loading import load_protocol
from ponder.tasks import Task
from ponder.verifiers import Response, Verification, reference_response

TALK = "Let me think about what is asked, step by step.\n" + "First, 12 + 30 = 42, and then half of it is 21.\n" * 8
TEXT = "the quick brown fox jumps over the lazy dog and goes home to write a *short letter* about its day\n" * 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=10_000, help="stored answers of each benchmark")
    parser.add_argument("--data", action="append", default=[], help="a directory with benchmarks")
    arguments = parser.parse_args()
    with Verification() as verification:
        isolation = verification.grader("code").start()["isolation"]
        print(headline(f"isolation {isolation}"))
        humaneval(verification, arguments.data)
        print("\n| benchmark | answers | seconds | answers a minute | verdicts |\n| --- | --- | --- | --- | --- |")
        for name, answer in {
            "gsm8k": boxed,
            "math500": boxed,
            "mmlu_stem": letter,
            "ifeval": prose,
            "bfcl": calls,
        }.items():
            stored(verification, name, arguments.data, arguments.answers, answer)


def humaneval(verification: Verification, data: Sequence[str]) -> None:
    tasks = load_problems(load_protocol("humaneval"), data).tasks
    pairs = [(task, answer) for task in tasks if (answer := reference_response(task)) is not None]
    began = time.perf_counter()
    verdicts = verification.verify_all(pairs)
    seconds = time.perf_counter() - began
    correct = sum(verdict.status == "correct" for verdict in verdicts)
    print(f"HumanEval: {correct} of {len(tasks)} solutions are correct, in {seconds:.1f} s (goal: under 10 s)")


def stored(
    verification: Verification,
    name: str,
    data: Sequence[str],
    count: int,
    answer: Callable[[Task, bool, str], Response],
) -> None:
    tasks = load_problems(load_protocol(name), data).tasks
    pairs = [
        (task := tasks[n % len(tasks)], answer(task, (n // len(tasks) + n) % 2 == 0, f"Attempt {n}. {TALK}"))
        for n in range(count)
    ]
    began = time.perf_counter()
    verdicts = verification.verify_all(pairs)
    seconds = time.perf_counter() - began
    statuses = ", ".join(f"{number:,} {status}" for status, number in Counter(v.status for v in verdicts).most_common())
    print(f"| {name} | {count:,} | {seconds:.1f} | {60 * count / seconds:,.0f} | {statuses} |")


def boxed(task: Task, right: bool, talk: str) -> Response:
    return Response("", f"{talk}So the answer is $\\boxed{{{task.reference if right else '17.5'}}}$.", True, False)


def letter(task: Task, right: bool, talk: str) -> Response:
    wrong = "A" if task.reference != "A" else "B"
    return Response("", f'{talk}"answer": "{task.reference if right else wrong}"', True, False)


def prose(task: Task, right: bool, talk: str) -> Response:
    text = talk + TEXT
    return Response("", text if right else text.replace("fox", "Fox, a red one,").title(), True, False)


def calls(task: Task, right: bool, talk: str) -> Response:
    stated = reference_response(task)
    return (
        stated if right and stated is not None else Response("", f"{talk}I cannot call a function here.", True, False)
    )


if __name__ == "__main__":
    main()
