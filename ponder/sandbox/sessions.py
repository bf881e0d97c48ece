"""Sessions: Python that keeps its state from cell to cell, each in a worker of its own until it ends or is forgotten."""

import asyncio
import json
import secrets
import signal
from collections.abc import Awaitable, Callable
from time import monotonic

from ponder.sandbox import runs
from ponder.sandbox.job import Cell, Limits, Refused
from ponder.sandbox.process import ChannelClosed, Forged, TooLarge, Worker, WorkerLost
from ponder.sandbox.slots import TooManySessions

OUTPUT_KEPT = 1 << 20  # bytes of a cell's output; the rest is read and dropped
MAX_ANSWER = 1 << 20  # bytes of a cell's result and traceback
MOST_READS = 16  # more than a pipe holds
MAX_RESULT, MAX_TRACEBACK = 64 << 10, 8_000  # characters
GRACE_S = 1.0  # between the interrupt of a cell and the end of its session
EXPIRY_CHECK_S = 1.0

OpenWorker = Callable[[Limits], Awaitable[tuple[Worker, Limits]]]
EndWorker = Callable[[Worker], None]


class Session:
    """One session. Cells run one at a time, in the order in which they were asked for."""

    def __init__(self, worker: Worker, limits: Limits):
        self.worker, self.limits = worker, limits
        self.used = monotonic()
        self.busy = 0
        self._turn = asyncio.Lock()

    async def begin(self) -> None:
        worker = self.worker
        for drain in (worker.stdout, worker.stderr):
            drain.keep = OUTPUT_KEPT
        worker.stdout.limit = worker.stderr.limit = 1 << 62
        await worker.send(runs.header(worker, "session", self.limits))
        worker.set_timer(self.limits.timeout_s)
        await worker.receive(64)
        worker.stop_timer()

    async def run(self, code: str, timeout_s: float) -> Cell:
        self.busy += 1
        try:
            async with self._turn:
                return await self._run(code, timeout_s)
        finally:
            self.busy -= 1
            self.used = monotonic()

    async def _run(self, code: str, timeout_s: float) -> Cell:
        worker, loop = self.worker, asyncio.get_running_loop()
        began = monotonic()
        interrupted = False

        def time_is_up() -> None:
            nonlocal interrupted
            interrupted = True
            worker.signal(signal.SIGINT)
            worker.set_timer(GRACE_S)

        timer = loop.call_later(timeout_s, time_is_up)
        try:
            worker.nothing_unasked()
            await worker.send(json.dumps({"code": code}).encode())
            answer = json.loads(await worker.receive(MAX_ANSWER))
            result, error = answer["result"], answer["error"]
            error_type = error["type"] if error else ""
            trace = error["traceback"] if error else None
            assert isinstance(result, str | None) and isinstance(trace, str | None)
        except ChannelClosed:
            return await self._dead(interrupted, monotonic() - began, timeout_s)
        except asyncio.CancelledError:
            worker.kill()
            raise
        except (Forged, TooLarge, ValueError, KeyError, TypeError, AssertionError, RecursionError):
            worker.kill("runtime_error")
            return await self._dead(interrupted, monotonic() - began, timeout_s)
        finally:
            timer.cancel()
            worker.stop_timer()
        for drain in (worker.stdout, worker.stderr):  # what the cell has written is in the pipes by now
            for _ in range(MOST_READS):  # a thread of the cell may go on writing
                if not drain.read():
                    break
        outcome = "passed"
        if error:
            outcome = "memory" if error_type == "MemoryError" else "runtime_error"
            if interrupted and error_type == "KeyboardInterrupt":
                outcome = "timeout"
        if worker.ran_out_of_memory():
            outcome = "memory"
            worker.group.limit(self.limits.memory_mb << 20, self.limits.processes)  # counted; the session goes on
        result = None if result is None else result[:MAX_RESULT]
        trace = None if trace is None else trace[-MAX_TRACEBACK:]
        return Cell(outcome, self._take(worker.stdout), self._take(worker.stderr), result, trace, monotonic() - began)

    async def _dead(self, interrupted: bool, seconds: float, timeout_s: float) -> Cell:
        worker = self.worker
        if not worker.ended.done():
            worker.set_timer(0.2, "runtime_error")  # it closed its channel: it is ending, or useless
        try:
            end = await worker.end()
            outcome, reason = runs.judge_end(worker, end, self.limits)
        except WorkerLost as lost:
            outcome, reason = "infrastructure_error", str(lost)
        if interrupted and outcome != "memory":
            outcome, reason = "timeout", f"longer than {timeout_s:g} s, and the interrupt was not heeded"
        if outcome == "passed":
            outcome, reason = "runtime_error", "the cell ended the session's process"
        error = f"{reason}; the session is over"
        return Cell(outcome, self._take(worker.stdout), self._take(worker.stderr), None, error, seconds, alive=False)

    @staticmethod
    def _take(drain) -> str:
        cut = drain.cut
        text = drain.take().decode("utf-8", "replace")
        return f"{text}\n[output cut at {OUTPUT_KEPT:,} bytes]" if cut else text


class Sessions:
    """The open sessions of a pool, at most `limit`; one that is idle for `idle_s` seconds ends."""

    def __init__(self, limit: int, idle_s: float, open_worker: OpenWorker, end_worker: EndWorker):
        self._limit, self._idle_s = limit, idle_s
        self._open_worker, self._end_worker = open_worker, end_worker
        self._sessions: dict[str, Session] = {}
        self._opening = 0

    def ids(self) -> list[str]:
        return list(self._sessions)

    async def open(self, limits: Limits) -> str:
        """The id of a new session. Raises TooManySessions, WorkerLost."""
        if len(self._sessions) + self._opening >= self._limit:
            raise TooManySessions(self._limit, self._idle_s)
        self._opening += 1
        try:
            worker, limits = await self._open_worker(limits)
            session = Session(worker, limits)
            try:
                await session.begin()
            except BaseException as error:
                self._end_worker(worker)
                if isinstance(error, ChannelClosed):
                    raise WorkerLost("the session's process ended at once") from None
                raise
        finally:
            self._opening -= 1
        session_id = secrets.token_hex(16)
        self._sessions[session_id] = session
        return session_id

    async def run(self, session_id: str, code: str, timeout_s: float | None) -> Cell:
        """Raises KeyError for an unknown session, Refused for a time limit above the session's."""
        session = self._sessions[session_id]
        if timeout_s is not None and not 0 < timeout_s <= session.limits.timeout_s:
            raise Refused(f"timeout_s is {timeout_s:g}: this session allows up to {session.limits.timeout_s:g}")
        try:
            cell = await session.run(code, timeout_s or session.limits.timeout_s)
        except asyncio.CancelledError:
            self.close(session_id)  # whoever asked is gone, and the cell was killed
            raise
        if not cell.alive:
            self.close(session_id)
        return cell

    def interrupt(self, session_id: str) -> None:
        """KeyboardInterrupt in the cell that runs, if one does. Raises KeyError."""
        self._sessions[session_id].worker.signal(signal.SIGINT)

    def close(self, session_id: str) -> None:
        if (session := self._sessions.pop(session_id, None)) is not None:
            self._end_worker(session.worker)

    async def expire_idle(self) -> None:
        """For ever; cancel to stop."""
        while True:
            await asyncio.sleep(min(EXPIRY_CHECK_S, self._idle_s / 2))
            for session_id, session in list(self._sessions.items()):
                dead = session.worker.ended.done() and not session.busy
                if dead or (not session.busy and monotonic() - session.used > self._idle_s):
                    self.close(session_id)

    def close_all(self) -> None:
        for session_id in self.ids():
            self.close(session_id)
