import os
import signal

import pytest
from hypothesis import settings

# One thread makes small matrix products faster and float32 results repeatable; it must be set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts the suite in the background has it ignore Ctrl+C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for number in signal.valid_signals() - {
    signal.SIGPIPE,
    signal.SIGXFSZ,
}:  # which Python ignores; others, such as nohup, the rest
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

# How long one example takes is the machine's affair, and speed has its place in benchmarks/.
settings.register_profile("ponder", deadline=None)
settings.load_profile("ponder")


@pytest.fixture
def fake():
    """Starts servers that speak as vLLM does."""
    from tests.engine.vllm_fake import FakeVllm

    servers: list[FakeVllm] = []

    def start(*arguments, **options) -> FakeVllm:
        servers.append(FakeVllm(*arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        if server.thread.is_alive():
            server.close()


@pytest.fixture
def fake_openai():
    """Starts servers that speak OpenAI's API as a test says."""
    from tests.engine.openai_fake import Act, FakeOpenAi

    servers: list[FakeOpenAi] = []

    def start(act: Act) -> FakeOpenAi:
        servers.append(FakeOpenAi(act))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
