"""Verification: (task, response) to verdict, by the task's verifier, from any thread, in any order, always in time."""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from ponder.recipe.judge import JudgeServer
from ponder.recipe.schema import SandboxSettings
from ponder.sandbox.levels import IsolationError
from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import Task
from ponder.verifiers.compose import asked_of, compose, done_with
from ponder.verifiers.pool import WorkerPool
from ponder.verifiers.response import Response
from ponder.verifiers.scores import shown, told
from ponder.verifiers.table import VERIFIERS
from ponder.verifiers.verdict import Part, Verdict
from ponder.verifiers.verifier import Grader, Job, Setup, Submission

WORKERS = min(4, os.cpu_count() or 1)  # processes; they only see what cannot be decided at once

AT_A_TIME = 4_096  # tasks that a grader is shown before a training; sources may make them as they are asked for


class Verification:
    """Judges responses. What is cheap is decided in the calling thread; the rest in killable worker processes, and by
    graders: programs in a sandbox, for instance.

    Processes and graders start with the first response that needs them. Use it as a context manager, or call `close`.
    `graders` are further verifiers, by the name under which tasks ask for them; they are closed with it. `judges` are the
    models that tasks of the judge verifier name, and `answers` the file that keeps what they answer.
    """

    def __init__(
        self,
        workers: int = WORKERS,
        deadline_s: float = 5.0,
        sandbox: SandboxSettings | None = None,
        graders: Mapping[str, Grader] | None = None,
        judges: Mapping[str, JudgeServer] | None = None,
        answers: Path | None = None,
    ):
        """ValueError for a grader that has the name of a verifier."""
        for name in graders or ():
            if name in VERIFIERS:
                raise ValueError(f"a grader cannot be called {name!r}: that is a verifier of Ponder's own")
        self.pool = WorkerPool(workers, deadline_s)
        self._setup = Setup(workers, deadline_s, sandbox or SandboxSettings(), judges or {}, answers)
        self._own = dict(graders or {})
        self._graders: dict[str, Grader] = dict(self._own)
        self._lock = Lock()
        self._closed = False

    async def verify(self, task: Task, response: Response) -> Verdict:
        """The verdict, for callers with an event loop; many may wait at the same time."""
        return await asyncio.wrap_future(self.submit(task, response))

    def submit(self, task: Task, response: Response, draw: int | None = None) -> Future[Verdict]:
        """The future verdict, without waiting for it. A failing verifier is an `error` verdict.

        `draw` is the counted key of what graders draw at random (`Submission`).
        A task with a "reward" in its metadata gets the verdict that this composes (ponder.recipe.reward). ValueError
        for an unknown verifier name, and (IsolationError) where this machine cannot isolate programs.
        """
        self._check_name(task.verifier)
        if task.metadata.get("reward", "task") == "task":
            return self._submit(task, response, draw)
        if verdict := self._without_answer(task, response):
            return done_with(verdict)
        return compose(task, lambda part: self._submit(part, response, draw))

    def verify_all(self, pairs: Iterable[tuple[Task, Response]]) -> list[Verdict]:
        """Verdicts in the order of the pairs."""
        return [future.result() for future in [self.submit(task, response) for task, response in pairs]]

    def prepare(self, tasks: Iterable[Task]) -> None:
        """Before anything is learned: starts what these tasks' verifiers need.

        ValueError, which says where and what to write instead, for what there is not on this machine, and for a task
        that it could never judge.
        """
        asked: dict[str, list[Task]] = {}
        for task in tasks:
            self._check_name(task.verifier)
            for part in asked_of(task):
                if part.verifier in self._own or VERIFIERS[part.verifier].grader is not None:
                    some = asked.setdefault(part.verifier, [])
                    some.append(part)
                    if len(some) == AT_A_TIME:
                        self.grader(part.verifier).prepare(asked.pop(part.verifier))
        for name, some in asked.items():
            self.grader(name).prepare(some)

    def grader(self, name: str) -> Grader:
        """The grader of a verifier that has one, made when first asked for. RuntimeError once this is closed."""
        with self._lock:
            if self._closed:
                raise RuntimeError("this verification is closed")
            if name not in self._graders:
                make = VERIFIERS[name].grader
                assert make is not None, f"{name} has no grader"
                self._graders[name] = make(self._setup)
            return self._graders[name]

    def close(self) -> None:
        """Kills the worker processes and closes the graders; verdicts that are not in are cancelled."""
        with self._lock:
            self._closed = True
        self.pool.close()
        for grader in self._graders.values():
            grader.close()

    def __enter__(self) -> "Verification":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _check_name(self, name: str) -> None:
        if name not in VERIFIERS and name not in self._own:
            raise ValueError(unknown_name("verifier", name, [*VERIFIERS, *self._own]))

    def _submit(self, task: Task, response: Response, draw: int | None) -> Future[Verdict]:
        """The future verdict of one verifier."""
        try:
            decided = self._without_answer(task, response) or self._decide(task, response)
            if isinstance(decided, Submission):
                return _lawful(task.verifier, self.grader(task.verifier).submit(replace(decided, draw=draw)))
        except IsolationError:
            raise
        except Exception as error:  # law 3: whatever goes wrong in a verifier is not the response's fault
            decided = Verdict("error", None, f"{type(error).__name__}: {error}")
        if isinstance(decided, Job):
            return _after(self.pool.submit(decided.request), lambda done: _verdict(done.result(), decided))
        return done_with(decided)

    def _decide(self, task: Task, response: Response) -> Verdict | Job | Submission:
        if task.verifier in self._own:
            return Submission(task, response)
        return VERIFIERS[task.verifier].decide(task, response)

    def _without_answer(self, task: Task, response: Response) -> Verdict | None:
        """The verdict on a response whose answer need not be looked for."""
        verifier = VERIFIERS.get(task.verifier)
        judges_empty = verifier is not None and verifier.judges_empty
        if response.truncated:
            status, reason = "truncated", "cut off by the token limit"
        elif not response.thinking_closed:
            status, reason = "unparseable", "the thinking never ended"
        elif not response.content.strip() and not response.tool_calls and not judges_empty:
            status, reason = "unparseable", "nothing after the thinking"
        else:
            return None
        plain = task.reference is not None and not (verifier is not None and verifier.structured)
        return Verdict(status, 0.0, reason, reference=str(task.reference) if plain else None)


def reference_response(task: Task) -> Response | None:
    """A response that states the reference answer properly: a verifier that works says `correct`.

    None where the task has no reference (a few reasoning-gym families give none) or one that cannot be met, tests but
    no solution, or instructions, which many texts follow.
    """
    return VERIFIERS[task.verifier].reference_response(task)


def shown_reference(task: Task) -> Any:
    """The reference for records and pages: of tests, which may be large, a line that describes them."""
    return VERIFIERS[task.verifier].shown_reference(task)


def _lawful(name: str, graded: Future[Verdict]) -> Future[Verdict]:
    """A grader's verdict; an `error` where what it says is none."""

    def check(done: Future[Verdict]) -> Verdict:
        if (error := done.exception()) is not None:
            return Verdict("error", None, f"{name}: {told(error)}")
        said = done.result()
        return said if isinstance(said, Verdict) else Verdict("error", None, f"{name} said no verdict: {shown(said)}")

    return _after(graded, check)


def _after(first: Future, make: Callable[[Future], Verdict]) -> Future[Verdict]:
    """The future of what `make`, which never raises, says of the first one; cancelled if that is."""
    future: Future[Verdict] = Future()

    def finish(done: Future) -> None:
        if done.cancelled():
            future.cancel()
        elif future.set_running_or_notify_cancel():  # whoever asked may have given up
            future.set_result(make(done))

    first.add_done_callback(finish)
    return future


def _verdict(result: dict, job: Job) -> Verdict:
    """A worker's result as a verdict; one that breaks the rules of a verdict is an error, never a score."""
    try:
        parts = tuple(Part.from_json(part) for part in result.pop("parts", ()))
        return Verdict(**result, parsed=job.parsed, reference=job.reference, parts=parts)
    except Exception as error:
        return Verdict("error", None, f"the worker sent {result}: {error}", job.parsed, job.reference)
