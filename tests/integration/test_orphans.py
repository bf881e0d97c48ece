"""kill -9 of a run, a verification or a sandbox: within a second nothing that it had started computes on."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ponder.runs.run import Run
from tests.integration.micro import RECIPE, spawn, write_recipe

SECOND = 1.0
# A birth whose evaluation samples for long, and a cold start with steps that learn for long.
SUMS = RECIPE["sources"]["sums"] | {"settings": {"min_terms": 2, "max_terms": 2, "min_digits": 4, "max_digits": 4}}
LONG_SAMPLING = RECIPE | {
    "sources": {"sums": SUMS},
    "held_out": {"problems": 2_000, "fraction": 0.3, "max_tokens": 70},
}
LONG_LEARNING = RECIPE | {"stages": [RECIPE["stages"][0] | {"examples_per_step": 2_000}, RECIPE["stages"][1]]}

# The main process of a sandbox with an endless program, and of a verifier with an endless comparison.
SANDBOX = """
import asyncio
from ponder.sandbox import Job, StdioTest
from ponder.sandbox.pool import Pool
from ponder.sandbox.settings import Settings

async def main():
    pool = Pool(Settings(workers=2, timeout_s=600.0))
    await pool.start()
    endless = Job(source="while True: pass", tests=[StdioTest(stdin="", stdout="")])
    await asyncio.gather(*(pool.run(endless) for _ in range(2)))

asyncio.run(main())
"""
VERIFIERS = """
from ponder.verifiers import WorkerPool

with WorkerPool(workers=2, deadline_s=600.0) as pool:
    run = "ponder.verifiers.math.fallback:compare"
    endless = {"run": run, "reference": "7", "answer": "9^{9^{9^{9}}}"}  # in C code, with the lock held
    [pool.submit(endless).result() for _ in range(2)]
"""


def descendants(process: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def seconds(process: psutil.Process) -> float:
    """Of processor time."""
    try:
        return sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        return 0.0


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    end = time.monotonic() + 100
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def kill_and_see_all_gone(process: subprocess.Popen) -> None:
    left = descendants(process)
    assert left
    process.send_signal(signal.SIGKILL)
    end = time.monotonic() + SECOND
    try:
        while left and time.monotonic() < end:
            left = [one for one in left if lives(one)]
            time.sleep(0.01)
        assert not left, [one.cmdline() for one in left]
    finally:
        for one in left:
            one.kill()
        process.communicate()


def attached(process: psutil.Process) -> bool:
    """Whether it has mapped the weights that are shared among a run's processes, and so works with them."""
    try:
        return "/torch_" in Path(f"/proc/{process.pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(("recipe", "busy"), [(LONG_SAMPLING, 2), (LONG_LEARNING, 1)], ids=["sampling", "learning"])
def test_a_killed_run_leaves_nobody_who_computes(tmp_path, recipe, busy):
    """Two processes sample; one helps the run's own to learn."""
    run = tmp_path / "run"
    process = spawn("train", write_recipe(tmp_path, recipe), "--run", run, "--set", "engine.workers=2")
    wait_for(lambda: sum(map(attached, descendants(process))) == 3, process)
    if recipe is LONG_LEARNING:
        wait_for(lambda: bool(Run.open(run).evals()), process)
    began = {one: seconds(one) for one in descendants(process)}
    wait_for(lambda: sum(seconds(one) > before + 0.1 for one, before in began.items()) >= busy, process)
    assert bool(Run.open(run).evals()) == (recipe is LONG_LEARNING) and not Run.open(run).metrics()
    kill_and_see_all_gone(process)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_run_that_is_killed_while_its_workers_start_leaves_none(tmp_path):
    """They import libraries for seconds."""
    run = tmp_path / "run"
    process = spawn("train", write_recipe(tmp_path), "--run", run, "--set", "engine.workers=2")
    wait_for(lambda: run.exists() and len(descendants(process)) >= 3, process)
    kill_and_see_all_gone(process)


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is made of Linux's namespaces")
@pytest.mark.parametrize("script", [SANDBOX, VERIFIERS], ids=["sandbox", "verifiers"])
def test_hostile_work_ends_with_whoever_asked_for_it(script):
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(lambda: sum(seconds(one) > 2.5 for one in descendants(process)) >= 1, process)
    kill_and_see_all_gone(process)
