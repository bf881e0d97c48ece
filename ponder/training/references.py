"""Before anything is learned: can each task's verifier use its reference? All tasks at hand are looked at, not a sample."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from itertools import islice

from ponder.tasks.jsonl import listed_faults
from ponder.tasks.task import Task
from ponder.training.data import spread
from ponder.verifiers.judge import Judge, reference_response
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict

PROGRAMS = 64  # reference solutions that are run, evenly spaced: all of them would take minutes
REWARDS = 64  # tasks on which a composed reward is tried
AT_A_TIME = 4_096  # verdicts that are waited for together
ANY_ANSWER = Response(reasoning="So.", content="?", thinking_closed=True, truncated=False, tokens=1)


class SelfCheckError(ValueError):
    """The run cannot learn as it is set up; the message says why and what to change."""


def check_references(judge: Judge, tasks: Iterable[Task]) -> None:
    """The reference answer of every task must be `correct` in the eyes of its own verifier; of programming tasks, the
    solutions of PROGRAMS tasks are run.

    A reward composed around that verifier is left out there: it asks for a form which a bare reference does not have. But
    with it, too, any answer must be judged, or its parts cannot be used.

    Raises:
        SelfCheckError: with all that were found counted, and the first listed with file and line.
    """
    coding: list[Task] = []
    composed: list[Task] = []
    stated = _stated(tasks, coding, composed)
    faults = []
    while some := list(islice(stated, AT_A_TIME)):
        faults += _faults(judge, some)
    faults += _faults(judge, [(task, _bare(task), reference_response(task)) for task in spread(coding, PROGRAMS)])
    if not faults:
        faults = _faults(judge, [(task, task, None) for task in spread(composed, REWARDS)])
    if faults:
        raise SelfCheckError(
            f"{listed_faults(faults, 'references cannot be used')}\n"
            "Mend them or leave these rows out, mend the source's field mapping or its reward, or choose another verifier. "
            "Nothing was begun."
        )


def _stated(
    tasks: Iterable[Task], coding: list[Task], composed: list[Task]
) -> Iterator[tuple[Task, Task, Response | ValueError | None]]:
    """(task, the task as it is judged, the response that states its reference), equal references once."""
    seen: set[tuple] = set()
    for task in tasks:
        if "reward" in task.metadata and task.verifier != "reasoning_gym":
            composed.append(task)
        if task.verifier == "code":
            coding.append(task)
            continue
        key = (task.verifier, repr(task.reference), repr(task.tools), repr(task.metadata))
        if key in seen:
            continue
        seen.add(key)
        try:
            yield task, _bare(task), reference_response(task)
        except ValueError as error:
            yield task, _bare(task), error


def _bare(task: Task) -> Task:
    return replace(task, metadata={key: value for key, value in task.metadata.items() if key != "reward"})


def _faults(judge: Judge, stated: Iterable[tuple[Task, Task, Response | ValueError | None]]) -> list[str]:
    """What is wrong with each reference that cannot be used. Where there is no response that states it (None), any
    answer must have a verdict."""
    asked: list[tuple[Task, Response | ValueError | None, Future[Verdict] | None]] = []
    for task, judged, response in stated:
        if isinstance(response, ValueError):
            asked.append((task, response, None))
        elif response is not None or task.verifier not in ("reasoning_gym", "code") or judged is task:
            asked.append((task, response, judge.submit(judged, response or ANY_ANSWER)))
    return [fault for task, response, future in asked if (fault := _fault(task, response, future))]


def _fault(task: Task, response: Response | ValueError | None, future: Future[Verdict] | None) -> str | None:
    place = task.place or f"{task.source or 'a task'}, {' '.join(task.question.split())[:120]!r}"
    if future is None:
        return f"{place}: {response}"
    verdict = future.result()
    if verdict.status == "error":
        return f"{place}: no answer can be judged: {verdict.reason}"
    if isinstance(response, Response) and verdict.status != "correct":
        return (
            f"{place}: the verifier {task.verifier!r} says {verdict.status!r} of a task's own reference answer "
            f"({verdict.reason}): {response.content[:120]!r}"
        )
    return None
