"""The math verifier: whether the answer that a response states equals a reference."""

from typing import Any

from ponder.tasks.task import Task
from ponder.verifiers.math.extract import extract_answer
from ponder.verifiers.math.reference import reference_text
from ponder.verifiers.math.verifier import compare, decide, unreadable
from ponder.verifiers.response import Response
from ponder.verifiers.verifier import Verifier, stating

__all__ = ["VERIFIER", "compare", "decide", "extract_answer", "reference_response", "reference_text", "unreadable"]


def restated(task: Task, parsed: str) -> str:
    return f"\\boxed{{{parsed}}}"


def reference_response(task: Task) -> Response | None:
    return None if task.reference is None else stating(restated(task, reference_text(task.reference)))


def read_reference(reference: Any) -> str:
    """As text, a whole number without its ".0". ValueError for what has no text."""
    whole = isinstance(reference, float) and reference.is_integer()
    return reference_text(int(reference) if whole else reference)


VERIFIER = Verifier(decide, reference_response, restated, read_reference=read_reference)
