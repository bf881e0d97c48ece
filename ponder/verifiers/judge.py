"""The judge: (task, response) to verdict, by the task's verifier, from any thread, in any order, always in time."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future

from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import Task
from ponder.verifiers import gym, math
from ponder.verifiers.pool import WorkerPool
from ponder.verifiers.response import Job, Response
from ponder.verifiers.verdict import Verdict

VERIFIERS: dict[str, Callable[[Task, Response], Verdict | Job]] = {
    "math": math.decide,
    "reasoning_gym": gym.decide,
}


class Judge:
    """Judges responses. What is cheap is decided in the calling thread; the rest in killable worker processes.

    The processes start with the first response that needs one. Use it as a context manager, or call `close`.
    """

    def __init__(self, workers: int = 1, deadline_s: float = 5.0):
        self.pool = WorkerPool(workers, deadline_s)

    def submit(self, task: Task, response: Response) -> Future[Verdict]:
        """The future verdict. ValueError for an unknown verifier name; a failing verifier is an `error` verdict."""
        decide = VERIFIERS.get(task.verifier)
        if decide is None:
            raise ValueError(unknown_name("verifier", task.verifier, VERIFIERS))
        try:
            decided = _without_answer(task, response) or decide(task, response)
        except Exception as error:  # law 3: whatever goes wrong in a verifier is not the response's fault
            decided = Verdict("error", None, f"{type(error).__name__}: {error}")
        future: Future[Verdict] = Future()
        if isinstance(decided, Verdict):
            future.set_result(decided)
            return future

        def finish(done: Future[dict]) -> None:
            if done.cancelled():
                future.cancel()
            else:
                future.set_result(_verdict(done.result(), decided))

        self.pool.submit(decided.request).add_done_callback(finish)
        return future

    def judge(self, pairs: Iterable[tuple[Task, Response]]) -> list[Verdict]:
        """Verdicts in the order of the pairs."""
        return [future.result() for future in [self.submit(task, response) for task, response in pairs]]

    def close(self) -> None:
        """Kills the worker processes; verdicts that are not in are cancelled."""
        self.pool.close()

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def reference_response(task: Task) -> Response | None:
    """A response that states the reference answer properly: a verifier that works says `correct`.

    None where the task has no reference (a few reasoning-gym families give none).
    """
    if task.reference is None:
        return None
    if task.verifier == "reasoning_gym":
        content = f"<answer>{task.reference}</answer>"
    else:
        content = f"\\boxed{{{math.reference_text(task.reference)}}}"
    return Response(reasoning="", content=content, thinking_closed=True, truncated=False)


def _verdict(result: dict, job: Job) -> Verdict:
    """A worker's result as a verdict; one that breaks the rules of a verdict is an error, never a score."""
    try:
        return Verdict(**result, parsed=job.parsed, reference=job.reference)
    except (AssertionError, TypeError) as error:
        return Verdict("error", None, f"the worker sent {result}: {error}", job.parsed, job.reference)


def _without_answer(task: Task, response: Response) -> Verdict | None:
    """The verdict on a response whose answer need not be looked for."""
    reference = None if task.reference is None else str(task.reference)
    if response.truncated:
        return Verdict("truncated", 0.0, "cut off by the token limit", reference=reference)
    if not response.thinking_closed:
        return Verdict("unparseable", 0.0, "the thinking never ended", reference=reference)
    if not response.content.strip():
        return Verdict("unparseable", 0.0, "nothing after the thinking", reference=reference)
    return None
