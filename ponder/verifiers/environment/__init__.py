"""What the environment of an episode says of how it went: its state is judged, whatever the last turn says."""

from ponder.tasks.task import Task
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verifier import Verifier


def decide(task: Task, response: Response) -> Verdict:
    """The environment's own verdict; an error for a response that was given outside of it."""
    return response.outcome or Verdict("error", None, "the answer was not given in the task's environment")


VERIFIER = Verifier(decide, row_reference=lambda row: None, structured=True, judges_empty=True, judges_anything=False)
