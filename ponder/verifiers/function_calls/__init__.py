"""The function-call verifier: the calls that a response makes, by the rules of BFCL."""

from ponder.tasks.task import Task
from ponder.verifiers.function_calls.verifier import decide, reference_text
from ponder.verifiers.response import Response
from ponder.verifiers.verifier import Verifier, stating


def reference_response(task: Task) -> Response | None:
    content = reference_text(task)
    return None if content is None else stating(content)


VERIFIER = Verifier(decide, reference_response, structured=True)
