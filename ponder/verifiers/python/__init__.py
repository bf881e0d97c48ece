"""The python verifier: a function of the user's own says what a response is worth. docs/verifiers.md tells how to write one."""

from ponder.tasks.task import Task
from ponder.verifiers.python.grader import PythonGrader
from ponder.verifiers.response import Response
from ponder.verifiers.verifier import Submission, Verifier


def decide(task: Task, response: Response) -> Submission:
    return Submission(task, response)


VERIFIER = Verifier(
    decide,
    row_reference=lambda row: None,
    grader=PythonGrader,
    costly=True,
)
