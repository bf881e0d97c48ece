"""The HTTP server as a process of its own: jobs over the wire, clients that go, an orderly end."""

import math
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from ponder.sandbox import CallTest, Execution, Job, Limits, Report, Sandbox, StdioTest
from tests.sandbox.http_server import ECHO, SLEEP, Server
from tests.sandbox.waiting import wait_until


@pytest.fixture(scope="module")
def remote(server):
    with Sandbox([server.url]) as remote:
        yield remote


def test_a_job(server):
    report = server.http.post("/run", json=ECHO).json()
    assert (report["outcome"], report["passed"], report["results"][0]["got"]) == ("passed", 1, "é\n")
    wrong = server.http.post("/run", json={**ECHO, "source": "print('secret?')"}).json()
    assert wrong["outcome"] == "wrong_answer" and "é" not in wrong["reason"], "what is expected is not told"


def test_a_batch_keeps_its_order(server):
    jobs = [{"source": f"print({i})", "tests": [{"stdin": "", "stdout": str(i % 2)}]} for i in range(6)]
    reports = server.http.post("/runs", json={"jobs": jobs}).json()
    assert [r["outcome"] for r in reports] == ["passed", "passed"] + ["wrong_answer"] * 4


def test_the_remote_client_is_like_the_local_one(remote, sandbox):
    jobs = [
        Job(source="def f(x): return x", tests=[CallTest(function="f", args=[[1, "é"]], expected=[1, "é"])]),
        Job(source="def f(x): return 1 / 0", tests=[CallTest(function="f", args=[1], expected=1)]),
        Job(source="print('\\udc80')", tests=[StdioTest(stdin="", stdout="")]),
        Job(source="(", tests=[StdioTest(stdin="", stdout="")]),
        Job(source="def f(x): return -x", tests=[CallTest(function="f", args=[math.inf], expected=-math.inf)]),
        Job(source="def f(x): return x", tests=[CallTest(function="f", args=[math.nan], expected=math.nan)]),
        Job(source="def f(x): return [x]", tests=[CallTest(function="f", args=["\ud800"], expected=["\ud800"])]),
    ]
    for job in jobs:
        here, there = sandbox.run(job), remote.run(job)
        assert isinstance(there, Report)
        assert (there.outcome, there.reason, there.passed) == (here.outcome, here.reason, here.passed)
        assert [(r.outcome, r.got, r.stderr) for r in there.results] == [
            (r.outcome, r.got, r.stderr) for r in here.results
        ]
    execution = Execution(
        source="open('o', 'wb').write(open('i', 'rb').read())", files={"i": b"\xff\0"}, fetch_files=["o"]
    )
    assert remote.execute(execution).files == {"o": b"\xff\0"}
    with pytest.raises(ValueError, match="more than this sandbox gives"):
        remote.run(jobs[0].model_copy(update={"limits": Limits(timeout_s=99)}))


def test_a_remote_session(remote):
    with remote.open_session() as session:
        session.run("x = 20")
        cell = session.run("print('é'); x + 1")
        assert (cell.stdout, cell.result, cell.alive) == ("é\n", "21", True)
        assert session.run("import time; time.sleep(60)", timeout_s=0.2).outcome == "timeout"
    with pytest.raises(KeyError, match="never opened, or it is over"):
        session.run("x")


def test_servers_that_are_away_are_left_out(server):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Sandbox([dead, server.url]) as two:
            jobs = [two.submit(Job.model_validate(ECHO)) for _ in range(8)]
            assert {job.result().outcome for job in jobs} == {"passed"}


def test_no_server_at_all_is_an_infrastructure_error(monkeypatch):
    from ponder.sandbox import remote as module

    monkeypatch.setattr(module, "TRIES", 2)
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with Sandbox([f"http://127.0.0.1:{unused.getsockname()[1]}"]) as nowhere:
            report = nowhere.run(Job.model_validate(ECHO))
    assert report.outcome == "infrastructure_error" and "cannot be reached" in report.reason
    with pytest.raises(ValueError, match="http://HOST:PORT"), Sandbox(["localhost:1"]) as nowhere:
        nowhere.run(Job.model_validate(ECHO))


def test_a_client_that_hangs_up_takes_its_job_along(server):
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/run", json=SLEEP, timeout=0.3)
    wait_until(lambda: server.health()["running"] == 0, seconds=3)


def test_health_and_metrics(server):
    health = server.health()
    assert health["isolation"] == "standard" and health["layers"]["network namespace"] and health["languages"]["python"]
    server.http.post("/run", json=ECHO)
    text = server.http.get("/metrics").text
    for name in (
        'jobs_total{outcome="passed"}',
        "queue_seconds_bucket",
        "run_seconds_count",
        "workers_restarted_total",
    ):
        assert f"ponder_sandbox_{name}" in text
    paths = server.http.get("/openapi.json").json()["paths"]
    assert {"/run", "/runs", "/execute", "/run_code", "/sessions", "/health", "/metrics"} <= paths.keys()


def test_a_full_queue_answers_429_with_advice():
    server = Server("--workers", "1", "--queue", "2")
    try:
        with ThreadPoolExecutor(3) as callers:
            for _ in range(3):
                callers.submit(httpx.post, f"{server.url}/run", json={**SLEEP, "limits": {"timeout_s": 3}}, timeout=60)
            wait_until(lambda: server.health()["queued"] == 2)
            answer = server.http.post("/run", json=ECHO)
            assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
    finally:
        server.stop()


def test_sigterm_finishes_what_was_taken_on():
    server = Server()
    job = {"source": "import time\ntime.sleep(1)\nprint(1)", "tests": [{"stdin": "", "stdout": "1"}]}
    reports = []
    caller = threading.Thread(
        target=lambda: reports.append(httpx.post(f"{server.url}/run", json=job, timeout=60).json())
    )
    caller.start()
    wait_until(lambda: server.health()["running"] == 1)
    assert server.stop() == 0
    caller.join()
    assert reports[0]["outcome"] == "passed"


def test_tokens():
    server = Server("--host", "0.0.0.0", PONDER_SANDBOX_TOKEN="très secret")
    try:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{url}/health").status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "très secret".encode()}):
            answer = httpx.post(f"{url}/run", json=ECHO, headers=headers)
            assert answer.status_code == 401 and "bearer token" in answer.json()["error"]
        assert httpx.get(f"{url}/metrics").status_code == 401
        with Sandbox([url], token="très secret") as remote:
            assert remote.run(Job.model_validate(ECHO)).outcome == "passed"
        with Sandbox([url]) as remote, pytest.raises(ValueError, match="PONDER_SANDBOX_TOKEN"):
            remote.run(Job.model_validate(ECHO))
    finally:
        server.stop()


def test_starts_that_are_refused(server):
    def start(*options: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "ponder.cli.main", "sandbox", "serve", *options]
        environment = {k: v for k, v in os.environ.items() if k != "PONDER_SANDBOX_TOKEN"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)

    port = server.url.rsplit(":", 1)[1]
    taken = start("--port", port)
    assert taken.returncode == 2 and f"port {port} on 127.0.0.1 is taken" in taken.stderr
    open_to_all = start("--host", "0.0.0.0", "--port", "0")
    assert open_to_all.returncode == 2 and "PONDER_SANDBOX_TOKEN" in open_to_all.stderr
    assert start("--isolation", "weak").returncode == 2
