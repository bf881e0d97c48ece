"""The sandbox for other rooms: one interface, whether jobs run on this machine or on servers elsewhere."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from ponder.sandbox.job import Cell, Execution, ExecutionResult, Job, Limits, Report
from ponder.sandbox.levels import Level


class Sandbox:
    """Runs programs in jails. Without `urls` the workers are child processes of this one; with them, servers are asked.

    Nothing is started before the first job. Use it as a context manager, or call `close`.

    >>> from ponder.sandbox import Job, StdioTest
    >>> with Sandbox(workers=1) as sandbox:
    ...     sandbox.run(Job(source="print(input()[::-1])", tests=[StdioTest(stdin="abc", stdout="cba")])).outcome
    'passed'
    """

    def __init__(
        self,
        urls: Sequence[str] = (),
        *,
        workers: int | None = None,
        memory_mb: int = 1024,
        timeout_s: float = 10.0,
        isolation: Level = "standard",
        sessions: int = 16,
        token: str | None = None,
    ):
        self._urls, self._token = list(urls), token
        self._workers, self._memory_mb, self._isolation = workers, memory_mb, isolation
        self.timeout_s = timeout_s  # of a test, or a session's cell, at most
        self._most_sessions = sessions
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, job: Job) -> Future[Report]:
        """The future report. What a program does never raises; it raises ValueError for a job that is refused, and
        IsolationError (a ValueError) at the first job where this machine cannot isolate programs."""
        return self._later(lambda backend: backend.run(job))

    def run(self, job: Job) -> Report:
        return self.submit(job).result()

    def execute(self, execution: Execution) -> ExecutionResult:
        """One run without tests."""
        return self._now(lambda backend: backend.execute(execution))

    def open_session(self, limits: Limits | None = None) -> "Session":
        """A Python session. Raises QueueFull when too many are open."""
        return Session(self, self._now(lambda backend: backend.open_session(limits or Limits())))

    def describe(self) -> dict:
        """Isolation level, layers and languages of the (first) sandbox; starts it."""

        async def described(backend) -> dict:
            found = backend.describe()
            return await found if asyncio.iscoroutine(found) else found

        return self._now(described)

    def close(self) -> None:
        """Kills what runs. The sandbox cannot be used again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._backend.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _now(self, work) -> Any:
        return self._later(work).result()

    def _later(self, work) -> Future:
        self._start()
        return asyncio.run_coroutine_threadsafe(work(self._backend), self._loop)

    def _start(self) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError("this sandbox is closed")
            if self._loop is not None:
                return
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="ponder-sandbox", daemon=True)
            thread.start()
            try:
                self._backend = asyncio.run_coroutine_threadsafe(self._make_backend(), loop).result()
            except BaseException:
                loop.call_soon_threadsafe(loop.stop)
                thread.join()
                loop.close()
                raise
            self._loop, self._thread = loop, thread

    async def _make_backend(self):
        if self._urls:
            from ponder.sandbox.remote import RemotePool

            return RemotePool(self._urls, self._token)
        from ponder.sandbox.pool import Pool
        from ponder.sandbox.settings import Settings

        pool = Pool(
            Settings(
                workers=self._workers,
                memory_mb=self._memory_mb,
                timeout_s=self.timeout_s,
                isolation=self._isolation,
                sessions=self._most_sessions,
                queue_limit=1 << 30,  # whoever submits holds the futures: there is nobody to turn away
            )
        )
        await pool.start()
        return pool


class Session:
    """Python that keeps its state from cell to cell. Use it as a context manager, or call `close`."""

    def __init__(self, sandbox: Sandbox, session_id: str):
        self._sandbox, self.id = sandbox, session_id

    def submit(self, code: str, timeout_s: float | None = None) -> Future[Cell]:
        return self._sandbox._later(lambda backend: backend.run_cell(self.id, code, timeout_s))

    def run(self, code: str, timeout_s: float | None = None) -> Cell:
        """Runs one cell; after `timeout_s` it is interrupted. Raises KeyError when the session is over."""
        return self.submit(code, timeout_s).result()

    def interrupt(self) -> None:
        """KeyboardInterrupt in the cell that runs."""
        self._sandbox._now(lambda backend: backend.interrupt(self.id))

    def close(self) -> None:
        self._sandbox._now(lambda backend: backend.close_session(self.id))

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
