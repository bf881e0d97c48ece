"""Verification: (task, response) to verdict, by the task's verifier, from any thread, in any order, always in time."""

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Protocol

from ponder.recipe.schema import SandboxSettings
from ponder.sandbox.levels import IsolationError
from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import Task
from ponder.verifiers import instructions, math
from ponder.verifiers.choice import verifier as choice
from ponder.verifiers.code import verifier as code
from ponder.verifiers.code.runs import CodeRuns
from ponder.verifiers.code.verifier import Program
from ponder.verifiers.compose import compose, done_with
from ponder.verifiers.format import verifier as gates
from ponder.verifiers.function_calls import verifier as function_calls
from ponder.verifiers.gym import verifier as gym
from ponder.verifiers.pool import WorkerPool
from ponder.verifiers.response import Job, Response
from ponder.verifiers.verdict import Verdict

# Each decides at once, or leaves a comparison to the worker processes, or a program to the sandbox.
VERIFIERS: dict[str, Callable[[Task, Response], Verdict | Job | Program]] = {
    "math": math.decide,
    "choice": choice.decide,
    "instructions": instructions.decide,
    "function_calls": function_calls.decide,
    "code": code.decide,
    "reasoning_gym": gym.decide,
    "format": gates.decide_format,
    "length": gates.decide_length,
}

WORKERS = min(4, os.cpu_count() or 1)  # processes; they only see what cannot be decided at once


class Verifier(Protocol):
    """Whatever says a verdict on a response: the Verification with its rules, or a model of rewards."""

    async def verify(self, task: Task, response: Response) -> Verdict: ...


class Verification:
    """Judges responses. What is cheap is decided in the calling thread; the rest in killable worker processes, and
    programs in a sandbox.

    The processes and the sandbox start with the first response that needs them. Use it as a context manager, or call
    `close`.
    """

    def __init__(self, workers: int = WORKERS, deadline_s: float = 5.0, sandbox: SandboxSettings | None = None):
        self.pool = WorkerPool(workers, deadline_s)
        self.code = CodeRuns(sandbox)

    async def verify(self, task: Task, response: Response) -> Verdict:
        """The verdict, for callers with an event loop; many may wait at the same time."""
        return await asyncio.wrap_future(self.submit(task, response))

    def submit(self, task: Task, response: Response) -> Future[Verdict]:
        """The future verdict, without waiting for it. A failing verifier is an `error` verdict.

        A task with a "reward" in its metadata gets the verdict that this composes (ponder.recipe.reward). ValueError
        for an unknown verifier name, and (IsolationError) where this machine cannot isolate programs.
        """
        if task.verifier not in VERIFIERS:
            raise ValueError(unknown_name("verifier", task.verifier, VERIFIERS))
        reward = task.metadata.get("reward", "task")
        if reward == "task":
            return self._submit(task, response)
        if verdict := _without_answer(task, response):
            return done_with(verdict)

        def start(verifier: str | None, reference: Any) -> Future[Verdict]:
            part = task if verifier is None else replace(task, verifier=verifier, reference=reference)
            return self._submit(part, response)

        return compose(reward, start)

    def _submit(self, task: Task, response: Response) -> Future[Verdict]:
        """The future verdict of one verifier."""
        try:
            decided = _without_answer(task, response) or VERIFIERS[task.verifier](task, response)
            if isinstance(decided, Program):
                return self.code.submit(decided)
        except IsolationError:
            raise
        except Exception as error:  # law 3: whatever goes wrong in a verifier is not the response's fault
            decided = Verdict("error", None, f"{type(error).__name__}: {error}")
        if isinstance(decided, Verdict):
            return done_with(decided)
        future: Future[Verdict] = Future()

        def finish(done: Future[dict]) -> None:
            if done.cancelled():
                future.cancel()
            elif future.set_running_or_notify_cancel():  # whoever asked may have given up
                future.set_result(_verdict(done.result(), decided))

        self.pool.submit(decided.request).add_done_callback(finish)
        return future

    def verify_all(self, pairs: Iterable[tuple[Task, Response]]) -> list[Verdict]:
        """Verdicts in the order of the pairs."""
        return [future.result() for future in [self.submit(task, response) for task, response in pairs]]

    def close(self) -> None:
        """Kills the worker processes and the sandbox; verdicts that are not in are cancelled."""
        self.pool.close()
        self.code.close()

    def __enter__(self) -> "Verification":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def reference_response(task: Task) -> Response | None:
    """A response that states the reference answer properly: a verifier that works says `correct`.

    None where the task has no reference (a few reasoning-gym families give none) or one that cannot be met, tests but
    no solution, or instructions, which many texts follow.
    """
    match task.verifier:
        case "code":
            return _solution_response(task)
        case "function_calls":
            if (content := function_calls.reference_text(task)) is None:
                return None
        case "instructions" | "format" | "length":
            return None
        case _ if task.reference is None:
            return None
        case "reasoning_gym":
            content = f"<answer>{task.reference}</answer>"
        case "choice":
            content = f'"answer": "{task.reference}"'
        case _:
            content = f"\\boxed{{{math.reference_text(task.reference)}}}"
    return Response(reasoning="", content=content, thinking_closed=True, truncated=False)


def _solution_response(task: Task) -> Response | None:
    solution = task.metadata.get("solution")
    if solution is None:
        return None
    fence = "```"
    while fence in solution:  # a fence inside must not close the one around it
        fence += "`"
    content = solution if task.metadata.get("whole_content") else f"{fence}python\n{solution}\n{fence}"
    return Response(reasoning="", content=content, thinking_closed=True, truncated=False)


def shown_reference(task: Task) -> Any:
    """The reference for records and pages: of tests, which may be large, a line that describes them."""
    if task.verifier != "code":
        return task.reference
    tests = task.reference.get("tests") if isinstance(task.reference, dict) else None
    return code.describe_tests(tests) if isinstance(tests, list) else "no tests"


def _verdict(result: dict, job: Job) -> Verdict:
    """A worker's result as a verdict; one that breaks the rules of a verdict is an error, never a score."""
    try:
        parts = instructions.parts_of(result.pop("parts", ()))
        return Verdict(**result, parsed=job.parsed, reference=job.reference, parts=parts)
    except Exception as error:
        return Verdict("error", None, f"the worker sent {result}: {error}", job.parsed, job.reference)


def _without_answer(task: Task, response: Response) -> Verdict | None:
    """The verdict on a response whose answer need not be looked for."""
    if response.truncated:
        status, reason = "truncated", "cut off by the token limit"
    elif not response.thinking_closed:
        status, reason = "unparseable", "the thinking never ended"
    # An empty text follows no instruction: the verdict on each of them is the verifier's own to say.
    elif not response.content.strip() and not response.tool_calls and task.verifier != "instructions":
        status, reason = "unparseable", "nothing after the thinking"
    else:
        return None
    reference = None if task.reference is None or task.verifier == "code" else str(task.reference)
    return Verdict(status, 0.0, reason, reference=reference)
