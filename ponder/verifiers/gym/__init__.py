"""The reasoning_gym verifier: the scorers of reasoning-gym's own families."""

from ponder.tasks.task import Task
from ponder.verifiers.gym.verifier import decide
from ponder.verifiers.response import Response
from ponder.verifiers.verifier import Verifier, stating


def reference_response(task: Task) -> Response | None:
    return None if task.reference is None else stating(f"<answer>{task.reference}</answer>")


# Some scorers raise on an answer that they cannot read.
VERIFIER = Verifier(decide, reference_response, judges_anything=False)
