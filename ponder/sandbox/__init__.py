"""The code execution sandbox: programs that nobody trusts, run against tests that they never see."""

from ponder.sandbox.client import Sandbox, Session
from ponder.sandbox.job import (
    CallTest,
    Cell,
    CodeTest,
    Execution,
    ExecutionResult,
    Job,
    Limits,
    Outcome,
    Report,
    StdioTest,
    TestResult,
)
from ponder.sandbox.levels import IsolationError
from ponder.sandbox.slots import QueueFull

__all__ = [
    "CallTest",
    "Cell",
    "CodeTest",
    "Execution",
    "ExecutionResult",
    "IsolationError",
    "Job",
    "Limits",
    "Outcome",
    "QueueFull",
    "Report",
    "Sandbox",
    "Session",
    "StdioTest",
    "TestResult",
]
