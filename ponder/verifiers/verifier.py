"""What a verifier is: plain functions that say all that is its own. ponder.verifiers.table lists verifiers by name."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ponder.recipe.judge import JudgeServer
from ponder.recipe.schema import SandboxSettings
from ponder.tasks.task import Task
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict


@dataclass(frozen=True)
class Job:
    """A comparison left to a killable worker process.

    `request["run"]` names the function that makes it, "ponder.verifiers.FOLDER.FILE:FUNCTION". The function takes the
    request, which is JSON, and returns {"status", "score", "reason"}, and if wanted "parts", a list of
    {"name", "status", "score", "reason"}. `parsed` and `reference` are the verdict's.
    """

    request: dict
    parsed: str
    reference: str


@dataclass(frozen=True)
class Submission:
    """A response left to a grader. `parsed` is what the verifier has read of it, such as its program. `draw`: the counted
    key of all that the grader draws at random, one for a step of training; None where nothing is to be drawn."""

    task: Task
    response: Response
    parsed: str = ""
    draw: int | None = None


class Grader(Protocol):
    """What says verdicts later: the sandbox, a function of the user's, a model of rewards, a judge behind HTTP.

    ponder.verifiers.batches makes one of a function that grades many at a time. Whatever a grader does wrong is an `error`
    verdict: Verification sees to it.
    """

    def submit(self, submission: Submission) -> Future[Verdict]:
        """The future verdict, at once and from any thread. It must come in time, or be cancelled by `close`."""
        ...

    def prepare(self, tasks: Iterable[Task]) -> None:
        """Before anything is learned: starts what these tasks need. ValueError, which says where and what to write
        instead, for what there is not or what could never be judged."""
        ...

    def close(self) -> None:
        """Ends what runs; verdicts that are not in are cancelled."""
        ...


@dataclass(frozen=True)
class Setup:
    """What graders are made with: worker processes at a time, seconds of processor time a verdict, the sandbox, models that
    grade, and the file that keeps what these have answered (None: memory alone)."""

    workers: int
    deadline_s: float
    sandbox: SandboxSettings
    judges: Mapping[str, JudgeServer] = field(default_factory=dict)
    answers: Path | None = None


Decision = Verdict | Job | Submission


def no_response(task: Task) -> None:
    """The reference response of verifiers whose references many texts satisfy, or none that could be written down."""


def plain_reference(task: Task) -> Any:
    return task.reference


def as_it_is(reference: Any) -> Any:
    return reference


def as_read(task: Task, parsed: str) -> str:
    """What a verifier has read of an answer, where that is an answer of its own."""
    return parsed


def required_reference(row: Mapping[str, Any]) -> Any:
    """The reference of a row that has no field for it, where there must be one."""
    raise KeyError("reference")


@dataclass(frozen=True)
class Verifier:
    """One way to judge responses. Each is a folder of ponder/verifiers whose __init__.py makes one of these.

    decide              The verdict, or who is to say it: a worker process or the verifier's grader. ValueError for a task
                        that cannot be judged, which becomes an `error` verdict. It never raises for what a response
                        holds, and takes bounded time.
    reference_response  A response that states the task's reference, so that a verifier that works says `correct`; None
                        where there is no such response. ValueError for a reference that cannot be read.
    restated            An answer of nothing but what the verifier has read of one (`Verdict.parsed`), which it reads the same.
    shown_reference     The reference for records and pages, as JSON of moderate size.
    read_reference      The reference of a benchmark's row in the form that the verifier compares with; ValueError for one that
                        it cannot read.
    row_reference       The reference in a row of a file to judge (ponder.verifiers.files.rows) that has no field of the
                        name; KeyError where that is a fault of the row.
    grader              Makes the grader that takes the verifier's submissions.
    offers_choices      Tasks offer choices by letter, in an order that may be another.
    structured          References are lists and objects, which data sets may hold as JSON text.
    judges_empty        The verdict on an empty answer is the verifier's own to say, and not `unparseable`.
    judges_anything     An answer of any text has a verdict if the reference is usable, and costs little.
    costly              Judging starts a program, so that not all references of a source are tried before a training.
    """

    decide: Callable[[Task, Response], Decision]
    reference_response: Callable[[Task], Response | None] = no_response
    restated: Callable[[Task, str], str] = as_read
    shown_reference: Callable[[Task], Any] = plain_reference
    read_reference: Callable[[Any], Any] = as_it_is
    row_reference: Callable[[Mapping[str, Any]], Any] = required_reference
    grader: Callable[[Setup], Grader] | None = None
    offers_choices: bool = False
    structured: bool = False
    judges_empty: bool = False
    judges_anything: bool = True
    costly: bool = False


def stating(content: str) -> Response:
    """A finished response with this content, for reference responses."""
    return Response(reasoning="", content=content, thinking_closed=True, truncated=False)
