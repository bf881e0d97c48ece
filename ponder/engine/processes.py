"""Helping processes of this program, each at the end of a pipe: started, spoken to and stopped in one place.

Python's own multiprocessing would first run the caller's script again in each of them, which takes its imports' time and
needs a guard in the script (`if __name__ == "__main__"`). Of it only the pipes are used, which carry shared tensors.
"""

import multiprocessing
import multiprocessing.connection
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ponder

Connection = multiprocessing.connection.Connection


class Processes:
    """One process per item of `arguments`, each running `serve(connection, *arguments)` on one thread until the pipe
    closes, or this process ends, however it does. They are started afresh: forking a process that has used threads is
    not safe.

    Args:
        serve: a function of a module, since it goes by its name
        name: of the processes, for messages; each has its number behind it
    """

    def __init__(self, serve: Callable[..., None], arguments: Sequence[tuple], name: str):
        self.name = name
        self.connections: list[Connection] = []
        self.processes: list[subprocess.Popen] = []
        for number, own in enumerate(arguments):
            ours, theirs = multiprocessing.Pipe()
            self.connections.append(ours)
            self.processes.append(_start(theirs.fileno()))
            theirs.close()
            self.send(number, bytes(multiprocessing.current_process().authkey))  # for descriptors that are handed over
            self.send(number, (serve, own))

    def __len__(self) -> int:
        return len(self.processes)

    def send(self, number: int, message: Any) -> None:
        """Raises RuntimeError where the process has died."""
        try:
            self.connections[number].send(message)
        except (BrokenPipeError, ConnectionResetError):
            raise self._died(number) from None

    def receive(self, number: int) -> Any:
        """The next answer of a process.

        Raises:
            RuntimeError: it has died (with the exit code), or failed (with its traceback).
        """
        try:
            kind, payload = self.connections[number].recv()
        except (EOFError, ConnectionResetError):
            raise self._died(number) from None
        if kind == "error":
            raise RuntimeError(f"{self.name}-{number} failed:\n{payload}")
        return payload

    def ready(self) -> list[int]:
        """Numbers of the processes that have answered; waits for one at least."""
        return [self.connections.index(c) for c in multiprocessing.connection.wait(self.connections)]

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        for process in self.processes:
            try:
                process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _died(self, number: int) -> RuntimeError:
        process = self.processes[number]
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            process.kill()
        return RuntimeError(f"{self.name}-{number} died with exit code {process.wait()} (-9: out of memory?)")


def answer(connection: Connection, payload: Any) -> None:
    connection.send(("answer", payload))


def _start(pipe: int) -> subprocess.Popen:
    """A process that has the pipe, and knows whose end is its own."""
    stays = threading.current_thread() is threading.main_thread()
    package_root = str(Path(ponder.__file__).resolve().parent.parent)
    search_path = [package_root, *(os.path.abspath(entry) for entry in sys.path)]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ponder.engine.process", str(pipe), str(os.getpid()), str(int(stays))],
        stdin=subprocess.DEVNULL,
        pass_fds=[pipe],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(search_path))},
        start_new_session=True,  # Ctrl+C in the terminal is for this process, at the end of its step
    )
