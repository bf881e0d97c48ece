"""The code verifier: the program of a response, against tests, in a sandbox."""

from typing import Any

from ponder.tasks.task import Task
from ponder.verifiers.code.runs import CodeRuns
from ponder.verifiers.code.verifier import decide, describe_tests
from ponder.verifiers.response import Response
from ponder.verifiers.verifier import Verifier, stating


def restated(task: Task, parsed: str) -> str:
    """A program in a fence, where it is to stand in one."""
    if task.metadata.get("whole_content"):
        return parsed
    fence = "```"
    while fence in parsed:  # a fence inside must not close the one around it
        fence += "`"
    return f"{fence}python\n{parsed.rstrip()}\n{fence}"


def reference_response(task: Task) -> Response | None:
    """The task's own solution, where it has one."""
    solution = task.metadata.get("solution")
    return None if solution is None else stating(restated(task, solution))


def shown_reference(task: Task) -> Any:
    """A line that describes the tests, which may be large."""
    tests = task.reference.get("tests") if isinstance(task.reference, dict) else None
    return describe_tests(tests) if isinstance(tests, list) else "no tests"


VERIFIER = Verifier(
    decide,
    reference_response,
    restated,
    shown_reference,
    grader=lambda setup: CodeRuns(setup.sandbox),
    structured=True,
    costly=True,
)
