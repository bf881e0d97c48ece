"""The sandbox proper, in one event loop: zygotes, workers made ready in advance, slots, retries and sessions."""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from ponder.sandbox import grading, watch
from ponder.sandbox.cgroups import Group, Groups
from ponder.sandbox.job import Cell, Execution, ExecutionResult, Job, Limits, Refused, Report
from ponder.sandbox.languages import LANGUAGES, find_language
from ponder.sandbox.levels import LAYERS, IsolationError, Level, check
from ponder.sandbox.process import ChannelClosed, Worker, WorkerLost
from ponder.sandbox.sessions import Sessions
from ponder.sandbox.slots import Draining, QueueFull, Slots
from ponder.sandbox.stats import PoolMetrics
from ponder.sandbox.zygote import Zygote, ZygoteRefused

READY_SECONDS = 30.0
TRIES = 2  # a job whose worker is lost is tried once more
SLOTS_PER_ZYGOTE = 8
T = TypeVar("T")

__all__ = ["IsolationError", "Pool", "QueueFull", "Settings"]


@dataclass(frozen=True)
class Settings:
    """`workers` is how many jobs run at a time; None: two for each core. Time and memory are the most a job may ask."""

    workers: int | None = None
    memory_mb: int = 1024
    timeout_s: float = 10.0
    isolation: Level = "standard"
    queue_limit: int = 1000
    sessions: int = 16
    session_idle_s: float = 600.0
    scratch_mb: int = 64


class Pool:
    """Runs jobs. Everything here belongs to the event loop in which `start` was called."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.metrics = PoolMetrics()
        self._slots = Slots(settings.workers or 2 * len(os.sched_getaffinity(0)), settings.queue_limit)
        self._zygotes: list[Zygote] = []
        self._spares: deque[Worker] = deque()
        self._wanted: deque[asyncio.Future[Worker]] = deque()  # whoever waits for a spare
        self._preparing = 0
        self._running: set[Worker] = set()
        self._tasks: set[asyncio.Task] = set()
        self._groups: Groups | None = None
        self._jailed = True
        self.draining = self._closed = False
        self._zygote_lock = asyncio.Lock()
        self.sessions = Sessions(
            settings.sessions, settings.session_idle_s, self._session_worker, self._end_session_worker
        )

    # ---- start and end ----

    async def start(self) -> None:
        """Raises IsolationError when the machine gives less isolation than asked for."""
        refusal = ""
        self._jailed = self.settings.isolation != "none"
        if self._jailed:
            self._groups = Groups.find()
            try:
                self._zygotes.append(await self._start_zygote(0))
            except ZygoteRefused as refused:
                refusal, self._jailed = str(refused), False
        self.layers = self._find_layers()
        try:
            check(self.settings.isolation, self.layers, refusal)
        except IsolationError:
            await self.close()
            raise
        if not self._zygotes:
            self._zygotes.append(await self._start_zygote(0))
        for index in range(1, -(-self._slots.count // SLOTS_PER_ZYGOTE)):
            self._zygotes.append(await self._start_zygote(index))
        self._spawn(watch.watch(self._running))
        self._spawn(self.sessions.expire_idle())
        self._refill()

    async def _start_zygote(self, index: int) -> Zygote:
        return await Zygote.start(index, self._jailed, self._jailed, self.settings.scratch_mb)

    def _find_layers(self) -> dict[str, bool]:
        groups = self._groups.controllers if self._groups else []
        found = {name: self._jailed for name, level in LAYERS.items() if level == "standard"}
        return {name: found.get(name, True) for name in LAYERS} | {
            "memory control group": "memory" in groups,
            "process control group": "pids" in groups,
            "processor control group": "cpu" in groups,
            "memory watch": self._groups is None,
        }

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
        """Kills all that runs. Jobs in flight raise WorkerLost."""
        self._closed = self.draining = True
        self.sessions.close_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for zygote in self._zygotes:
            zygote.close()
        for worker in [*self._spares, *self._running]:
            worker.close()
            self._release_group(worker)
        self._spares.clear()
        if self._groups is not None:
            self._groups.close()

    # ---- jobs ----

    async def run(self, job: Job, client: str = "") -> Report:
        """The report of a job. Cancelling kills it.

        Raises Refused for limits above the server's or a language that is not there, and QueueFull.
        """
        limits = self._limits(job.limits)
        find_language(job.language)

        async def graded() -> Report:
            return await grading.grade(job, limits, self._worker)

        report, waited = await self._in_slot(graded, client)
        if isinstance(report, str):
            report = Report("infrastructure_error", report, 0, len(job.tests))
        self.metrics.outcomes[report.outcome] += 1
        return Report(**{**vars(report), "queue_seconds": waited})

    async def execute(self, execution: Execution, client: str = "") -> ExecutionResult:
        """A run without tests. Raises as `run` does."""
        limits = self._limits(execution.limits)
        find_language(execution.language)

        async def executed() -> ExecutionResult:
            return await grading.execute(execution, limits, self._worker)

        result, _ = await self._in_slot(executed, client)
        if isinstance(result, str):
            result = ExecutionResult("infrastructure_error", result, b"", b"", None, 0.0)
        self.metrics.outcomes[result.outcome] += 1
        return result

    async def _in_slot(self, work: Callable[[], Awaitable[T]], client: str) -> tuple[T | str, float]:
        """(what `work` gives, seconds waited), or in its place why it could not be done. One retry for a lost worker."""
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
        try:
            for last in [False] * (TRIES - 1) + [True]:
                try:
                    return await work(), waited
                except WorkerLost as lost:
                    if last or self._closed:
                        return str(lost), waited
                    self.metrics.jobs_retried += 1
            raise AssertionError("the last try returns")
        finally:
            self.metrics.running -= 1
            self.metrics.run_seconds.observe(monotonic() - started)
            self._slots.give_back(client)

    def _limits(self, asked: Limits) -> Limits:
        """The limits with every field filled in. Raises Refused where more is asked than the server gives."""
        mine = self.settings
        if asked.timeout_s is not None and asked.timeout_s > mine.timeout_s:
            raise Refused(
                f"limits.timeout_s is {asked.timeout_s:g}, more than this sandbox gives ({mine.timeout_s:g}): ask for "
                "less, or start it with a larger --timeout"
            )
        if asked.memory_mb is not None and asked.memory_mb > mine.memory_mb:
            raise Refused(
                f"limits.memory_mb is {asked.memory_mb}, more than this sandbox gives ({mine.memory_mb}): ask for less, "
                "or start it with a larger --memory-mb"
            )
        given = {"timeout_s": asked.timeout_s or mine.timeout_s, "memory_mb": asked.memory_mb or mine.memory_mb}
        return asked.model_copy(update=given)

    # ---- workers ----

    @asynccontextmanager
    async def _worker(self, limits: Limits) -> AsyncIterator[Worker]:
        """A worker for one run, held to `limits`; it and all it started are gone when the block is left."""
        worker = await self._take_spare()
        try:
            self._hold_to(worker, limits)
            self._running.add(worker)
            yield worker
        finally:
            self._running.discard(worker)
            burial = self._spawn(self._bury(worker))
            await asyncio.shield(burial)

    async def _session_worker(self, limits: Limits) -> tuple[Worker, Limits]:
        limits = self._limits(limits)
        worker = await self._take_spare()
        self._hold_to(worker, limits)
        self._running.add(worker)
        return worker, limits

    def _end_session_worker(self, worker: Worker) -> None:
        self._running.discard(worker)
        self._spawn(self._bury(worker))

    def _hold_to(self, worker: Worker, limits: Limits) -> None:
        if worker.group is None:
            worker.memory_limit = limits.memory_mb << 20
            worker.base_memory = watch.base_memory(worker)
        else:
            worker.group.limit(limits.memory_mb << 20, limits.processes)

    async def _bury(self, worker: Worker) -> None:
        worker.stop_timer()
        worker.kill()
        with contextlib.suppress(WorkerLost):
            await worker.ended
        worker.close()
        self._release_group(worker)

    def _release_group(self, worker: Worker) -> None:
        if worker.group is not None and self._groups is not None:
            self._groups.give_back(worker.group)
            worker.group = None

    async def _take_spare(self) -> Worker:
        while self._spares:
            worker = self._spares.popleft()
            if not worker.ended.done():
                self._refill()
                return worker
            self._spawn(self._bury(worker))
        future = asyncio.get_running_loop().create_future()
        self._wanted.append(future)
        self._refill()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._spawn(self._bury(future.result()))
            raise

    def _refill(self) -> None:
        """Keeps as many workers ready as there are slots."""
        while not self._closed and len(self._spares) + self._preparing < self._slots.count + len(self._wanted):
            self._preparing += 1
            self._spawn(self._prepare())

    async def _prepare(self) -> None:
        """Makes a worker for whoever waits longest, or as a spare. A zygote that dies meanwhile is no reason to fail."""
        made: Worker | WorkerLost = WorkerLost("the sandbox is closed")
        try:
            for _ in range(TRIES):
                try:
                    made = await self._make_worker()
                    break
                except WorkerLost as lost:
                    made = lost
        finally:
            self._preparing -= 1
        while self._wanted:
            future = self._wanted.popleft()
            if not future.done():
                future.set_exception(made) if isinstance(made, WorkerLost) else future.set_result(made)
                return
        if isinstance(made, Worker):
            self._spares.append(made)

    async def _make_worker(self) -> Worker:
        zygote = await self._living_zygote()
        worker = await zygote.fork()
        try:
            if self._groups is not None:
                worker.group = self._take_group(worker)
            ready = await asyncio.wait_for(worker.receive(64), READY_SECONDS)
        except (ChannelClosed, TimeoutError, OSError) as error:
            await self._bury(worker)
            said = worker.stderr.take().decode("utf-8", "replace").strip()
            raise WorkerLost(f"a worker did not become ready: {said[-500:] or error}") from None
        except BaseException:
            worker.kill()
            worker.close()
            raise
        assert ready == b"ready", ready
        return worker

    def _take_group(self, worker: Worker) -> Group:
        assert self._groups is not None
        group = self._groups.take()
        group.add(worker.pid)
        return group

    async def _living_zygote(self) -> Zygote:
        """The zygotes take turns; one that has died is started again."""
        async with self._zygote_lock:
            self._zygotes.append(self._zygotes.pop(0))
            if not self._zygotes[-1].alive and not self._closed:
                self.metrics.workers_restarted += 1
                try:
                    self._zygotes[-1] = await self._start_zygote(len(self._zygotes))
                except ZygoteRefused as refused:
                    raise WorkerLost(str(refused)) from None
            return self._zygotes[-1]

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
