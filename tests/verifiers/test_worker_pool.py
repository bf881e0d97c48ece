import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import pytest

from ponder.verifiers import WorkerPool
from ponder.verifiers.process import GUARDED

COMPARE = "ponder.verifiers.math.fallback:compare"
EASY = {"run": COMPARE, "reference": "x+1", "answer": "1+x"}
HANG = {"run": COMPARE, "reference": "7", "answer": "9^{9^{9^{9}}}"}  # sympy expands it, in C code, for ever


def gone(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{process_id}/stat").exists() and ") Z " in Path(f"/proc/{process_id}/stat").read_text()


def wait_until(condition) -> None:
    """Looks again every hundredth of a second; fails after half a minute."""
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("waited for half a minute")


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(workers=1, deadline_s=5.0) as pool:
        yield pool


def test_no_process_before_the_first_job():
    with WorkerPool(workers=2, deadline_s=1.0) as pool:
        assert pool.process_ids() == []


def test_a_hang_is_killed_and_only_that_job_is_lost():
    with WorkerPool(workers=1, deadline_s=1.0) as pool:
        before, hang, after = pool.submit(EASY), pool.submit(HANG), pool.submit(EASY)
        assert before.result()["status"] == "correct"
        first = pool.process_ids()
        assert hang.result() == {
            "status": "timeout",
            "score": None,
            "reason": "no verdict within 1 s of processor time: the worker was killed",
        }
        assert after.result()["status"] == "correct"
        assert gone(first[0])
        assert pool.process_ids() != first


def test_a_worker_killed_in_mid_job_has_its_job_tried_again():
    with WorkerPool(workers=1, deadline_s=5.0) as pool:
        assert pool.submit(EASY).result()["status"] == "correct"
        victim = pool.process_ids()[0]
        hang = pool.submit(HANG)
        wait_until(hang.running)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: pool.process_ids() not in ([], [victim]))
        os.kill(pool.process_ids()[0], signal.SIGKILL)
        result = hang.result()
        assert result["status"] == "error"
        assert result["score"] is None
        assert "the worker died (SIGKILL)" in result["reason"]
        assert pool.submit(EASY).result()["status"] == "correct"


def test_closing_kills_a_busy_worker_and_cancels_what_waits():
    pool = WorkerPool(workers=1, deadline_s=60.0)
    assert pool.submit(EASY).result()["status"] == "correct"
    worker = pool.process_ids()[0]
    hang, waiting = pool.submit(HANG), pool.submit(EASY)
    wait_until(hang.running)
    pool.close()
    assert gone(worker)
    assert hang.result()["status"] == "error"
    with pytest.raises(CancelledError):
        waiting.result()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(EASY)


def test_a_worker_that_cannot_have_the_memory_says_so():
    with WorkerPool(workers=1, deadline_s=5.0, program=replace(GUARDED, memory_bytes=64 << 20)) as pool:
        result = pool.submit(EASY).result()
    assert result["status"] == "error"
    assert result["score"] is None


def test_workers_ignore_ctrl_c_and_share_no_terminal_group(pool):
    assert pool.submit(EASY).result()["status"] == "correct"
    worker = pool.process_ids()[0]
    assert os.getpgid(worker) != os.getpgid(0)
    os.kill(worker, signal.SIGINT)
    assert pool.submit(EASY).result()["status"] == "correct"
    assert pool.process_ids() == [worker]


def test_workers_go_when_their_parent_is_killed():
    script = (
        "from ponder.verifiers import WorkerPool\n"
        "pool = WorkerPool(1, 5.0)\n"
        f"pool.submit({EASY!r}).result()\n"
        "print(pool.process_ids()[0], flush=True)\n"
        "input()"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    worker = int(parent.stdout.readline())
    assert not gone(worker)
    parent.kill()
    parent.wait()
    wait_until(lambda: gone(worker))


def test_off_the_main_thread_it_is_the_same(pool):
    results = []
    thread = threading.Thread(target=lambda: results.append(pool.submit(EASY).result()))
    thread.start()
    thread.join()
    assert results == [pool.submit(EASY).result()]


def test_unknown_kinds_and_broken_jobs_are_errors_and_harm_nothing(pool):
    for name in ("poetry", "os:getcwd", "ponder.verifiers.poetry:write", "ponder.verifiers.math:write"):
        result = pool.submit({"run": name}).result()
        assert (result["status"], result["score"]) == ("error", None)
        assert result["reason"].startswith("the verifier cannot be loaded: ")
    assert pool.submit({"run": COMPARE}).result()["status"] == "error"
    assert pool.submit({"run": COMPARE, "reference": object()}).result()["status"] == "error"
    assert pool.submit(EASY).result()["status"] == "correct"


def test_a_large_job_goes_through(pool):
    job = {"run": COMPARE, "reference": "7", "answer": "7 + " * 500_000 + "0"}
    assert pool.submit(job).result()["status"] in ("wrong", "unparseable", "error", "timeout")


def test_workers_know_no_secrets(pool, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "secret")
    with WorkerPool(workers=1, deadline_s=5.0) as pool:
        assert pool.submit(EASY).result()["status"] == "correct"
        environment = Path(f"/proc/{pool.process_ids()[0]}/environ")
        if not environment.exists():
            pytest.skip("no /proc here")
        assert b"PYTHONHASHSEED=0" in environment.read_bytes()
        assert b"secret" not in environment.read_bytes()


SCRIPT = """
import os, socket, subprocess, sys, tempfile
from ponder.verifiers.worker import _Guard
guard = _Guard()
sys.addaudithook(guard)
path = os.path.join(tempfile.gettempdir(), "guarded")
attempts = [
    lambda: open(path, "w"), lambda: os.open(path, os.O_RDWR | os.O_CREAT), lambda: os.system("true"),
    lambda: socket.socket(), lambda: subprocess.run(["true"]), lambda: os.remove(path), lambda: os.kill(1, 0),
]
guard.armed = True
for attempt in attempts:
    try:
        attempt()
    except PermissionError as error:
        print("refused" if "the answer tried to" in str(error) else error)
open(os.devnull).close()
guard.armed = False
open(os.devnull, "w").close()
print("done")
"""


def test_while_armed_the_guard_refuses_what_a_comparison_need_not_do():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert out.stdout.split() == ["refused"] * 7 + ["done"], out.stderr


def test_workers_import_no_torch():
    script = "import sys, ponder.verifiers, ponder.verifiers.worker, ponder.tasks; print('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True).stdout
    assert out.strip() == "False"
