"""The parts of the code verifier that need no sandbox: what the program is, what is asked, what a report means."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.sandbox.job import Report, TestResult
from ponder.tasks import Task
from ponder.verifiers import Response, reference_response, shown_reference
from ponder.verifiers.code.verifier import decide, describe_tests, extract_program, job_of, verdict_of

CALLS = [
    {"function": "f", "args": [1], "expected": 2},
    {"function": "f", "args": [2], "kwargs": {"k": "x"}, "expected": None},
]


def coding(tests=CALLS, metadata=None, **reference) -> Task:
    return Task(
        ({"role": "user", "content": "Q"},), "code", "code", {"tests": tests, **reference}, metadata=metadata or {}
    )


def said(content: str) -> Response:
    return Response("", content, thinking_closed=True, truncated=False)


@pytest.mark.parametrize(
    ("content", "program"),
    [
        ("```python\nx = 1\n```", "x = 1\n"),
        ("```\nx = 1\n```", "x = 1\n"),
        ("~~~py\nx = 1\n~~~", "x = 1\n"),
        ("``` python title=a.py\nx = 1\n```  \nThat is it.", "x = 1\n"),
        ("text\n```python\na\n```\nbetter:\n```python\nb\n```", "b\n"),
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''\n"),
        ("```python\nx\n`````", "x\n"),
        ("~~~\n```\n~~~", "```\n"),
        ("```python\r\nx = 1\r\n```\r\n", "x = 1\r\n"),
        ("1. so:\n   ```python\n   if x:\n       y\n   ```", "if x:\n    y\n"),
        ("```python\nx = '\u2028\x0c'\n```", "x = '\u2028\x0c'\n"),
        ("```python\na\n```\nIt prints:\n```text\n5\n```", "a\n"),
        ("```python\na\n```\n```bash\npython a.py\n```", "a\n"),
        ("```cpp\nint main() {}\n```", "int main() {}\n"),
        ("inline ```code``` only\n```python\na\n```", "a\n"),
        ("```python\na\n``` not the end\n```", "a\n``` not the end\n"),
        # no program
        ("no fence at all", None),
        ("", None),
        ("```python\nx = 1\n", None),
        ("```python\nold\n```\n```python\nhalf of a new o", None),
        ("```python\nx\n``", None),
        ("```python\nx\n~~~", None),
        ("```python\n```", None),
        ("```python\n \n\n```", None),
        ("```python\nold\n```\n```python\n```", None),
        ("```print(1)```", None),
        ("```text\njust text\n```", None),
        ("see ```python\nx\n", None),
    ],
)
def test_the_last_closed_fence_is_the_program(content, program):
    assert extract_program(content) == program


LINES = st.text(st.characters(exclude_characters="\n"), max_size=30)


@settings(deadline=None)  # a busy machine is no fault of the code
@given(
    before=st.lists(LINES.filter(lambda line: "```" not in line and "~~~" not in line)),
    program=st.lists(LINES, min_size=1).filter(lambda lines: "".join(lines).strip()),
    after=st.lists(LINES.filter(lambda line: "```" not in line and "~~~" not in line)),
    sign=st.sampled_from("`~"),
    tag=st.sampled_from(["", "python", " py3 ", "Python hl_lines=2"]),
    extra=st.integers(0, 3),
)
def test_whatever_is_fenced_comes_out_as_it_was(before, program, after, sign, tag, extra):
    """With a fence longer than any run of its sign inside, any text at all survives."""
    longest = max((len(run) for line in program for run in re.findall(re.escape(sign) + "+", line)), default=0)
    fence = sign * max(3, longest + 1)
    content = "\n".join([*before, f"{fence}{tag}", *program, fence + sign * extra, *after])
    assert extract_program(content) == "\n".join(program) + "\n"
    assert extract_program("\n".join([*before, f"{fence}{tag}", *program])) is None, "never closed"


@settings(deadline=None)
@given(st.text(st.sampled_from("`~ \n\rpyx"), max_size=200))
def test_no_content_is_too_odd(content):
    program = extract_program(content)
    assert program is None or (program.strip() and program.endswith("\n"))


def test_extraction_is_linear():
    for piece in ("```\n", "`" * 100 + "x`\n", "~~~ ```\n", " " * 50 + "```python\nx\n```\n", "x" * 99 + "\n"):
        content = piece * (2_000_000 // len(piece))
        began = time.process_time()
        extract_program(content)
        assert time.process_time() - began < 10, piece


def test_programs_and_unparseable_responses():
    program = decide(coding(), said("```python\nx\n```"))
    assert (program.parsed, program.task) == ("x\n", coding())
    verdict = decide(coding(), said("def f(x): return x + 1"))
    assert (verdict.status, verdict.score) == ("unparseable", 0.0)
    assert "fence" in verdict.reason


def test_the_whole_content_where_the_task_says_so():
    task = coding(metadata={"whole_content": True})
    assert decide(task, said("print(1)\n")).parsed == "print(1)\n"
    assert decide(task, said("```\nprint(1)\n```")).parsed == "```\nprint(1)\n```"


def report(outcome: str, passed: int = 0, total: int = 2, **result) -> Report:
    results = [TestResult("passed")] * passed + [TestResult(outcome, result.pop("reason", "because"), **result)]
    return Report(outcome, "test 1 of 2: because", passed, total, results)


def test_passing_all_tests_is_correct():
    verdict = verdict_of(Report("passed", "", 2, 2), job_of(coding()), False)
    assert (verdict.status, verdict.score) == ("correct", 1.0)


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        ("wrong_answer", "wrong answer"),
        ("runtime_error", "runtime error"),
        ("timeout", "time limit"),
        ("memory", "memory limit"),
        ("output_limit", "output limit"),
        ("compile_error", "compile error"),
    ],
)
def test_whatever_the_program_did_is_wrong(outcome, name):
    """Its own timeout too: that is the program's fault, not the verifier's."""
    verdict = verdict_of(report(outcome, 1), job_of(coding()), False)
    assert (verdict.status, verdict.score) == ("wrong", 0.0)
    assert verdict.reason.startswith(f"{name}: test 1 of 2: because")
    fraction = verdict_of(report(outcome, 1), job_of(coding(metadata={"score": "fraction"})), True)
    assert (fraction.status, fraction.score) == ("wrong", 0.5)
    assert fraction.reason.endswith("passes 1 of 2 tests")


def test_what_the_sandbox_did_is_never_a_zero():
    for fraction in (False, True):
        verdict = verdict_of(report("infrastructure_error", 1), job_of(coding()), fraction)
        assert (verdict.status, verdict.score) == ("error", None)


def test_the_first_failing_test_is_explained():
    reason = verdict_of(report("wrong_answer", 1, got="3"), job_of(coding()), False).reason
    assert 'f(2, k="x"), expected null' in reason and "got '3'" in reason
    printing = job_of(coding([{"stdin": "5\n", "stdout": "25\n"}]))
    reason = verdict_of(report("wrong_answer", 0, 1, got="26"), printing, False).reason
    assert "input '5\\n', expected '25\\n'; got '26'" in reason
    traceback = 'File "tests.py", line 2, in check\n    assert f(1) == 2\nAssertionError\n'
    testing = job_of(coding([{"code": "def check(f):\n    assert f(1) == 2"}]))
    assert (
        "test code 'assert f(1) == 2'"
        in verdict_of(report("wrong_answer", 0, 1, stderr=traceback), testing, False).reason
    )
    forged = 'File "tests.py", line 99999'
    assert "test code 'def check" in verdict_of(report("wrong_answer", 0, 1, stderr=forged), testing, False).reason


def test_reasons_are_short_and_can_be_written():
    task = coding([{"function": "f", "args": ["x" * 10**6], "expected": "\ud800" * 10**6}] * 100)
    verdict = verdict_of(report("wrong_answer", 0, 100, got="\ud800" * 2_000), job_of(task), False)
    for text in (verdict.reason, verdict.reference, shown_reference(task)):
        assert len(text) < 2_500
        text.encode()


def test_fractions_run_all_tests_and_others_stop():
    assert job_of(coding()).stop_at_failure
    assert not job_of(coding(metadata={"score": "fraction"})).stop_at_failure
    with pytest.raises(ValueError, match="the score of a code task is 'some'"):
        verdict_of(Report("passed", "", 2, 2), job_of(coding(metadata={"score": "some"})), False)


def test_the_reference_response_is_the_solution():
    assert reference_response(coding()) is None
    solution = "x = '''\n```\n'''"
    response = reference_response(coding(metadata={"solution": solution}))
    assert extract_program(response.content) == solution + "\n"
    whole = reference_response(coding(metadata={"solution": solution, "whole_content": True}))
    assert whole.content == solution


def test_shown_references():
    assert shown_reference(coding()) == '2 tests: f(1), expected 2; f(2, k="x"), expected null'
    assert shown_reference(Task(({"role": "user", "content": "Q"},), "m", "math", "7")) == "7"
    assert shown_reference(Task(({"role": "user", "content": "Q"},), "c", "code", "7")) == "no tests"
    for odd in ({}, None, 5, {"stdin": 5, "stdout": "x"}, {"function": "f", "args": 5, "expected": 1}, {"code": None}):
        assert shown_reference(coding([odd])) == "1 test: a test of no known form", "a record never fails"
    assert shown_reference(coding([{"function": "f", "expected": 1}])) == "1 test: f(), expected 1"
    assert describe_tests(job_of(coding([{"stdin": "", "stdout": "1"}])).tests) == "1 test: input '', expected '1'"
