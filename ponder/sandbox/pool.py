"""The sandbox proper, in one event loop: zygotes, workers made ready in advance, slots, retries and sessions."""

import asyncio
import logging
import os
import re
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import TypeVar

from ponder.sandbox import grading, watch
from ponder.sandbox.cgroups import Groups
from ponder.sandbox.job import Cell, Execution, ExecutionResult, Job, Limits, Report
from ponder.sandbox.languages import LANGUAGES, find_language
from ponder.sandbox.levels import LAYERS, IsolationError, check
from ponder.sandbox.process import Worker, WorkerLost
from ponder.sandbox.sessions import Sessions
from ponder.sandbox.settings import Settings
from ponder.sandbox.slots import Draining, Slots
from ponder.sandbox.stats import PoolMetrics
from ponder.sandbox.supply import Profile, Supply
from ponder.sandbox.zygote import ZygoteRefused

_LOG = logging.getLogger(__name__)
TRIES = 2  # a job whose worker is lost is tried once more
SLOTS_PER_ZYGOTE = 8
DESCRIPTORS_EACH = 12  # of a worker, beside its control group's
# Programs that name one of these get a worker in which numpy is loaded already; the others are spared its weight.
NUMERIC = re.compile(r"\b(numpy|scipy|pandas|sympy|networkx)\b")
T = TypeVar("T")


class Pool:
    """Runs jobs. Everything here belongs to the event loop in which `start` was called."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.metrics = PoolMetrics()
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        self._slots = Slots(settings.workers or 2 * cores, settings.queue_limit)
        self._running: set[Worker] = set()
        self._tasks: set[asyncio.Task] = set()
        self._watching: list[asyncio.Task] = []
        self._groups: Groups | None = None
        self._jailed = True
        self.draining = self._closed = False
        self.sessions = Sessions(
            settings.sessions, settings.session_idle_s, self._session_worker, self._end_session_worker
        )

    # ---- start and end ----

    async def start(self) -> None:
        """Raises IsolationError when the machine gives less isolation than asked for."""
        if sys.platform != "linux":
            raise IsolationError(
                f"the sandbox is made of Linux's namespaces, and this is {sys.platform}: name a server"
            )
        _allow_descriptors(DESCRIPTORS_EACH * (self._slots.count + self.settings.sessions) + 256)
        self._jailed = self.settings.isolation != "none"
        if self._jailed:
            self._groups = Groups.find()
        self._plain = self._supply(self._slots.count, -(-self._slots.count // SLOTS_PER_ZYGOTE))
        self._numeric = self._supply(1, 1, ("numpy",))
        refusal = ""
        try:
            await self._plain.start()
        except ZygoteRefused as refused:
            refusal, self._jailed = str(refused), False
        self.layers = self._find_layers()
        try:
            check(self.settings.isolation, self.layers, refusal)
            if refusal:
                raise IsolationError(f"the process that starts the workers does not start: {refusal}")
            await self._numeric.start()
        except BaseException:
            await self.close()
            raise
        self._watching = [self._spawn(watch.watch(self._running)), self._spawn(self.sessions.expire_idle())]

    def _supply(self, spares: int, zygotes: int, warm: tuple[str, ...] = ()) -> Supply:
        profile = Profile(self._jailed, self.settings.scratch_mb, spares, zygotes, warm)
        return Supply(profile, self._groups, self._spawn)

    def _find_layers(self) -> dict[str, bool]:
        groups = self._groups.controllers if self._groups else []
        found = {name: self._jailed for name, level in LAYERS.items() if level == "standard"}
        return {name: found.get(name, True) for name in LAYERS} | {
            "memory control group": "memory" in groups,
            "process control group": "pids" in groups,
            "processor control group": "cpu" in groups,
            "memory watch": self._groups is None,
        }

    @property
    def workers_restarted(self) -> int:
        """Zygotes that died and were started again."""
        return self._plain.restarts + self._numeric.restarts

    def describe(self) -> dict:
        return {
            "isolation": self.settings.isolation,
            "layers": self.layers,
            "languages": {name: language.installed for name, language in LANGUAGES.items()},
            "workers": self._slots.count,
            "memory_mb": self.settings.memory_mb,
            "timeout_s": self.settings.timeout_s,
        }

    async def drain(self) -> None:
        """Takes no new jobs and waits for those that run or wait."""
        self.draining = True
        while self.metrics.running or self.metrics.queued:
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Kills all that runs. Jobs in flight and those that wait are reported as infrastructure errors."""
        self._closed = self.draining = True
        self.sessions.close_all()
        self._plain.close()
        self._numeric.close()
        while self.metrics.running or self.metrics.queued:
            await asyncio.sleep(0.002)
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._groups is not None:
            self._groups.close()

    # ---- jobs ----

    async def run(self, job: Job, client: str = "") -> Report:
        """The report of a job. Cancelling kills it.

        Raises Refused for limits above the server's or a language that is not there, and QueueFull.
        """
        limits = self.settings.limits_of_job(job.limits)
        find_language(job.language)

        report, waited = await self._in_slot(lambda workers: grading.grade(job, limits, workers), client)
        if isinstance(report, str):
            report = Report("infrastructure_error", report, 0, len(job.tests))
        self.metrics.outcomes[report.outcome] += 1
        return Report(**{**vars(report), "queue_seconds": waited})

    async def execute(self, execution: Execution, client: str = "") -> ExecutionResult:
        """A run without tests. Raises as `run` does."""
        limits = self.settings.limits_of_job(execution.limits)
        find_language(execution.language)

        result, _ = await self._in_slot(lambda workers: grading.execute(execution, limits, workers), client)
        if isinstance(result, str):
            result = ExecutionResult("infrastructure_error", result, b"", b"", None, 0.0)
        self.metrics.outcomes[result.outcome] += 1
        return result

    async def _in_slot(self, work: Callable[[grading.Workers], Awaitable[T]], client: str) -> tuple[T | str, float]:
        """(what `work` gives, seconds waited), or in its place why it could not be done. One retry for a lost worker.

        All that the work has started is gone when this returns; the slot is free for the next a little before.
        """
        if self.draining:
            raise Draining(self._slots.queued, 5.0)
        began = monotonic()
        usual = self.metrics.run_seconds.sum / max(1, self.metrics.run_seconds.total)
        self.metrics.queued += 1
        try:
            await self._slots.take(client, usual)
        finally:
            self.metrics.queued -= 1
        waited = monotonic() - began
        self.metrics.queue_seconds.observe(waited)
        self.metrics.running += 1
        started = monotonic()
        terminations: list[asyncio.Task] = []
        try:
            return await self._tried(work, terminations), waited
        finally:
            self.metrics.run_seconds.observe(monotonic() - started)
            self._slots.give_back(client)
            try:
                if terminations:
                    await asyncio.wait(terminations)
            finally:
                self.metrics.running -= 1

    async def _tried(
        self, work: Callable[[grading.Workers], Awaitable[T]], terminations: list[asyncio.Task]
    ) -> T | str:
        for tries in range(1, TRIES + 1):
            try:
                last = tries == TRIES
                return await work(lambda limits, source, last=last: self._worker(limits, source, terminations, last))
            except WorkerLost as lost:
                reason = str(lost)
            except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
                # A fault of the judge's own, met by whatever a hostile program has answered: never a verdict.
                _LOG.exception("a job could not be judged")
                return f"{type(error).__name__}: {error}"
            if tries < TRIES and not self._closed:
                self.metrics.jobs_retried += 1
        return reason

    # ---- workers ----

    @asynccontextmanager
    async def _worker(
        self, limits: Limits, source: str, terminations: list[asyncio.Task], last_try: bool = True
    ) -> AsyncIterator[Worker]:
        """A worker for one run of `source`, held to `limits`. When the block is left it is killed, with all it started;
        that they are gone is a task in `terminations`."""
        supply = self._numeric if NUMERIC.search(source) else self._plain
        worker = await supply.take()
        worker.last_try = last_try
        try:
            self._hold_to(worker, limits)
            self._running.add(worker)
            yield worker
        finally:
            self._running.discard(worker)
            terminations.append(self._spawn(supply.terminate(worker)))

    async def _session_worker(self, limits: Limits) -> tuple[Worker, Limits]:
        limits = self.settings.limits_of_job(limits)
        worker = await self._numeric.take()
        self._hold_to(worker, limits)
        self._running.add(worker)
        return worker, limits

    def _end_session_worker(self, worker: Worker) -> None:
        self._running.discard(worker)
        self._spawn(self._numeric.terminate(worker))

    def _hold_to(self, worker: Worker, limits: Limits) -> None:
        """Raises WorkerLost where the kernel does not take the limits (yet)."""
        if worker.group is None:
            worker.memory_limit = limits.memory_mb << 20
            worker.base_memory = watch.base_memory(worker)
            return
        try:
            worker.group.limit(limits.memory_mb << 20, limits.processes)
        except OSError as error:
            raise WorkerLost(f"the control group refuses the limits: {error}") from None

    def _spawn(self, work: Awaitable) -> asyncio.Task:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- sessions ----

    async def open_session(self, limits: Limits) -> str:
        """A new session's id. Raises QueueFull when there are too many, Refused as `run` does."""
        return await self.sessions.open(limits)

    async def run_cell(self, session_id: str, code: str, timeout_s: float | None = None) -> Cell:
        """Runs one cell. KeyError for a session that is not there (any more)."""
        return await self.sessions.run(session_id, code, timeout_s)

    async def interrupt(self, session_id: str) -> None:
        self.sessions.interrupt(session_id)

    async def close_session(self, session_id: str) -> None:
        self.sessions.close(session_id)

    def session_ids(self) -> list[str]:
        return self.sessions.ids()


def _allow_descriptors(count: int) -> None:
    """Raises this process's limit of open files to what so many workers need, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
