"""Killable worker processes: every job ends by its deadline, whatever it does.

A thread cannot be stopped and an alarm signal does not interrupt C code, so hostile or unlucky expressions are compared
in child processes that can be killed. A worker is `python -m ponder.verifiers.worker`; the two sides exchange JSON,
each message preceded by its length in four bytes.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

import ponder

LOAD_SECONDS = 120.0  # a worker may import its libraries for so long, on a machine that is very busy
CLOCK_FACTOR = 4.0  # a job that does not use its processor time is killed after so many deadlines by the clock


class WorkerPool:
    """Runs jobs in `workers` processes, each job for at most `deadline_s` seconds of processor time.

    The kernel ends a worker whose job has used up its processor time, so a busy machine does not turn slow jobs into
    timeouts; a job that sits idle is killed after four deadlines by the clock. A worker that dies otherwise (out of
    memory, a crash) has its job tried once more in a new one. Processes start with the first job, not before.

    >>> with WorkerPool(workers=1, deadline_s=5.0) as pool:
    ...     job = {"run": "ponder.verifiers.math.fallback:compare", "reference": "x+1", "answer": "1+x"}
    ...     pool.submit(job).result()["status"]
    'correct'
    """

    def __init__(self, workers: int, deadline_s: float, memory_bytes: int = 2 << 30):
        assert workers >= 1 and deadline_s > 0
        self._limit, self._deadline_s, self._memory_bytes = workers, deadline_s, memory_bytes
        self._jobs: SimpleQueue[tuple[dict, Future] | None] = SimpleQueue()
        self._dispatchers: list[_Dispatcher] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, job: dict) -> Future[dict]:
        """The future result of a job: {"status", "score", "reason"}, a status of `Verdict`. It never raises."""
        future: Future[dict] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("this worker pool is closed")
            self._jobs.put((job, future))
            if len(self._dispatchers) < self._limit:
                self._dispatchers.append(_Dispatcher(self._jobs, self._deadline_s, self._memory_bytes))
        return future

    def process_ids(self) -> list[int]:
        """Ids of the worker processes that are alive."""
        workers = [dispatcher.worker for dispatcher in self._dispatchers]
        return [w.process.pid for w in workers if w is not None and w.process.poll() is None]

    def close(self) -> None:
        """Kills the workers; jobs that have not ended are cancelled."""
        with self._lock:
            self._closed = True
        for _ in self._dispatchers:
            self._jobs.put(None)
        for dispatcher in self._dispatchers:
            dispatcher.stop()
        while not self._jobs.empty():
            if (item := self._jobs.get()) is not None:
                item[1].cancel()

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Dispatcher:
    """A thread that feeds one worker process, and replaces it when it dies."""

    def __init__(self, jobs: SimpleQueue, deadline_s: float, memory_bytes: int):
        self.worker: _Worker | None = None
        self._jobs, self._deadline_s, self._memory_bytes = jobs, deadline_s, memory_bytes
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="ponder-verifier", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        while self._thread.is_alive():  # a worker may be starting just now: kill whatever there is until none is left
            if (worker := self.worker) is not None:
                worker.process.kill()
            self._thread.join(timeout=0.05)

    def _serve(self) -> None:
        while (item := self._jobs.get()) is not None and not self._stopping:
            job, future = item
            if future.set_running_or_notify_cancel():
                future.set_result(self._run_safely(job))
        if item is not None:
            item[1].cancel()
        if self.worker is not None:
            self.worker.kill()

    def _run_safely(self, job: dict) -> dict:
        """A failure of the pool itself (no process to be had, a garbled message) is an error, not a lost job."""
        try:
            return self._run(job)
        except Exception as error:
            if self.worker is not None:
                self.worker.kill()
                self.worker = None
            return _no_score("error", f"{type(error).__name__}: {error}")

    def _run(self, job: dict) -> dict:
        """Result of the job: the worker's own, or what its death says. A death that is no timeout is tried twice."""
        for _ in range(2):
            if self._stopping:
                return _no_score("error", "the worker pool was closed")
            try:
                self.worker = self.worker or _Worker(self._deadline_s, self._memory_bytes)
                return self.worker.run(job, self._deadline_s)
            except _WorkerDied as death:
                self.worker = None
                result = _no_score(death.status, str(death))
                if death.status == "timeout":
                    break
        return result


class _WorkerDied(Exception):
    def __init__(self, status: str, reason: str):
        super().__init__(reason)
        self.status = status


class _Worker:
    """One worker process and the pipes to it."""

    def __init__(self, deadline_s: float, memory_bytes: int):
        self._last_words = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ponder.verifiers.worker", str(deadline_s), str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._last_words,
            env=_environment(),
            start_new_session=True,  # Ctrl+C in the terminal is for the trainer, not for its workers
        )

    def run(self, job: dict, deadline_s: float) -> dict:
        """Result of one job; raises _WorkerDied. The clock runs from the moment the worker has loaded its libraries."""
        message = json.dumps(job).encode()
        try:
            self.process.stdin.write(len(message).to_bytes(4, "big") + message)
            self.process.stdin.flush()
        except BrokenPipeError:
            self._bury(deadline_s)
        loaded = self._receive(LOAD_SECONDS, deadline_s)
        assert loaded == {"loaded": True}, loaded
        return self._receive(CLOCK_FACTOR * deadline_s, deadline_s)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):  # an unsent rest of a message goes down with its reader
            self.process.stdin.close()
        self.process.stdout.close()
        self._last_words.close()

    def _receive(self, seconds: float, deadline_s: float) -> dict:
        end = monotonic() + seconds
        size = int.from_bytes(self._read(4, end, deadline_s), "big")
        return json.loads(self._read(size, end, deadline_s))

    def _read(self, size: int, end: float, deadline_s: float) -> bytes:
        stdout, data = self.process.stdout.fileno(), b""
        poll = select.poll()
        poll.register(stdout, select.POLLIN)
        while len(data) < size:
            if not poll.poll(max(0.0, end - monotonic()) * 1000):
                self.kill()
                raise _WorkerDied("timeout", "no verdict in time by the clock: the worker was killed")
            chunk = os.read(stdout, size - len(data))
            if not chunk:
                self._bury(deadline_s)
            data += chunk
        return data

    def _bury(self, deadline_s: float) -> None:
        """Raises _WorkerDied with what the dead process left behind."""
        self.process.kill()
        code = self.process.wait()
        self._last_words.seek(0)
        last_line = (self._last_words.read()[-2000:].decode(errors="replace").strip().splitlines() or [""])[-1]
        self.kill()
        if code == -signal.SIGPROF:
            raise _WorkerDied("timeout", f"no verdict within {deadline_s:g} s of processor time: the worker was killed")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise _WorkerDied("error", f"the worker died ({how}) {last_line}".strip())


def _environment() -> dict[str, str]:
    """What a worker is told of the environment: no keys or tokens, and the same hash seed always."""
    package_root = str(Path(ponder.__file__).resolve().parent.parent)
    search_path = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    passed_on = ("PATH", "LD_LIBRARY_PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    return {name: os.environ[name] for name in passed_on if name in os.environ} | {
        "PYTHONPATH": os.pathsep.join(search_path),
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",  # more threads would only reserve memory under the limit
    }


def _no_score(status: str, reason: str) -> dict:
    return {"status": status, "score": None, "reason": reason}
