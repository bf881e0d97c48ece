"""Before anything is learned: can each task's verifier use its reference? All tasks at hand are looked at, not a sample."""

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice

from ponder.tasks.faults import listed_faults
from ponder.tasks.task import Task
from ponder.training.data import spread
from ponder.verifiers.compose import asked_of, asks_own_verifier
from ponder.verifiers.response import Response
from ponder.verifiers.table import VERIFIERS
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verification import Verification, reference_response

COSTLY = 64  # references that are tried where each starts a program, evenly spaced: all of them would take minutes
REWARDS = 64  # tasks on which a composed reward is tried
AT_A_TIME = 4_096  # verdicts that are waited for together
ANY_ANSWER = Response(reasoning="So.", content="?", thinking_closed=True, truncated=False, tokens=1)


class SelfCheckError(ValueError):
    """The run cannot learn as it is set up; the message says why and what to change."""


@dataclass
class _Reference:
    """A reference, the first task that has it, and where it stands: each task's number and place."""

    task: Task
    places: list[tuple[int, str]]


def check_references(verification: Verification, tasks: Iterable[Task]) -> None:
    """The reference answer of every task must be `correct` in the eyes of its own verifier; where judging starts a
    program (programming tasks), COSTLY of them are tried.

    A reward composed around that verifier is left out there: it asks for a form which a bare reference does not have. But
    with it, too, any answer must be judged, or its parts cannot be used.

    Raises:
        SelfCheckError: with all that were found counted, and the first listed with file and line.
    """
    references: dict[bytes, _Reference] = {}
    composed: list[_Reference] = []
    for number, task in enumerate(tasks):
        where = (number, task.place or f"{task.source or 'a task'}, {' '.join(task.question.split())[:120]!r}")
        # Equal references are looked at once.
        compared = repr((task.verifier, task.reference, task.tools, task.metadata))
        key = blake2b(compared.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if asks_own_verifier(task):
            references.setdefault(key, _Reference(task, [])).places.append(where)
        if "reward" in task.metadata and all(VERIFIERS[one.verifier].judges_anything for one in asked_of(task)):
            composed.append(_Reference(task, [where]))
    costly = [one for one in references.values() if VERIFIERS[one.task.verifier].costly]
    others = (one for one in references.values() if not VERIFIERS[one.task.verifier].costly)
    faults: list[tuple[int, str]] = []
    while some := list(islice(others, AT_A_TIME)):
        faults += _faults(verification, some)
    faults += _faults(verification, spread(costly, COSTLY))
    faults = faults or _faults(verification, spread(composed, REWARDS), bare=False)
    if faults:
        raise SelfCheckError(
            f"{listed_faults([fault for _, fault in sorted(faults)], 'references cannot be used')}\n"
            "Mend the source's field mapping, its answers or its reward, leave these rows out, or choose another verifier."
        )


def _faults(verification: Verification, references: Iterable[_Reference], bare: bool = True) -> list[tuple[int, str]]:
    """What is wrong with each reference that cannot be used, at each of its places.

    `bare`: without the reward around the verifier, which must then call a response that states the reference correct.
    Where there is no such response, or with the reward, any answer must have a verdict.
    """
    asked: list[tuple[_Reference, Response | None, Future[Verdict] | str]] = []
    for reference in references:
        task = _without_reward(reference.task) if bare else reference.task
        try:
            response = reference_response(task) if bare else None
        except ValueError as error:
            asked.append((reference, None, str(error)))
            continue
        if response is None and bare and not VERIFIERS[task.verifier].judges_anything:
            continue
        asked.append((reference, response, verification.submit(task, response or ANY_ANSWER)))
    return [
        (number, f"{place}: {fault}")
        for reference, response, future in asked
        if (fault := _fault(reference.task, response, future))
        for number, place in reference.places
    ]


def _without_reward(task: Task) -> Task:
    return replace(task, metadata={key: value for key, value in task.metadata.items() if key != "reward"})


def _fault(task: Task, response: Response | None, future: Future[Verdict] | str) -> str | None:
    if isinstance(future, str):
        return future
    verdict = future.result()
    if verdict.failed:
        return f"no answer can be judged: {verdict.reason}"
    if response is not None and verdict.status != "correct":
        return (
            f"the verifier {task.verifier!r} says {verdict.status!r} of a task's own reference answer ({verdict.reason}): "
            f"{response.content[:120]!r}"
        )
    return None
