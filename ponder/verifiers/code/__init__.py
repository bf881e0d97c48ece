"""The code verifier: the program of a response, against tests, in a sandbox."""

from typing import Any

from ponder.tasks.task import Task
from ponder.verifiers.code.runs import CodeRuns
from ponder.verifiers.code.verifier import decide, describe_tests
from ponder.verifiers.response import Response
from ponder.verifiers.verifier import Verifier, stating


def reference_response(task: Task) -> Response | None:
    """The task's own solution, where it has one."""
    solution = task.metadata.get("solution")
    if solution is None:
        return None
    fence = "```"
    while fence in solution:  # a fence inside must not close the one around it
        fence += "`"
    return stating(solution if task.metadata.get("whole_content") else f"{fence}python\n{solution}\n{fence}")


def shown_reference(task: Task) -> Any:
    """A line that describes the tests, which may be large."""
    tests = task.reference.get("tests") if isinstance(task.reference, dict) else None
    return describe_tests(tests) if isinstance(tests, list) else "no tests"


VERIFIER = Verifier(
    decide,
    reference_response,
    shown_reference,
    grader=lambda setup: CodeRuns(setup.sandbox),
    structured=True,
    costly=True,
)
