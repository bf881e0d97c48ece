"""A grader made of a function that grades many responses at a time, such as a model of rewards or a judge behind HTTP."""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from ponder.tasks.task import Task
from ponder.verifiers.scores import told, verdict_from
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verifier import Submission

CLOSING_S = 2.0  # seconds that what is cancelled may take to clean up

Grade = Callable[[Sequence[Submission]], Awaitable[Sequence[Any]]]


@dataclass(frozen=True)
class BatchLimits:
    """How responses are put together, and how long a grader may take.

    size: most responses in a batch. wait_s: seconds that the first of a batch waits for company. at_a_time: batches that
    are graded at the same time. deadline_s: seconds by the clock that a batch may take once it has been handed over.
    """

    size: int = 64
    wait_s: float = 0.02
    at_a_time: int = 4
    deadline_s: float = 60.0


@dataclass(frozen=True)
class _Waiting:
    submission: Submission
    verdict: Future[Verdict]
    since: float


@dataclass(eq=False)
class _Batch:
    members: list[_Waiting]
    ends: float
    call: Future | None = None


class BatchGrader:
    """A Grader that gathers submissions into batches and hands these to `grade`, a coroutine function.

    `grade` returns one answer for each submission of the batch, in order: a verdict, what `scores.verdict_from` reads as
    one, or an exception. It runs in an event loop in a thread of its own, so it may wait for other machines, and is
    cancelled at its deadline. What it does wrong is never a score: an exception, too few answers and odd ones are
    `error` verdicts, a batch that is not done in time has `timeout` verdicts, even where it blocks its event loop.

    `prepare` sees the tasks before anything is learned and raises ValueError for what cannot be graded; `cleanup` is
    awaited at the end, in the same event loop. The threads start with the first submission.
    """

    def __init__(
        self,
        name: str,
        grade: Grade,
        limits: BatchLimits | None = None,
        prepare: Callable[[Iterable[Task]], None] | None = None,
        cleanup: Callable[[], Awaitable[object]] | None = None,
    ):
        self.name, self._grade, self._limits = name, grade, limits or BatchLimits()
        self._prepare, self._cleanup = prepare, cleanup
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._running: list[_Batch] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: list[threading.Thread] = []
        self._closed = False

    def prepare(self, tasks: Iterable[Task]) -> None:
        if self._prepare is not None:
            self._prepare(tasks)

    def submit(self, submission: Submission) -> Future[Verdict]:
        """The future verdict; returns at once. RuntimeError once the grader is closed."""
        verdict: Future[Verdict] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError(f"{self.name} is closed")
            if self._loop is None:
                self._start()
            self._waiting.append(_Waiting(submission, verdict, monotonic()))
            self._changed.notify()
        return verdict

    def close(self) -> None:
        """Cancels what waits and what runs, and lets what runs clean up, for CLOSING_S at most."""
        with self._changed:
            self._closed = True
            members = [*self._waiting, *(member for batch in self._running for member in batch.members)]
            self._waiting.clear()
            self._running.clear()
            self._changed.notify()
        for member in members:
            member.verdict.cancel()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
        for thread in self._threads:
            thread.join(timeout=2 * CLOSING_S)

    def _start(self) -> None:
        self._loop = asyncio.new_event_loop()
        # Two threads: what blocks the event loop must not keep deadlines from passing.
        for work in (self._run_loop, self._dispatch):
            thread = threading.Thread(target=work, name=f"ponder-grader-{self.name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run_loop(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        loop.run_forever()
        calls = asyncio.all_tasks(loop)
        for call in calls:
            call.cancel()
        try:
            with suppress(TimeoutError):  # what will not end is left behind
                loop.run_until_complete(asyncio.wait_for(self._wind_up(calls), CLOSING_S))
        finally:
            loop.close()

    async def _wind_up(self, calls: set[asyncio.Task]) -> None:
        if calls:
            await asyncio.wait(calls)
        if self._cleanup is not None:
            await self._cleanup()

    # ---- in the dispatching thread ----

    def _dispatch(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (seconds := self._idle_for()) != 0.0:
                    self._changed.wait(seconds)
                if self._closed:
                    return
                late = [batch for batch in self._running if batch.ends <= monotonic()]
                self._running = [batch for batch in self._running if batch not in late]
                batch = self._gathered()
                if batch is not None:
                    batch.call = asyncio.run_coroutine_threadsafe(self._call(batch), self._loop)
            for one in late:
                one.call.cancel()
                reason = f"{self.name}: no verdict within {self._limits.deadline_s:g} s"
                _deliver(one.members, [Verdict("timeout", None, reason)] * len(one.members))
            if batch is not None:
                batch.call.add_done_callback(lambda done, batch=batch: self._ended(batch, done))

    def _idle_for(self) -> float | None:
        """Seconds until there is something to do; 0 for now, None for when something is submitted or ends."""
        moments = [batch.ends for batch in self._running]
        if self._waiting and len(self._running) < self._limits.at_a_time:
            full = len(self._waiting) >= self._limits.size
            moments.append(0.0 if full else self._waiting[0].since + self._limits.wait_s)
        return max(0.0, min(moments) - monotonic()) if moments else None

    def _gathered(self) -> _Batch | None:
        """The next batch, where one is due. There is room for it: the dispatcher woke for it, or for one that was late."""
        limits, now = self._limits, monotonic()
        due = self._waiting and (len(self._waiting) >= limits.size or self._waiting[0].since + limits.wait_s <= now)
        if not due:
            return None
        taken = [self._waiting.popleft() for _ in range(min(limits.size, len(self._waiting)))]
        members = [member for member in taken if not member.verdict.cancelled()]
        if not members:
            return None
        batch = _Batch(members, now + limits.deadline_s)
        self._running.append(batch)
        return batch

    async def _call(self, batch: _Batch) -> Sequence[Any]:
        return await self._grade([member.submission for member in batch.members])

    # ---- in the event loop's thread ----

    def _ended(self, batch: _Batch, done: Future) -> None:
        with self._changed:
            if batch not in self._running:  # it was late, or the grader has been closed
                return
            self._running.remove(batch)
            self._changed.notify()
        _deliver(batch.members, self._verdicts(done, len(batch.members)))

    def _verdicts(self, done: Future, count: int) -> list[Verdict]:
        if done.cancelled():
            return [self._error("its own call was cancelled")] * count
        if (error := done.exception()) is not None:
            return [self._error(told(error))] * count
        answers = done.result()
        if hasattr(answers, "tolist"):  # a tensor
            answers = answers.tolist()
        if not isinstance(answers, Sequence) or isinstance(answers, str) or len(answers) != count:
            said = f"{len(answers)} answers" if isinstance(answers, list | tuple) else type(answers).__name__
            return [self._error(f"it was asked for a list of {count} answers and gave {said}")] * count
        return [self._verdict(answer) for answer in answers]

    def _verdict(self, answer: Any) -> Verdict:
        if isinstance(answer, BaseException):
            return self._error(told(answer))
        try:
            return verdict_from(answer, self.name)
        except Exception as error:
            return self._error(str(error) if isinstance(error, ValueError) else told(error))

    def _error(self, reason: str) -> Verdict:
        return Verdict("error", None, f"{self.name}: {reason}")


def _deliver(members: Sequence[_Waiting], verdicts: Sequence[Verdict]) -> None:
    for member, verdict in zip(members, verdicts, strict=True):
        if member.verdict.set_running_or_notify_cancel():  # whoever asked may have given up
            member.verdict.set_result(verdict)
