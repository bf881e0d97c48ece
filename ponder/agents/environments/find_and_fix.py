"""A small program with a fault: run it, read what it says, mend it, try again. The programs are those of `ponder.tasks.programs`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from ponder.agents.tools.tool import ToolBroken
from ponder.sandbox.client import Sandbox
from ponder.sandbox.levels import IsolationError
from ponder.tasks.programs import program_tasks
from ponder.tasks.task import Task
from ponder.verifiers.code.verifier import job_of, verdict_of
from ponder.verifiers.verdict import Verdict

SHOWN_TESTS = 3  # of a task's tests, those that `test` runs; the rest judge the program at the end
_NUMBER = re.compile(r"\d+")
_SWAPS = {"+": "-", "-": "+", "*": "+", "%": "*"}


class FindAndFix:
    """
    Args:
        sandbox: where programs run; it comes from the run, not from a recipe
        min_steps, max_steps, max_number: of the programs, as in a source of kind programs
    """

    def __init__(self, sandbox: Sandbox, min_steps: int = 2, max_steps: int = 3, max_number: int = 9):
        self._sandbox = sandbox
        self._made = (("numbers", "text"), min_steps, max_steps, max_number, 1)
        program_tasks(*self._made)  # settings that cannot be are refused here
        self._task: Task | None = None
        self._code = ""

    def reset(self, seed: int) -> str:
        self._task = program_tasks(*self._made, seed)[0]
        self._code = broken(self._task.metadata["solution"], Random(seed))
        wanted = self._task.question.removeprefix("Write ").rstrip(".")
        return f"This program has a fault. It should be {wanted}.\n```python\n{self._code}\n```\nMend it, and test it."

    def test(self, code: str) -> str:
        """Runs tests on a program and returns what went wrong. The last program that was tested is your answer.

        Args:
            code: the whole program
        """
        self._code = code
        verdict = self._judged(SHOWN_TESTS)
        if verdict.failed:
            raise ToolBroken(verdict.reason)
        return "All tests pass." if verdict.status == "correct" else verdict.reason

    def reward(self) -> Verdict:
        return self._judged(None)

    def _judged(self, most: int | None) -> Verdict:
        """By so many tests, or all."""
        assert self._task is not None
        job = job_of(replace(self._task, reference={"tests": self._task.reference["tests"][:most]}))
        try:
            report = self._sandbox.run(job.model_copy(update={"source": self._code}))
        except (IsolationError, OSError, RuntimeError) as error:
            raise ToolBroken(f"the sandbox: {error}") from error
        return verdict_of(report, job, fraction=False)


def broken(program: str, rng: Random) -> str:
    """The program with one fault: another number, another operator, or a bracket that is missing."""
    head, _, expression = program.rpartition("return ")
    faults = [*_numbers(expression), *_operators(expression), *_brackets(expression)]
    return f"{head}return {rng.choice(faults)}"


def _numbers(expression: str) -> Sequence[str]:
    return [
        f"{expression[: m.start()]}{int(m[0]) + 1}{expression[m.end() :]}"
        for m in _NUMBER.finditer(expression)
        if m[0] != "1"
    ]


def _operators(expression: str) -> Sequence[str]:
    return [
        f"{expression[:at]}{_SWAPS[c]}{expression[at + 1 :]}"
        for at, c in enumerate(expression)
        if c in _SWAPS and at and (expression[at - 1].isalnum() or expression[at - 1] in ")]")
    ]


def _brackets(expression: str) -> Sequence[str]:
    return [f"{expression[:at]}{expression[at + 1 :]}" for at, c in enumerate(expression) if c in ")]"]
