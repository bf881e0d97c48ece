import sys

import pytest

import ponder.sandbox.jail
from ponder.sandbox import IsolationError, Sandbox

sys.modules["jail"] = ponder.sandbox.jail  # the name by which its modules import one another


@pytest.fixture(scope="session")
def sandbox():
    """One sandbox for all tests that only run jobs in it."""
    sandbox = Sandbox(memory_mb=256, timeout_s=5.0)
    try:
        sandbox.describe()
    except IsolationError as error:
        pytest.skip(f"this machine cannot isolate programs: {error}")
    with sandbox:
        yield sandbox
