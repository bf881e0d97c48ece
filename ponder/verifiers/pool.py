"""Killable worker processes: every job ends by its deadline, whatever it does.

A thread cannot be stopped and an alarm signal does not interrupt C code, so hostile or unlucky expressions are compared
in child processes that can be killed (ponder.verifiers.process).
"""

import threading
from concurrent.futures import Future
from queue import SimpleQueue

from ponder.verifiers.process import GUARDED, WorkerDied, WorkerProcess, WorkerProgram
from ponder.verifiers.wire import failure


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

    def __init__(self, workers: int, deadline_s: float, program: WorkerProgram = GUARDED):
        assert workers >= 1 and deadline_s > 0
        self._limit, self._deadline_s, self._program = workers, deadline_s, program
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
                self._dispatchers.append(_Dispatcher(self._jobs, self._deadline_s, self._program))
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

    def __init__(self, jobs: SimpleQueue, deadline_s: float, program: WorkerProgram):
        self.worker: WorkerProcess | None = None
        self._jobs, self._deadline_s, self._program = jobs, deadline_s, program
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
            return failure(f"{type(error).__name__}: {error}")

    def _run(self, job: dict) -> dict:
        """Result of the job: the worker's own, or what its death says. A death that is no timeout is tried twice."""
        for _ in range(2):
            if self._stopping:
                return failure("the worker pool was closed")
            try:
                self.worker = self.worker or WorkerProcess(self._program, self._deadline_s)
                return self.worker.run(job)
            except WorkerDied as death:
                self.worker = None
                reason = self._program.explain(job, str(death), death.last_words)
                result = {"status": death.status, "score": None, "reason": reason}
                if death.status == "timeout":
                    break
        return result
