"""Asks functions of the user's own in worker processes, and makes verdicts of what they say or of how they ended."""

import re
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import Any

from ponder.recipe.python_function import PythonFunction
from ponder.tasks.task import Task
from ponder.verifiers.pool import WorkerPool
from ponder.verifiers.process import WorkerProgram, whole_environment
from ponder.verifiers.python.function import arguments, digest, function_of
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verifier import Setup, Submission

MEMORY_BYTES = 4 << 30  # that a worker may use; what it only reserves does not count
SHOWN = 300  # characters of a reference in a verdict


class PythonGrader:
    """The grader of the python verifier. Its processes start with the first response, or to see if a function is there.

    A function's file is imported once by each of them, and by all in the content that it had when the function was first
    heard of: in a run at its beginning (`function.with_digests`), else by this grader.
    """

    def __init__(self, setup: Setup):
        self._pool = WorkerPool(setup.workers, setup.deadline_s, PROGRAM)
        self._digests: dict[str, str] = {}
        self._lock = Lock()

    def prepare(self, tasks: Iterable[Task]) -> None:
        """ValueError for a function that is not there, cannot be imported, or asks for what it cannot be given."""
        found: dict[str, tuple[PythonFunction, Task]] = {}
        for task in tasks:
            function = function_of(task)
            found.setdefault(function.python, (function, task))
        for function, task in found.values():
            result = self._pool.submit(self._job(function) | {"call": None}).result()
            if result["status"] != "correct":
                where = f" (it is to judge the tasks of {task.source})" if task.source else ""
                raise ValueError(f"{result['reason']}{where}")

    def submit(self, submission: Submission) -> Future[Verdict]:
        """The future verdict. ValueError for a task that names no function, or one in no file."""
        job = self._job(function_of(submission.task)) | {"call": arguments(submission)}
        future: Future[Verdict] = Future()

        def finish(done: Future[dict]) -> None:
            if done.cancelled():
                future.cancel()
            elif future.set_running_or_notify_cancel():
                future.set_result(_verdict(done.result(), submission))

        self._pool.submit(job).add_done_callback(finish)
        return future

    def close(self) -> None:
        self._pool.close()

    def _job(self, function: PythonFunction) -> dict[str, Any]:
        file = str(Path(function.file).expanduser().absolute())
        return {"file": file, "name": function.name, "sha256": function.sha256 or self._digest(file)}

    def _digest(self, file: str) -> str:
        with self._lock:
            if file not in self._digests:
                self._digests[file] = digest(file)
            return self._digests[file]


def _verdict(result: dict, submission: Submission) -> Verdict:
    reference = submission.task.reference
    shown = None if reference is None else str(reference)[:SHOWN]
    try:
        return Verdict(**result, reference=shown)
    except Exception as error:  # the process is the user's, and may write what it likes
        return Verdict("error", None, f"the worker sent {result!r:.300}: {error}", reference=shown)


def explain(job: dict, happened: str, last_words: str) -> str:
    """Where in the user's file it happened that a worker had to be ended, or ended itself: file, line, function.

    The line is that of the dying process's own traceback, where it could still write one, else that of the definition.
    """
    file, name = job["file"], job["name"]
    written = re.escape(file.encode("ascii", "backslashreplace").decode())
    dump = last_words.rpartition("Current thread ")[2] if "Current thread " in last_words else ""
    frame = re.search(rf'^  File "{written}", line (\d+) in (.+)$', dump, re.MULTILINE)
    line, function = (frame[1], frame[2]) if frame else (_line_of(file, name), name)
    return f"{Path(file).name}, line {line}, in {function}: {happened}"


def _line_of(file: str, name: str) -> int | str:
    """The line that defines a function, as far as a search can tell."""
    try:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "?"
    match = re.search(rf"^(?:async )?(?:def|class) +{name}\b|^{name}\b", text, re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match else "?"


PROGRAM = WorkerProgram("ponder.verifiers.python.worker", MEMORY_BYTES, whole_environment, explain)
