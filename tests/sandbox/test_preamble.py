"""Python that comes before a program: LiveCodeBench's imports, HumanEval's helpers."""

import pytest

from ponder.sandbox import CallTest, CodeTest, Job, StdioTest
from ponder.tasks.livecodebench import PREAMBLE

ECHO = [StdioTest(stdin="4\n", stdout="2")]
SUM = [CallTest(function="total", args=[[1, 2]], expected=3)]


@pytest.mark.parametrize(
    ("source", "tests"),
    [
        ("print(isqrt(int(input())))", ECHO),
        ("from __future__ import annotations\nprint(isqrt(int(input())))\nx: Nowhere = 1", ECHO),
        ("print(sys.getrecursionlimit() // 25_000, flush=True); os = 1", ECHO),
        ("print(2 if pow(2, 3, 5) == 3 else 0)", ECHO),  # the builtin, not that of math
        ("class Solution:\n    def total(self, n: List[int]) -> int:\n        return sum(n)", SUM),
        ("def total(n: List[int]) -> int: return sum(n)", SUM),
        (
            "class Solution:\n    def product(self, n: List[int]) -> int:\n        return prod(n)",
            [CallTest(function="product", args=[[2, 3]], expected=6)],  # not the preamble's itertools.product
        ),
    ],
)
def test_programs_lean_on_their_preamble(sandbox, source, tests):
    job = Job(source=source, tests=tests, preamble=PREAMBLE, compare="lines")
    report = sandbox.run(job)
    assert report.outcome == "passed", report
    assert sandbox.run(job.model_copy(update={"preamble": ""})).outcome != "passed" or "pow" in source


def test_the_programs_lines_keep_their_numbers(sandbox):
    report = sandbox.run(Job(source="x = 1\n1 / 0\n", tests=ECHO, preamble="import math\n\n\n"))
    assert 'main.py", line 2, in <module>\n    1 / 0\n' in report.results[0].stderr
    report = sandbox.run(Job(source="\n\nx = = 1\n", tests=ECHO, preamble="import math\n"))
    assert 'main.py", line 3\n' in report.results[0].stderr


def test_a_preambles_helpers_are_known_to_tests_and_program(sandbox):
    helper = "def half(x):\n    return x / 2\n"
    tests = [CodeTest(code="def check(f):\n    assert f(4) == half(4) + 1", entry_point="f", setup=helper)]
    assert sandbox.run(Job(source="def f(x): return half(x) + 1", tests=tests, preamble=helper)).outcome == "passed"
    assert sandbox.run(Job(source="def f(x): return half(x) + 2", tests=tests, preamble=helper)).outcome != "passed"


def test_preambles_are_for_python():
    with pytest.raises(ValueError, match="a preamble is Python"):
        Job(source="int main() {}", language="cpp", tests=ECHO, preamble="x")
