"""The choice verifier: which letter a response settles on, and whether it is the reference letter."""

from ponder.tasks.task import Task
from ponder.verifiers.choice.verifier import decide
from ponder.verifiers.response import Response
from ponder.verifiers.verifier import Verifier, stating


def restated(task: Task, parsed: str) -> str:
    return f'"answer": "{parsed}"'


def reference_response(task: Task) -> Response | None:
    return None if task.reference is None else stating(restated(task, task.reference))


VERIFIER = Verifier(decide, reference_response, restated, offers_choices=True)
