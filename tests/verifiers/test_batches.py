"""Verdicts that come later and in batches: bounded, in time, and never a score by mistake (law 3)."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from ponder.tasks import Task
from ponder.verifiers import Response, Submission, Verdict, Verification
from ponder.verifiers.batches import BatchGrader, BatchLimits

WAIT_S = 20.0  # for what must come, on a machine that is busy


def said(content: str) -> Response:
    return Response("", content, thinking_closed=True, truncated=False)


def task(verifier: str = "model", **metadata) -> Task:
    return Task(({"role": "user", "content": "Q"},), "any", verifier, None, metadata=metadata)


def submissions(*contents: str) -> list[Submission]:
    return [Submission(task(), said(content)) for content in contents]


async def lengths(batch: Sequence[Submission]) -> list[float]:
    return [min(1.0, len(one.response.content) / 10) for one in batch]


def grade_all(grade, contents, **limits) -> list[Verdict]:
    grader = BatchGrader("model", grade, BatchLimits(**limits))
    try:
        futures = [grader.submit(one) for one in submissions(*contents)]
        return [future.result(timeout=WAIT_S) for future in futures]
    finally:
        grader.close()


def test_answers_become_verdicts_in_their_order():
    verdicts = grade_all(lengths, ["", "12345", "1234567890"])
    assert [(v.status, v.score) for v in verdicts] == [("wrong", 0.0), ("wrong", 0.5), ("correct", 1.0)]


def test_batches_are_as_large_as_may_be_and_no_larger():
    seen = []

    async def grade(batch):
        seen.append([one.response.content for one in batch])
        return [1] * len(batch)

    # Nothing but a full batch ends the waiting.
    grade_all(grade, "abcdef", size=3, wait_s=10_000)
    assert sorted(map("".join, seen)) == ["abc", "def"]


def test_a_batch_does_not_wait_for_ever_for_company():
    assert grade_all(lengths, ["1234567890"], size=1_000, wait_s=0.01)[0].status == "correct"


def test_no_more_batches_run_at_a_time_than_the_bound():
    running, most = 0, 0
    two_run = asyncio.Event()

    async def grade(batch):
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            two_run.set()
        await asyncio.wait_for(two_run.wait(), timeout=60)  # the first waits for a second to run beside it
        for _ in range(20):  # let a third begin, if it may
            await asyncio.sleep(0)
        running -= 1
        return [1] * len(batch)

    grades = grade_all(grade, "abcdefgh", size=1, wait_s=0, at_a_time=2)
    assert [graded.status for graded in grades] == ["correct"] * 8  # none waited in vain
    assert most == 2


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError("cannot be told")


class Hostile:
    def __repr__(self):
        raise RuntimeError("cannot be shown")


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (ValueError("no model"), "ValueError: no model"),
        (HostileError(), "HostileError"),
        ([1.0], "asked for a list of 2 answers and gave 1 answers"),
        ([1.0] * 3, "asked for a list of 2 answers and gave 3 answers"),
        ("ab", "asked for a list of 2 answers and gave str"),
        (None, "asked for a list of 2 answers and gave NoneType"),
        ([None, None], "returned None"),
        ([2.0, float("nan")], "a score is a number from 0 to 1"),
        ([Hostile(), "1"], "returned"),
        ([KeyError("x"), HostileError()], "Error"),
    ],
)
def test_what_is_no_verdict_is_an_error_and_never_a_zero(answers, reason):
    async def grade(batch):
        if isinstance(answers, Exception):
            raise answers
        return answers

    for verdict in grade_all(grade, "ab", size=2):
        assert (verdict.status, verdict.score) == ("error", None)
        assert verdict.reason.startswith("model: ") and reason in verdict.reason


def test_one_odd_answer_spoils_no_other():
    async def grade(batch):
        return [1.0, "yes", {"score": 0.5, "reason": "so so"}, ValueError("mine")]

    statuses = [(v.status, v.score) for v in grade_all(grade, "abcd", size=4)]
    assert statuses == [("correct", 1.0), ("error", None), ("wrong", 0.5), ("error", None)]


def test_a_grade_that_is_no_coroutine_function_is_an_error():
    assert grade_all(lambda batch: [1.0], "a")[0].status == "error"


def test_a_late_batch_times_out_and_is_cancelled_and_others_go_on():
    cancelled = threading.Event()

    async def grade(batch):
        if batch[0].response.content == "slow":
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
        return [1.0] * len(batch)

    grader = BatchGrader("model", grade, BatchLimits(size=1, deadline_s=0.2))
    slow, fast = [grader.submit(one) for one in submissions("slow", "fast")]
    assert cancelled.wait(WAIT_S), "before the grader is closed"
    grader.close()
    slow, fast = slow.result(timeout=0), fast.result(timeout=0)
    assert (slow.status, slow.score) == ("timeout", None)
    assert slow.reason == "model: no verdict within 0.2 s"
    assert fast.status == "correct"


def test_a_grader_that_blocks_its_event_loop_is_late_all_the_same():
    let_go = threading.Event()

    async def grade(batch):
        let_go.wait(WAIT_S)
        return [1.0]

    grader = BatchGrader("model", grade, BatchLimits(deadline_s=0.1))
    try:
        assert grader.submit(submissions("a")[0]).result(timeout=WAIT_S).status == "timeout"
    finally:
        let_go.set()
        grader.close()


def test_closing_cancels_what_waits_and_what_runs_and_lets_it_clean_up():
    began, ended = threading.Event(), []

    async def grade(batch):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("call")

    async def cleanup():
        ended.append("grader")

    grader = BatchGrader("model", grade, BatchLimits(size=1, at_a_time=1), cleanup=cleanup)
    futures = [grader.submit(one) for one in submissions("a", "b")]
    assert began.wait(WAIT_S)
    grader.close()
    assert all(future.cancelled() for future in futures)
    assert ended == ["call", "grader"]
    with pytest.raises(RuntimeError, match="model is closed"):
        grader.submit(submissions("c")[0])


def test_closing_what_never_began_starts_nothing():
    before = threading.active_count()
    BatchGrader("model", lengths).close()
    assert threading.active_count() == before


def test_who_gives_up_is_not_graded():
    seen = []

    async def grade(batch):
        seen.extend(one.response.content for one in batch)
        return [1.0] * len(batch)

    grader = BatchGrader("model", grade, BatchLimits(size=2, wait_s=10_000))
    first, second = submissions("a", "b")
    assert grader.submit(first).cancel()
    future = grader.submit(second)
    assert future.result(timeout=WAIT_S).status == "correct"
    grader.close()
    assert seen == ["b"]


# ---- in a Verification ----


def test_it_composes_with_rules_and_no_model_is_asked_behind_a_shut_gate():
    asked = []

    async def grade(batch):
        asked.extend(one.response.content for one in batch)
        return await lengths(batch)

    short = {"verifier": "length", "reference": {"max_words": 2}}
    rewards = {
        "gate": {"gate": ["format", short], "then": "task"},
        "product": {"product": [short, "task"]},
        "sum": {"sum": [{"weight": 1, "of": short}, {"weight": 3, "of": "task"}]},
    }
    with Verification(graders={"model": BatchGrader("model", grade)}) as verification:

        def score(form, content):
            future = verification.submit(task(reward=rewards[form]), said(content))
            return future.result(timeout=WAIT_S).score

        assert [score(form, "12 45") for form in rewards] == [0.5, 0.5, 0.625]
        assert asked == ["12 45"] * 3
        assert score("gate", "1 2 3 4 5") == 0.0
        assert asked == ["12 45"] * 3
        assert verification.submit(task(), Response("", "12", True, truncated=True)).result(0).status == "truncated"
        assert asked == ["12 45"] * 3


class Scripted:
    """A grader whose futures the test answers."""

    def __init__(self):
        self.futures, self.prepared, self.closed = [], [], False

    def submit(self, submission):
        self.futures.append(Future())
        return self.futures[-1]

    def prepare(self, tasks):
        self.prepared += tasks

    def close(self):
        self.closed = True
        for future in self.futures:
            future.cancel()


@pytest.mark.parametrize("answer", ["1.0", None, Hostile()])
def test_a_grader_that_says_no_verdict_is_an_error(answer):
    scripted = Scripted()
    with Verification(graders={"model": scripted}) as verification:
        future = verification.submit(task(), said("x"))
        scripted.futures[0].set_result(answer)
        assert future.result(timeout=0).status == "error"


@pytest.mark.parametrize("error", [ValueError("no"), HostileError(), KeyboardInterrupt()])
def test_a_grader_that_fails_is_an_error(error):
    scripted = Scripted()
    with Verification(graders={"model": scripted}) as verification:
        future = verification.submit(task(), said("x"))
        scripted.futures[0].set_exception(error)
        assert future.result(timeout=0).status == "error"


def test_a_grader_that_refuses_a_submission_is_an_error(monkeypatch):
    scripted = Scripted()
    monkeypatch.setattr(scripted, "submit", lambda submission: 1 / 0)
    with Verification(graders={"model": scripted}) as verification:
        verdict = verification.submit(task(), said("x")).result(timeout=0)
    assert (verdict.status, verdict.reason) == ("error", "ZeroDivisionError: division by zero")


def test_graders_see_their_tasks_before_and_are_closed_with_the_verification():
    scripted = Scripted()
    with Verification(graders={"model": scripted}) as verification:
        composed = task(reward={"gate": ["format"], "then": "task"})
        verification.prepare([task(), task("format"), composed])
        assert scripted.prepared == [task(), composed]
        future = verification.submit(task(), said("x"))
    assert scripted.closed and future.cancelled()


def test_names_of_graders_are_known_and_not_taken():
    verification = Verification(graders={"model": Scripted()})
    with verification, pytest.raises(ValueError, match="did you mean 'model'"):
        verification.submit(task("modle"), said("x"))
    with pytest.raises(ValueError, match="cannot be called 'math'"):
        Verification(graders={"math": Scripted()})
