"""The grader of the judge verifier: each judge in an event loop of its own, so that waiting holds nobody else up."""

from collections.abc import Iterable
from concurrent.futures import Future
from threading import Lock

from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import Task
from ponder.verifiers.batches import BatchGrader, BatchLimits
from ponder.verifiers.judge_model.asking import AskedJudge
from ponder.verifiers.judge_model.kept import KeptAnswers
from ponder.verifiers.judge_model.rubric import asked_of_judge
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verifier import Setup, Submission

TRIALS = 3  # of a judge before a training; one that can be read is enough
ANY_ANSWER = Response("", "I do not know.", thinking_closed=True, truncated=False)


class JudgeGrader:
    """Asks the judges of `Setup.judges`; what they answer is kept at `Setup.answers`. Threads start with the first question."""

    def __init__(self, setup: Setup):
        self._setup, self._lock = setup, Lock()
        self._graders: dict[str, BatchGrader] = {}
        self._kept: KeptAnswers | None = None
        self._tried: set[str] = set()

    def prepare(self, tasks: Iterable[Task]) -> None:
        """Each judge is asked about a task or two: ValueError for one that is not there, or says nothing that can be read;
        and for a task that it could not judge."""
        first: dict[str, list[Task]] = {}
        for task in tasks:
            try:
                name = asked_of_judge(task).judge
            except ValueError as error:
                raise ValueError(f"{task.place}: {error}" if task.place else str(error)) from None
            some = first.setdefault(name, [])
            if len(some) < TRIALS:
                some.append(task)
        for name, some in first.items():
            if name not in self._tried:
                self._try(name, some)
                self._tried.add(name)

    def submit(self, submission: Submission) -> Future[Verdict]:
        """The future verdict. ValueError for a judge that there is not, or answers on disk that are none."""
        return self._grader(asked_of_judge(submission.task).judge).submit(submission)

    def close(self) -> None:
        with self._lock:
            graders, kept = list(self._graders.values()), self._kept
        for grader in graders:
            grader.close()
        if kept is not None:
            kept.close()

    def _try(self, name: str, tasks: list[Task]) -> None:
        verdicts = []
        for task in tasks:
            verdicts.append(self.submit(Submission(task, ANY_ANSWER)).result())
            if not verdicts[-1].failed:
                return
        raise ValueError(f"judges.{name}: it must judge before anything begins, and it cannot: {verdicts[-1].reason}")

    def _grader(self, name: str) -> BatchGrader:
        with self._lock:
            if name not in self._graders:
                if name not in self._setup.judges:
                    raise ValueError(unknown_name("judge", name, self._setup.judges))
                server = self._setup.judges[name]
                self._kept = self._kept or KeptAnswers(self._setup.answers)
                asked = AskedJudge(name, server, self._kept)
                # A verdict is two requests at most, each in twice its time: later than that the loop itself is stuck.
                limits = BatchLimits(1, 0.0, server.concurrent, 5 * server.timeout_s)
                self._graders[name] = BatchGrader(name, asked.grade, limits, cleanup=asked.close)
            return self._graders[name]
