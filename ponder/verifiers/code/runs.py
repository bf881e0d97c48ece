"""Programs on their way through a sandbox: nothing waits, and equal programs for the same tests are run once."""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from typing import Any

from ponder.recipe.schema import SandboxSettings
from ponder.sandbox.client import Sandbox
from ponder.sandbox.job import Job, Report
from ponder.sandbox.levels import IsolationError
from ponder.tasks.task import Task
from ponder.verifiers.code.verifier import describe_tests, job_of, verdict_of
from ponder.verifiers.score_rule import scores_fraction
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verifier import Submission

TOKEN = "PONDER_SANDBOX_TOKEN"  # the environment variable that holds a remote sandbox's token
KEPT_VERDICTS = 4_096
KEPT_SOURCE = 20_000  # characters; longer programs hardly come twice, and would take much memory
KEPT_TESTS = 512


def open_sandbox(settings: SandboxSettings, sessions: int = 16) -> Sandbox:
    """The sandbox that a recipe asks for; `sessions`: of Python that may be open at a time."""
    return Sandbox(
        settings.urls,
        workers=settings.workers,
        memory_mb=settings.memory_mb,
        timeout_s=settings.timeout_s,
        isolation=settings.isolation,
        sessions=sessions,
        token=os.environ.get(TOKEN) or None,
    )


@dataclass(frozen=True)
class _Tests:
    """A task's tests, made ready once for all programs; `number` is theirs alone."""

    number: int
    reference: Any
    metadata: dict
    job: Job
    fraction: bool

    def are_of(self, task: Task) -> bool:
        same = self.reference is task.reference and self.metadata is task.metadata
        return same or (self.reference == task.reference and self.metadata == task.metadata)


class CodeRuns:
    """Verdicts on programs: the grader of the code verifier. The sandbox starts with the first program, not before."""

    def __init__(self, settings: SandboxSettings | None = None):
        self._settings = settings or SandboxSettings()
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None
        self._closed = False
        self._numbers = count()
        self._tests: OrderedDict[str, _Tests] = OrderedDict()
        self._verdicts: OrderedDict[tuple[int, bytes], Verdict] = OrderedDict()
        self._waiting: dict[tuple[int, bytes], list[Future[Verdict]]] = {}  # all who asked for a program that runs
        self.runs = 0  # programs that were handed to the sandbox, the shared ones once

    def start(self) -> dict:
        """Starts the sandbox, and says what it isolates. ValueError where there is none to be had."""
        try:
            return self._started().describe()
        except ValueError:
            raise
        except Exception as error:
            where = f"on {', '.join(self._settings.urls)}" if self._settings.urls else "on this machine"
            raise ValueError(
                f"sandbox: programs cannot be run {where}: {str(error) or type(error).__name__}"
            ) from error

    def check(self, task: Task) -> None:
        """ValueError for a task whose programs no sandbox of these settings would run."""
        limits = job_of(task).limits
        for name, most in (("timeout_s", self._settings.timeout_s), ("memory_mb", self._settings.memory_mb)):
            asked = getattr(limits, name)
            if not self._settings.urls and asked is not None and asked > most:
                raise ValueError(f"they ask for limits.{name} {asked:g}: set sandbox.{name} to that, not {most:g}")

    def prepare(self, tasks: Iterable[Task]) -> None:
        """Starts the sandbox. ValueError where there is none to be had, or a task's limits are beyond its own."""
        self.start()
        for task in tasks:
            try:
                self.check(task)
            except ValueError as error:
                place = f"{task.place}: " if task.place else ""
                raise ValueError(
                    f"{place}no program can be judged by a task's tests: {error}\n  {task.question[:200]}"
                ) from None

    def submit(self, submission: Submission) -> Future[Verdict]:
        """The future verdict on a program; returns at once.

        Raises ValueError for a task without usable tests, IsolationError where the sandbox cannot start.
        """
        future: Future[Verdict] = Future()
        tests = self._tests_of(submission.task)
        key = (tests.number, blake2b(submission.parsed.encode("utf-8", "surrogatepass"), digest_size=16).digest())
        sandbox = self._started()
        with self._lock:
            if (verdict := self._verdicts.get(key)) is not None:
                self._verdicts.move_to_end(key)
                future.set_result(verdict)
                return future
            if (waiting := self._waiting.get(key)) is not None:
                waiting.append(future)
                return future
            self._waiting[key] = [future]
            self.runs += 1
        job = tests.job.model_copy(update={"source": submission.parsed})
        try:
            report = sandbox.submit(job)
        except IsolationError as error:
            self._finish(key, _failure(error, job))
            raise
        except Exception as error:
            self._finish(key, _failure(error, job))
        else:
            report.add_done_callback(lambda done: self._report(key, job, tests.fraction, done))
        return future

    def close(self) -> None:
        """Kills what runs; verdicts that are not in are cancelled."""
        with self._lock:
            self._closed = True
            sandbox, self._sandbox = self._sandbox, None
            waiting = [future for futures in self._waiting.values() for future in futures]
            self._waiting.clear()
        for future in waiting:
            future.cancel()
        if sandbox is not None:
            sandbox.close()

    def _started(self) -> Sandbox:
        with self._lock:
            if self._closed:
                raise RuntimeError("this verification is closed")
            if self._sandbox is None:
                self._sandbox = open_sandbox(self._settings)
            return self._sandbox

    def _tests_of(self, task: Task) -> _Tests:
        with self._lock:
            kept = self._tests.get(task.id)
            if kept is not None and kept.are_of(task):
                self._tests.move_to_end(task.id)
                return kept
            made = _Tests(next(self._numbers), task.reference, task.metadata, job_of(task), scores_fraction(task))
            self._tests[task.id] = made
            if len(self._tests) > KEPT_TESTS:
                self._tests.popitem(last=False)
        return made

    def _report(self, key: tuple[int, bytes], job: Job, fraction: bool, done: Future[Report]) -> None:
        """In the sandbox's thread: nothing may be raised here, or those who wait would wait for ever."""
        try:
            verdict = verdict_of(done.result(), job, fraction)
        except BaseException as error:
            verdict = _failure(error, job)
        self._finish(key, verdict)

    def _finish(self, key: tuple[int, bytes], verdict: Verdict) -> None:
        with self._lock:
            waiting = self._waiting.pop(key, [])
            # What failed once is tried afresh when it comes again.
            if verdict.status != "error" and len(verdict.parsed or "") <= KEPT_SOURCE:
                self._verdicts[key] = verdict
                if len(self._verdicts) > KEPT_VERDICTS:
                    self._verdicts.popitem(last=False)
        for future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(verdict)


def _failure(error: BaseException, job: Job) -> Verdict:
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Verdict("error", None, f"the sandbox failed: {said}", job.source, describe_tests(job.tests))
