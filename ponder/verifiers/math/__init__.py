"""The math verifier: whether the answer that a response states equals a reference."""

from ponder.tasks.task import Task
from ponder.verifiers.math.extract import extract_answer
from ponder.verifiers.math.reference import reference_text
from ponder.verifiers.math.verifier import compare, decide, unreadable
from ponder.verifiers.response import Response
from ponder.verifiers.verifier import Verifier, stating

__all__ = ["VERIFIER", "compare", "decide", "extract_answer", "reference_response", "reference_text", "unreadable"]


def reference_response(task: Task) -> Response | None:
    return None if task.reference is None else stating(f"\\boxed{{{reference_text(task.reference)}}}")


VERIFIER = Verifier(decide, reference_response)
