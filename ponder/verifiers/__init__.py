"""Verifiers: what a response is worth, said as a verdict, and the processes that say it without ever hanging."""

from ponder.verifiers.judge import VERIFIERS, Judge, reference_response, shown_reference
from ponder.verifiers.pool import WorkerPool
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Status, Verdict

__all__ = ["VERIFIERS", "Judge", "Response", "Status", "Verdict", "WorkerPool", "reference_response", "shown_reference"]
