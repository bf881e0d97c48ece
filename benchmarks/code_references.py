"""How many of a benchmark's own reference solutions the code verifier calls correct; each that it does not, with why.

    python benchmarks/code_references.py [humaneval mbpp ...] [--url URL]

Data sets are found as `ponder.tasks.jsonl_tasks` finds them (PONDER_DATA, ./data, ../shared/data). Programs run in the
sandbox of this machine, or with `--url` on a server (ponder sandbox serve).
"""

import argparse
import time
from collections import Counter

from headline import headline

from ponder.recipe.schema import SandboxSettings
from ponder.tasks import jsonl_tasks
from ponder.verifiers import Verification, reference_response


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["humaneval", "mbpp"], help="benchmarks, or files")
    parser.add_argument("--url", action="append", default=[], help="a server, instead of this machine")
    arguments = parser.parse_args()
    with Verification(sandbox=SandboxSettings(urls=arguments.url)) as verification:
        level = verification.grader("code").start()["isolation"]
        print(headline(f"isolation {level}"))
        for name in arguments.names:
            score(name, verification)


def score(name: str, verification: Verification) -> None:
    tasks = jsonl_tasks(name, verifier="code")
    pairs = [(task, response) for task in tasks if (response := reference_response(task)) is not None]
    began = time.monotonic()
    verdicts = verification.verify_all(pairs)
    seconds = time.monotonic() - began
    counts = Counter(verdict.status for verdict in verdicts)
    print(
        f"{name}: {counts['correct']} of {len(pairs)} reference solutions are correct "
        f"({len(tasks)} tasks, {seconds:.1f} s); {dict(counts)}"
    )
    for (task, _), verdict in zip(pairs, verdicts, strict=True):
        if verdict.status != "correct":
            print(f"  {task.metadata.get('task_id', task.id)}: {verdict.status}: {verdict.reason[:300]}")


if __name__ == "__main__":
    main()
