"""Helping processes: started from any thread and any script, they end with the process that started them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from ponder.engine.processes import Processes, answer


def echo(connection, greeting):
    while True:
        answer(connection, (greeting, connection.recv()))


def fail(connection):
    connection.recv()
    raise LookupError("nothing there")


def spin(connection):
    answer(connection, os.getpid())
    while True:
        pass


def test_messages_go_to_and_fro_and_closing_ends_them():
    processes = Processes(echo, [("a",), ("b",)], "echo")
    try:
        processes.send(1, "first")
        processes.send(0, "second")
        assert processes.receive(1) == ("b", "first") and processes.receive(0) == ("a", "second")
    finally:
        processes.close()
    assert [process.returncode for process in processes.processes] == [0, 0]


def test_a_failure_comes_with_its_traceback():
    processes = Processes(fail, [()], "fail")
    processes.send(0, "go")
    with pytest.raises(RuntimeError, match=r"fail-0 failed:(.|\n)*LookupError: nothing there"):
        processes.receive(0)
    processes.close()


def test_they_outlive_the_thread_that_started_them():
    """Linux would take its end for the end of the process."""
    made = []

    def start():
        made.append(Processes(echo, [("a",)], "echo"))
        made[0].send(0, "begun?")
        made[0].receive(0)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    (processes,) = made
    try:
        processes.send(0, "still there?")
        assert processes.receive(0) == ("a", "still there?")
    finally:
        processes.close()


# No guard: the script is not run again in the helping process.
SCRIPT = """
import threading, time
from ponder.engine.processes import Processes
from tests.engine.test_processes import spin

def start():
    processes = Processes(spin, [()], "spin")
    print(processes.receive(0), flush=True)
    time.sleep(600)

THREAD
"""


@pytest.mark.parametrize("thread", ["start()", "threading.Thread(target=start).start()"], ids=["main", "thread"])
def test_they_end_with_a_process_that_is_killed(thread):
    script = SCRIPT.replace("THREAD", thread)
    command = [sys.executable, "-c", script]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    helper = psutil.Process(int(parent.stdout.readline()))
    assert helper.is_running()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 1
    try:
        while helper.is_running() and helper.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end, "it goes on"
            time.sleep(0.01)
    finally:
        if helper.is_running():
            helper.kill()
