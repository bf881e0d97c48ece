"""The code verifier: the response's program against the task's tests, in a sandbox.

Here are the parts that need no sandbox: what of a response is its program, what the sandbox is asked, and what its
report means as a verdict. ponder.verifiers.code.runs does the asking.

A task of this verifier has as reference the tests (ponder.tasks.code_tests), and in its metadata, all optional:
`solution`, a program that is right; `whole_content`, where the response is the program without a fence; `score`,
"all" (the default: 1 when all tests pass, else 0) or "fraction" (of the tests passed).
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from ponder.sandbox.job import CodeTest, Job, Report
from ponder.tasks.task import Task
from ponder.verifiers.response import Response
from ponder.verifiers.score_rule import scores_fraction
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verifier import Submission

FENCE = re.compile(r"[ \t]*(`{3,}(?=[^`]*$)|~{3,})(.*)", re.DOTALL)
TEST_LINE = re.compile(r'File "tests\.py", line ([1-9][0-9]{0,6})\b')
# Tags of fences that show something beside the program: its output, how to run it. Any other tag may name a language.
NOT_PROGRAMS = {"text", "txt", "plaintext", "output", "stdout", "stdin", "input", "console", "terminal", "pycon"}
NOT_PROGRAMS |= {"bash", "sh", "shell", "json", "yaml", "csv", "markdown", "md", "diff", "math", "latex"}
SHOWN = 300  # characters of a value that a reason shows
ENCODER = json.JSONEncoder(ensure_ascii=False)
DESCRIBED = 500  # characters of a reference for people

OUTCOMES = {
    "wrong_answer": "wrong answer",
    "runtime_error": "runtime error",
    "timeout": "time limit",
    "memory": "memory limit",
    "output_limit": "output limit",
    "compile_error": "compile error",
}


def extract_program(content: str) -> str | None:
    """What the last fence of the content holds; None where there is none, or nothing in it.

    Fences are Markdown's: a line of three or more backticks or tildes, a tag after them or none, up to a line of at
    least as many of the same sign. Fences tagged as something else (NOT_PROGRAMS) are passed over. A last fence that
    never closes is no program: the response stopped in the middle of it. Linear in the length of the content.

    >>> extract_program("So:\\n```python\\nprint(1)\\n```\\nDone.")
    'print(1)\\n'
    """
    program, opening, tag, lines = None, "", "", []
    for line in content.split("\n"):
        fence = FENCE.fullmatch(line.removesuffix("\r"))
        if not opening:
            if fence is not None:
                opening, tag, lines, margin = fence[1], _tag(fence[2]), [], line[: fence.start(1)]
        elif fence is not None and not fence[2].strip() and fence[1].startswith(opening):
            if tag not in NOT_PROGRAMS:
                program = "".join(f"{line.removeprefix(margin)}\n" for line in lines)
            opening = ""
        else:
            lines.append(line)
    return program if not opening and program is not None and program.strip() else None


def _tag(info: str) -> str:
    words = info.strip().split()
    return words[0].lower() if words else ""


def decide(task: Task, response: Response) -> Verdict | Submission:
    """The response with its program, for the sandbox to judge, or the verdict on one that has none."""
    if task.metadata.get("whole_content"):
        source = response.content
    elif (source := extract_program(response.content)) is None:
        return Verdict("unparseable", 0.0, "the content has no closed fence with a program in it at its end")
    return Submission(task, response, source)


def job_of(task: Task) -> Job:
    """What the sandbox is asked, without a program yet. ValueError for a reference that is no tests."""
    if not isinstance(task.reference, dict):
        raise ValueError(f"the code verifier needs tests as the reference, not {type(task.reference).__name__}")
    more = {"source": "", "stop_at_failure": not scores_fraction(task)}
    solution = task.metadata.get("solution")
    job = Job.model_validate({**task.reference, **more})
    if job.reference is None and isinstance(solution, str) and isinstance(job.tests[0], CodeTest):
        return job.model_copy(update={"reference": solution})
    return job


def verdict_of(report: Report, job: Job, fraction: bool) -> Verdict:
    """A sandbox's report as a verdict. Whatever the program did is its own fault; whatever the sandbox did is not."""
    reference = describe_tests(job.tests)
    if report.outcome == "passed":
        reason = "passes the test" if report.total == 1 else f"passes all {report.total} tests"
        return Verdict("correct", 1.0, reason, job.source, reference)
    if report.outcome == "infrastructure_error":
        return Verdict("error", None, f"the sandbox failed: {report.reason}", job.source, reference)
    # A report that counts all tests as passed and still fails would break the rules of a verdict: an error.
    score = report.passed / report.total if fraction else 0.0
    reason = f"{OUTCOMES[report.outcome]}: {report.reason}{_explain(report, job)}"
    if fraction:
        reason += f"; passes {report.passed} of {report.total} tests"
    return Verdict("wrong", score, _writable(reason), job.source, reference)


def describe_tests(tests: Sequence[Any]) -> str:
    """The tests in a line, for people: what goes in and what must come out. Its cost does not grow with theirs."""
    text = f"{len(tests)} test{'s' if len(tests) != 1 else ''}: "
    for number, test in enumerate(tests):
        text += ("; " if number else "") + _describe(test)
        if len(text) > DESCRIBED:
            return _writable(text[:DESCRIBED]) + "..."
    return _writable(text)


def _writable(text: str) -> str:
    """Without lone surrogates, which no file takes."""
    return text.encode("utf-8", "replace").decode()


def _explain(report: Report, job: Job) -> str:
    """The first test that failed: what it gave, what was expected, what came back."""
    number = next((i for i, result in enumerate(report.results) if result.outcome != "passed"), None)
    if number is None or report.outcome == "compile_error":
        return ""
    test, result = job.tests[number], report.results[number]
    got = f"; got {_short(result.got)}" if result.outcome == "wrong_answer" and result.got else ""
    return f" ({_failed_line(test, result.stderr) or _describe(test)}{got})"


def _failed_line(test: BaseModel, traceback: str) -> str | None:
    """The statement of the test code that failed, by the traceback."""
    lines = test.code.split("\n") if isinstance(test, CodeTest) else []
    numbers = [int(number) for number in TEST_LINE.findall(traceback)]
    return f"test code {_short(lines[numbers[-1] - 1].strip())}" if numbers and numbers[-1] <= len(lines) else None


def _describe(test: Any) -> str:
    match dict(test) if isinstance(test, BaseModel) else test:
        case {"function": str(function), "args": list(args), "kwargs": dict(kwargs), "expected": expected}:
            given = ", ".join([*map(_json, args), *(f"{name}={_json(value)}" for name, value in kwargs.items())])
            return f"{_cut(f'{function}({given})')}, expected {_json(expected)}"
        case {"function": _, "expected": _, **some} if not some.keys() >= {"args", "kwargs"}:
            return _describe({"args": [], "kwargs": {}, **test})
        case {"code": str(code)}:
            return f"test code {_short(code.strip())}"
        case {"stdin": str(stdin), "stdout": str(stdout)}:
            return f"input {_short(stdin)}, expected {_short(stdout)}"
    return "a test of no known form"


def _json(value: Any) -> str:
    """The beginning of a value as JSON; the rest, which may be large, is not even written."""
    text = ""
    for piece in ENCODER.iterencode(value):
        text += piece
        if len(text) > SHOWN:
            break
    return _cut(text)


def _short(text: str) -> str:
    return repr(text) if len(text) <= SHOWN else repr(text[:SHOWN]) + "..."


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
