"""Workers made ready in advance, from zygotes of one profile: what a job waits for is a worker's start, not its making."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ponder.sandbox.cgroups import Groups
from ponder.sandbox.process import ChannelClosed, Worker, WorkerLost
from ponder.sandbox.zygote import Zygote, ZygoteRefused

READY_SECONDS = 30.0
TRIES = 2  # of making a worker; a zygote that dies meanwhile is no reason to fail


@dataclass(frozen=True)
class Profile:
    """What a supply's zygotes are like. `warm` are modules imported beside the usual ones, `spares` workers kept ready."""

    jailed: bool
    scratch_mb: int
    spares: int
    zygotes: int = 1
    warm: tuple[str, ...] = ()


class Supply:
    """Gives out workers, and terminates them after use. Belongs to the event loop in which `start` was called."""

    def __init__(self, profile: Profile, groups: Groups | None, spawn: Callable[[Awaitable], asyncio.Task]):
        self._profile, self._groups, self._spawn = profile, groups, spawn
        self._zygotes: list[Zygote] = []
        self._spares: deque[Worker] = deque()
        self._wanted: deque[asyncio.Future[Worker]] = deque()  # whoever waits for a worker
        self._preparing = 0
        self._lock = asyncio.Lock()
        self._closed = False
        self.restarts = 0

    async def start(self) -> None:
        """Raises ZygoteRefused."""
        for _ in range(self._profile.zygotes):
            self._zygotes.append(await self._start_zygote())
        self._refill()

    def process_ids(self) -> list[int]:
        return [zygote.pid for zygote in self._zygotes]

    async def take(self) -> Worker:
        """A worker that waits for its job. Raises WorkerLost where none can be made."""
        while self._spares:
            worker = self._spares.popleft()
            if not worker.ended.done():
                self._refill()
                return worker
            self._spawn(self.terminate(worker))
        if self._closed:
            raise WorkerLost("the sandbox is closed")
        future = asyncio.get_running_loop().create_future()
        self._wanted.append(future)
        self._refill()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._spawn(self.terminate(future.result()))
            raise

    async def terminate(self, worker: Worker) -> None:
        """Kills a worker with all it started, and waits until they are gone."""
        worker.stop_timer()
        worker.kill()
        with contextlib.suppress(WorkerLost):
            await worker.ended
        self._release(worker)

    def close(self) -> None:
        self._closed = True
        for zygote in self._zygotes:
            zygote.close()
        for worker in self._spares:
            self._release(worker)
        self._spares.clear()

    def _release(self, worker: Worker) -> None:
        worker.close()
        if worker.group is not None and self._groups is not None:
            self._groups.give_back(worker.group)
            worker.group = None

    def _refill(self) -> None:
        while not self._closed and len(self._spares) + self._preparing < self._profile.spares + len(self._wanted):
            self._preparing += 1
            self._spawn(self._prepare())

    async def _prepare(self) -> None:
        """Makes a worker for whoever waits longest, or as a spare."""
        made: Worker | WorkerLost = WorkerLost("the sandbox is closed")
        try:
            for _ in range(TRIES):
                try:
                    made = await self._make_worker()
                    break
                except WorkerLost as lost:
                    made = lost
                except OSError as error:  # descriptors or watches have run out
                    made = WorkerLost(f"no worker can be made: {error}")
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
        zygote = await self._running_zygote()
        worker = await zygote.fork()
        try:
            if self._groups is not None:
                worker.group = self._groups.take()
                worker.group.add(worker.pid)
            ready = await asyncio.wait_for(worker.receive(64), READY_SECONDS)
        except (ChannelClosed, TimeoutError, OSError) as error:
            said = worker.stderr.take().decode("utf-8", "replace").strip()
            await self.terminate(worker)
            raise WorkerLost(f"a worker did not become ready: {said[-500:] or error}") from None
        except BaseException:
            worker.kill()
            self._release(worker)
            raise
        assert ready == b"ready", ready
        if worker.ended.done():  # with its zygote, after it had said that it is ready
            await self.terminate(worker)
            raise WorkerLost("a worker has ended before its job")
        return worker

    async def _running_zygote(self) -> Zygote:
        """The zygotes take turns; one that has died is started again."""
        async with self._lock:
            self._zygotes.append(self._zygotes.pop(0))
            if not self._zygotes[-1].alive and not self._closed:
                self.restarts += 1
                try:
                    self._zygotes[-1] = await self._start_zygote()
                except ZygoteRefused as refused:
                    raise WorkerLost(str(refused)) from None
            return self._zygotes[-1]

    async def _start_zygote(self) -> Zygote:
        return await Zygote.start(self._profile.jailed, self._profile.scratch_mb, self._profile.warm)
