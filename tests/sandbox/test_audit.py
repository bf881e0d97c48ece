"""The audit, case by case, against a sandbox on this machine; and that the audit sees what it claims to see."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from ponder.sandbox import IsolationError, Job, Report, Sandbox, StdioTest, TestResult
from ponder.sandbox.audit import Host, load_cases, run_audit
from ponder.sandbox.audit import cases as cases_module
from ponder.sandbox.audit.run import run_case

CASES = load_cases()
BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def host():
    with Host() as host:
        yield host


@pytest.fixture(scope="module")
def sandbox(host):
    # After the host: its secrets are there for the workers to inherit.
    with Sandbox() as sandbox:
        try:
            sandbox.describe()
        except IsolationError as error:
            pytest.skip(f"this machine cannot isolate programs: {error}")
        yield sandbox


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.group}-{case.name}")
def test_case(case, sandbox, host):
    verdict = run_case(sandbox, case, host)
    assert verdict.good, f"{case.containment}\nseen: {verdict.seen}\n" + "\n".join(verdict.problems)


def prelude(file: str, name: str) -> str:
    path = Path(cases_module.__file__).with_name(f"{file}.yaml")
    return yaml.safe_load(path.read_text())["preludes"][name]


@pytest.mark.parametrize(
    "file, name, search",
    [
        ("forgery", "hunt", "find(gc.get_objects(), depth=2)"),
        ("forgery", "hunt", "find(frames())"),
        ("leak", "scan", "scan()"),
    ],
)
def test_searches_find_what_is_there(file, name, search, sandbox):
    # The secret is put together at run time, so that only the search through memory can find it whole.
    source = prelude(file, name) + f"kept = [{{'a': 'key-' + '0123456789abcdef' * int(input())}}]\nprint({search})\n"
    report = sandbox.run(Job(source=source, tests=[StdioTest(stdin="1", stdout="key-0123456789abcdef")]))
    assert report.outcome == "passed", report


class Fake:
    """Stands in for a sandbox that answers every job with one outcome, after doing something to the host."""

    def __init__(self, outcome="wrong_answer", act=lambda: None, healthy=True):
        self.outcome, self.act, self.healthy = outcome, act, healthy

    def describe(self):
        return {"isolation": "none"}

    def submit(self, job):
        future = Future()
        if "[::-1]" in job.source:
            outcome = "passed" if self.healthy else "timeout"
        else:
            outcome = self.outcome
            self.act()
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(Report(outcome, "because", 0, 1, [TestResult(outcome, "because", "got this")]))
        return future


def problems(host, name="silent-exit-zero", **fake):
    verdict = run_case(Fake(**fake), BY_NAME[name], host)
    assert verdict.good == (not verdict.problems)
    return " ".join(verdict.problems)


def test_good_answers_are_good(host):
    assert problems(host) == ""


@pytest.mark.parametrize(
    "fake, message",
    [
        ({"outcome": "passed"}, "passed instead of wrong_answer"),
        ({"outcome": "infrastructure_error"}, "infrastructure_error instead of wrong_answer"),
        ({"outcome": RuntimeError("lost")}, "the sandbox raised RuntimeError('lost')"),
        ({"outcome": TimeoutError("slow")}, "the sandbox raised TimeoutError('slow')"),
        ({"healthy": False}, "an honest job afterwards: timeout"),
    ],
)
def test_bad_answers_are_seen(host, fake, message):
    assert message in problems(host, **fake)


def test_survivors_are_seen_and_ended(host):
    code = (
        f"import ctypes, sys; ctypes.CDLL(None).prctl(15, b'{host.mark}', 0, 0, 0); print(flush=True); sys.stdin.read()"
    )
    children = []

    def act():
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.readline()
        children.append(child)

    assert "outlived its job" in problems(host, act=act)
    assert children[0].wait(timeout=10) == -9
    assert problems(host) == ""


def test_leftover_files_are_seen_and_removed(host):
    path = Path(tempfile.gettempdir()) / f"{host.mark}-left"
    assert "was left on the host" in problems(host, act=path.touch)
    assert not path.exists()


@pytest.mark.parametrize("number, state", [(signal.SIGKILL, os.WEXITED), (signal.SIGSTOP, os.WSTOPPED)])
def test_a_dead_or_stopped_victim_is_seen(host, number, state):
    def act():
        pid = int(host.marks()["VICTIM"])
        os.kill(pid, number)
        os.waitid(os.P_PID, pid, state | os.WNOWAIT)

    assert "killed or stopped" in problems(host, act=act)
    assert problems(host) == ""


def test_cases_that_need_the_host_are_left_out_elsewhere(host):
    verdict = run_case(Fake(), BY_NAME["reads-a-file-of-the-host"], host, on_host=False)
    assert verdict.good is None and "own machine" in verdict.seen


def test_secrets_are_real(host):
    marks = host.marks()
    assert Path(marks["FILE"]).read_text() == marks["FILE_SECRET"]
    assert marks["NONCE"] != host.marks()["NONCE"]
    assert len({marks[name] for name in ("FILE_SECRET", "PORT_SECRET", "SOCKET_SECRET")}) == 3


def test_host_leaves_nothing_behind():
    before = dict(os.environ)
    with Host() as host:
        folder = Path(host.marks()["FILE"]).parent
        assert folder.is_dir() and os.environ != before
    assert not folder.exists() and os.environ == before


def test_audit_result():
    seen = []
    result = run_audit(
        Fake("timeout"), names=["busy-loop", "silent-exit-zero", "kills-its-group"], progress=seen.append, on_host=False
    )
    assert [verdict.good for verdict in seen] == [False, True, None]
    assert result.scores() == {"forgery": (0, 1, 0), "exhaustion": (1, 1, 1)}
    assert [verdict.name for verdict in result.failures] == ["silent-exit-zero"] and not result.all_good
    content = json.loads(result.to_json())
    assert content["isolation"] == "none" and content["scores"]["forgery"] == {"right": 0, "of": 1, "left_out": 0}
    assert content["cases"][1]["good"] is True
    console = Console(record=True, width=100)
    console.print(result.table())
    assert "exhaustion" in console.export_text()
    assert replace(result, verdicts=result.verdicts[1:]).all_good
