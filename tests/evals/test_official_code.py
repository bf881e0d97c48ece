"""Programs, the way of an evaluation, against the official judges' verdicts, one by one. What differs has a test of its own or
a name in DIFFERENT.
"""

import json
from pathlib import Path

import pytest

from ponder.evals.data import load_problems
from ponder.evals.loading import load_protocol
from ponder.tasks import Task
from ponder.verifiers import Response, Verification
from tests.evals.official_peers import (
    accepted,
    broken,
    humaneval_program,
    livecodebench_program,
    mbpp_program,
    subtly_wrong,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"
EVERY = [pytest.param(40, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def verification():
    with Verification() as verification:
        yield verification


def rows_of(name: str) -> list[dict]:
    if not (SHARED / name).is_file():
        pytest.skip(f"{name} is not at ../shared/data")
    return [json.loads(line) for line in (SHARED / name).open(encoding="utf-8")]


def judged(verification: Verification, pairs: list[tuple[Task, str]]) -> list[str]:
    answers = [(task, Response("", f"```python\n{code}\n```", True, False)) for task, code in pairs]
    return [verdict.status for verdict in verification.verify_all(answers)]


def agreement(name: str, kind: str, statuses: list[str], official: list[bool]) -> None:
    assert {*statuses} <= {"correct", "wrong"}, statuses
    agree = sum((status == "correct") == right for status, right in zip(statuses, official, strict=True))
    print(f"{name}, {kind}: {agree} of {len(official)} as the official judge has it, {sum(official)} of them right")
    assert agree == len(official)


@pytest.mark.parametrize("step", EVERY)
def test_mbpp(verification, step):
    rows = {f"{row['task_id']}": row for row in rows_of("mbpp.jsonl")}
    tasks = load_problems(load_protocol("mbpp"), [SHARED]).tasks[::step]
    row_of = [rows[task.metadata["task_id"]] for task in tasks]
    right = [row["code"] for row in row_of]
    assert judged(verification, list(zip(tasks, right, strict=True))) == ["correct"] * len(tasks)
    agreement("MBPP", "solutions", ["correct"] * len(tasks), accepted(list(map(mbpp_program, row_of, right))))
    wrong = list(map(broken, right))
    agreement(
        "MBPP", "broken ones", judged(verification, list(zip(tasks, wrong, strict=True))),
        accepted(list(map(mbpp_program, row_of, wrong))),
    )  # fmt: skip
    changed = [(t, r, code) for t, r, c in zip(tasks, row_of, right, strict=True) if (code := subtly_wrong(c))]
    agreement(
        "MBPP", "one thing changed", judged(verification, [(task, code) for task, _, code in changed]),
        accepted([mbpp_program(row, code) for _, row, code in changed]),
    )  # fmt: skip


@pytest.mark.parametrize("step", EVERY)
def test_humaneval(verification, step):
    rows = rows_of("humaneval.jsonl")[:: max(1, step // 3)]
    tasks = load_problems(load_protocol("humaneval"), [SHARED]).tasks[:: max(1, step // 3)]
    assert [task.metadata["task_id"] for task in tasks] == [row["task_id"] for row in rows]
    kinds = {"solutions": lambda whole, name: whole, "broken ones": broken, "one thing changed": subtly_wrong}
    for kind, change in kinds.items():
        # A model completes the function alone: helpers of the prompt stay as they are.
        wholes = [change(row["prompt"] + row["canonical_solution"], row["entry_point"]) for row in rows]
        some = [(t, r, code) for t, r, code in zip(tasks, rows, wholes, strict=True) if code]
        # A whole program takes the completion's place behind the prompt, whose function it defines again.
        official = accepted([humaneval_program(row, f"    pass\n{code}") for _, row, code in some])
        agreement("HumanEval", kind, judged(verification, [(task, code) for task, _, code in some]), official)


# ---- LiveCodeBench's judge, on packed tests of its form ----

SUM = "print(sum(map(int, input().split())))"
STDIN_CASES = [
    ("the answer", "1 2", "3", SUM),
    ("another answer", "1 2", "4", SUM),
    ("white space around lines", "1 2", "3 \n", "print('  3  \\n\\n')"),
    ("a line more", "1", "1", "print('1\\n2')"),
    ("a line less", "1", "1\n2", "print(1)"),
    ("an empty line between", "1", "1\n2", "print('1\\n\\n2')"),
    ("decimals by their value", "1", "0.50 2", "print('0.5 2.000')"),
    ("exponents", "1", "100", "print('1e2')"),
    ("nearly the same number", "1", "0.333333", "print(1 / 3)"),
    ("spaces between words count", "1", "a b", "print('a  b')"),
    ("spaces between numbers do not", "1", "1 2", "print('1   2')"),
    ("case counts", "1", "YES", "print('Yes')"),
    ("behind a main guard", "1 2", "3", f"def main():\n    {SUM}\nif __name__ == '__main__':\n    main()"),
    ("it raises", "1", "1", "print(1)\nraise ValueError"),
    ("it leaves when it is done", "1", "1", "print(1)\nsys.exit()"),
]
CALLED = [
    ("a method", "[1, 2]\n3", "6", "class Solution:\n    def add(self, a, b):\n        return sum(a) + b", "add"),
    ("a function", "2", "[2, 2]", "def twice(n):\n    return [n, n]", "twice"),
    ("a tuple for a list", "2", "[2, 2]", "def twice(n):\n    return (n, n)", "twice"),
    ("a tuple within a list", "2", "[[2, 2]]", "def twice(n):\n    return [(n, n)]", "twice"),
    ("a whole number for a decimal", "2", "2.0", "def same(n):\n    return n", "same"),
    ("another type", "2", "2", "def same(n):\n    return str(n)", "same"),
    ("nothing", "2", "null", "def same(n):\n    return None", "same"),
    ("almost the same decimal", "1", "0.3", "def f(n):\n    return 0.1 + 0.2", "f"),
]

# An answer crosses to the tests as data, in which a tuple is a list; LiveCodeBench's judge forgives the outermost one alone.
DIFFERENT = {"a tuple within a list": "correct"}


def packed(number: int, cases: list[dict], name: str | None) -> dict:
    return {
        "question_id": f"q{number}", "question_content": f"Question {number}?", "starter_code": "",
        "public_test_cases": json.dumps(cases), "private_test_cases": "[]",
        "metadata": json.dumps({"func_name": name} if name else {}),
    }  # fmt: skip


def test_livecodebench(tmp_path, verification):
    rows, programs, official = [], [], []
    for case in (*STDIN_CASES, *CALLED):
        _, given, wanted, code, *called = case
        name = called[0] if called else None
        cases = [{"input": given, "output": wanted, "testtype": "functional" if name else "stdin"}]
        rows.append(packed(len(rows), cases, name))
        programs.append(code)
        official.append(livecodebench_program(cases, code, name))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "own.yaml").write_text("data: {file: rows.jsonl}\nverifier: code\n")
    tasks = load_problems(load_protocol(tmp_path / "own.yaml")).tasks
    said = judged(verification, list(zip(tasks, programs, strict=True)))
    wanted = accepted(official)
    names = [case[0] for case in (*STDIN_CASES, *CALLED)]
    differing = {n: s for n, s, w in zip(names, said, wanted, strict=True) if (s == "correct") != w}
    print(f"LiveCodeBench: {len(names) - len(differing)} of {len(names)} as its judge has it; not so: {differing}")
    assert differing == DIFFERENT and 8 <= sum(wanted) <= 16


EQUALS_EVERYTHING = """
class Any:
    def __eq__(self, other):
        return True

def greatest_common_divisor(a, b):
    return Any()
"""
REDEFINES_A_HELPER = """
def encode_shift(s):
    return s

def decode_shift(s):
    return s
"""


@pytest.mark.parametrize(
    ("task_id", "code"), [("HumanEval/13", EQUALS_EVERYTHING), ("HumanEval/50", REDEFINES_A_HELPER)]
)
def test_what_is_right_for_the_official_judges_alone(verification, task_id, code):
    """They execute program and tests in one space. Here no object of the program answers a comparison, and the helpers of a
    prompt belong to the tests."""
    row = next(row for row in rows_of("humaneval.jsonl") if row["task_id"] == task_id)
    tasks = load_problems(load_protocol("humaneval"), [SHARED]).tasks
    task = next(task for task in tasks if task.metadata["task_id"] == task_id)
    assert accepted([humaneval_program(row, f"    pass\n{code}")]) == [True]
    assert judged(verification, [(task, code)]) == ["wrong"]
