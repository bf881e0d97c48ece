import sys

import pytest

import ponder.sandbox.jail
from ponder.sandbox import IsolationError, Sandbox
from tests.sandbox.http_server import Server

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


@pytest.fixture(scope="session")
def server():
    """One HTTP server for all tests that only send requests to it."""
    server = Server("--workers", "3", "--memory-mb", "256", "--timeout", "5")
    yield server
    server.stop()
