"""Verifiers: what a response is worth, said as a verdict, and the processes that say it without ever hanging."""

from ponder.verifiers.api import (
    verify_batch,
    verify_choice,
    verify_code,
    verify_function_calls,
    verify_instructions,
    verify_math,
)
from ponder.verifiers.pool import WorkerPool
from ponder.verifiers.response import Response
from ponder.verifiers.table import VERIFIERS
from ponder.verifiers.verdict import Part, Status, Verdict
from ponder.verifiers.verification import Verification, reference_response, shown_reference
from ponder.verifiers.verifier import Grader, Submission, Verifier

__all__ = [
    "VERIFIERS",
    "Grader",
    "Part",
    "Response",
    "Status",
    "Submission",
    "Verdict",
    "Verification",
    "Verifier",
    "WorkerPool",
    "reference_response",
    "shown_reference",
    "verify_batch",
    "verify_choice",
    "verify_code",
    "verify_function_calls",
    "verify_instructions",
    "verify_math",
]
