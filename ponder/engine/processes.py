"""Helping processes of this program, each at the end of a pipe: started, spoken to and stopped in one place."""

import multiprocessing
import multiprocessing.connection
import signal
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import torch

Connection = multiprocessing.connection.Connection


class Processes:
    """One process per item of `arguments`, each running `serve(connection, *arguments)` on one thread until the pipe
    closes. Processes are started afresh (spawned), since forking a process that has used threads is not safe."""

    def __init__(self, serve: Callable[..., None], arguments: Sequence[tuple], name: str):
        context = multiprocessing.get_context("spawn")
        self.connections: list[Connection] = []
        self.processes: list[Any] = []
        for number, own in enumerate(arguments):
            ours, theirs = context.Pipe()
            process = context.Process(target=_run, args=(serve, theirs, *own), name=f"{name}-{number}", daemon=True)
            process.start()
            theirs.close()
            self.connections.append(ours)
            self.processes.append(process)

    def __len__(self) -> int:
        return len(self.processes)

    def send(self, number: int, message: Any) -> None:
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
            raise RuntimeError(f"{self.processes[number].name} failed:\n{payload}")
        return payload

    def ready(self) -> list[int]:
        """Numbers of the processes that have answered; waits for one at least."""
        return [self.connections.index(c) for c in multiprocessing.connection.wait(self.connections)]

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        for process in self.processes:
            process.join(timeout=2)
            if process.is_alive():
                process.kill()
                process.join()

    def _died(self, number: int) -> RuntimeError:
        process = self.processes[number]
        process.join(timeout=1)
        return RuntimeError(f"{process.name} died with exit code {process.exitcode} (-9: out of memory?)")


def answer(connection: Connection, payload: Any) -> None:
    connection.send(("answer", payload))


def _run(serve: Callable[..., None], connection: Connection, *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's to answer, at the end of its step
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    try:
        serve(connection, *arguments)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent has gone
    except Exception:
        connection.send(("error", traceback.format_exc()))
