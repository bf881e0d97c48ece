"""Programs on their way through a sandbox: nothing waits, nothing is run twice, nothing that failed is kept."""

import threading
from concurrent.futures import CancelledError, Future
from typing import ClassVar

import pytest

from ponder.recipe.schema import SandboxSettings
from ponder.sandbox import IsolationError, Report
from ponder.sandbox.job import TestResult
from ponder.tasks import Task, program_tasks
from ponder.verifiers import Response, Verification, reference_response
from ponder.verifiers.code import runs as code_runs

PASSED = Report("passed", "", 1, 1, [TestResult("passed")])
FAILED = Report("wrong_answer", "test 1 of 1: the result differs", 0, 1, [TestResult("wrong_answer", got="3")])
BROKEN = Report("infrastructure_error", "worker lost", 0, 1)


class FakeSandbox:
    """Jobs wait in `jobs` until the test answers them."""

    made: ClassVar[list] = []

    def __init__(self, urls, **settings):
        self.urls, self.settings, self.jobs, self.closed = urls, settings, [], False
        FakeSandbox.made.append(self)

    def submit(self, job):
        future = Future()
        self.jobs.append((job, future))
        return future

    def describe(self):
        return {"isolation": "fake"}

    def close(self):
        self.closed = True


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(code_runs, "Sandbox", FakeSandbox)
    FakeSandbox.made = []
    return FakeSandbox.made


def coding(expected=2, question="Q", **metadata) -> Task:
    tests = [{"function": "f", "args": [1], "expected": expected}]
    return Task(({"role": "user", "content": question},), "code", "code", {"tests": tests}, metadata=metadata)


def wrote(program: str, **changes) -> Response:
    fields = {"reasoning": "", "content": f"```\n{program}\n```", "thinking_closed": True, "truncated": False}
    return Response(**(fields | changes))


def test_the_sandbox_starts_with_the_first_program_and_closes_with_the_judge(fake):
    settings = SandboxSettings(urls=["http://x"], workers=3, memory_mb=99, timeout_s=7, isolation="strict")
    with Verification(sandbox=settings) as verification:
        assert verification.submit(coding(), wrote("x", content="no program")).result().status == "unparseable"
        assert verification.submit(coding(), wrote("x", truncated=True)).result().status == "truncated"
        assert verification.submit(coding(), wrote("x", thinking_closed=False)).result().status == "unparseable"
        assert not fake
        verification.submit(coding(), wrote("x"))
        verification.submit(coding(), wrote("y"))
    (sandbox,) = fake
    assert sandbox.closed and sandbox.urls == ["http://x"]
    wanted = {"workers": 3, "memory_mb": 99, "timeout_s": 7, "isolation": "strict", "token": None, "sessions": 16}
    assert sandbox.settings == wanted


def test_the_token_comes_from_the_environment(fake, monkeypatch):
    monkeypatch.setenv("PONDER_SANDBOX_TOKEN", "hush")
    with Verification() as verification:
        verification.submit(coding(), wrote("x"))
    assert fake[0].settings["token"] == "hush"


def test_submit_returns_at_once_and_verdicts_come_in_any_order(fake):
    with Verification() as verification:
        first, second = verification.submit(coding(), wrote("x")), verification.submit(coding(), wrote("y"))
        assert not first.done() and not second.done()
        (one, two) = fake[0].jobs
        assert (one[0].source, two[0].source) == ("x\n", "y\n")
        two[1].set_result(FAILED)
        assert second.result().status == "wrong" and not first.done()
        one[1].set_result(PASSED)
        assert first.result().status == "correct"


def test_equal_programs_for_equal_tests_run_once(fake):
    with Verification() as verification:
        same = [verification.submit(coding(), wrote("x")) for _ in range(3)]
        others = [
            verification.submit(coding(), wrote("x ")),
            verification.submit(coding(question="P"), wrote("x")),
            verification.submit(coding(expected=3), wrote("x")),
            verification.submit(coding(score="fraction"), wrote("x")),
        ]
        assert len(fake[0].jobs) == 5
        for _, future in fake[0].jobs:
            future.set_result(PASSED)
        assert {future.result().status for future in [*same, *others]} == {"correct"}
        assert verification.submit(coding(score="fraction"), wrote("x")).done(), "kept after it has ended"
        assert verification.grader("code").runs == 5


def test_an_error_is_never_kept(fake):
    with Verification() as verification:
        first, shared = verification.submit(coding(), wrote("x")), verification.submit(coding(), wrote("x"))
        fake[0].jobs[0][1].set_result(BROKEN)
        assert first.result().status == shared.result().status == "error"
        assert first.result().score is None
        again = verification.submit(coding(), wrote("x"))
        fake[0].jobs[1][1].set_result(PASSED)
        assert again.result().status == "correct"


def test_no_more_verdicts_are_kept_than_the_bound(fake, monkeypatch):
    monkeypatch.setattr(code_runs, "KEPT_VERDICTS", 2)
    monkeypatch.setattr(code_runs, "KEPT_TESTS", 1)
    with Verification() as verification:
        for number, program in enumerate("abcb"):
            future = verification.submit(coding(), wrote(program))
            if not future.done():
                fake[0].jobs[number][1].set_result(PASSED)
        assert len(fake[0].jobs) == 3, "b was kept"
        assert not verification.submit(coding(), wrote("a")).done(), "a was dropped, the one unused for longest"
        verification.submit(coding(question="P"), wrote("b"))
        assert not verification.submit(coding(), wrote("b")).done(), "its tests were made ready anew"


def test_very_long_programs_are_not_kept(fake):
    with Verification() as verification:
        long = wrote("x = 1\n" * 10_000)
        first = verification.submit(coding(), long)
        fake[0].jobs[0][1].set_result(PASSED)
        assert first.result().status == "correct"
        assert not verification.submit(coding(), long).done()


@pytest.mark.parametrize("failure", [RuntimeError("oops"), ValueError("limits.timeout_s is 99"), CancelledError()])
def test_a_sandbox_that_raises_is_an_error(fake, failure, monkeypatch):
    with Verification() as verification:
        future = verification.submit(coding(), wrote("x"))
        fake[0].jobs[0][1].set_exception(failure)
        verdict = future.result()
        assert verdict.status == "error" and type(failure).__name__ in verdict.reason

        def refuse(job):
            raise failure

        monkeypatch.setattr(fake[0], "submit", refuse)
        assert verification.submit(coding(), wrote("y")).result().status == "error"


def test_a_report_that_contradicts_itself_is_an_error(fake):
    with Verification() as verification:
        future = verification.submit(coding(score="fraction"), wrote("x"))
        fake[0].jobs[0][1].set_result(Report("wrong_answer", "", 1, 1))
        assert future.result().status == "error"


def test_tests_that_are_none_are_an_error(fake):
    with Verification() as verification:
        for reference in (None, "7", {}, {"tests": []}, {"tests": [{"stdin": 1}]}, {"tests": [], "source": "x"}):
            task = Task(({"role": "user", "content": "Q"},), "code", "code", reference)
            verdict = verification.submit(task, wrote("x")).result()
            assert (verdict.status, verdict.score) == ("error", None)


def test_a_machine_that_cannot_isolate_is_said_so_not_scored(fake, monkeypatch):
    def refuse(self, job):
        raise IsolationError("no user namespaces")

    monkeypatch.setattr(FakeSandbox, "submit", refuse)
    with Verification() as verification, pytest.raises(IsolationError, match="no user namespaces"):
        verification.submit(coding(), wrote("x"))


def test_closing_cancels_what_is_not_in(fake):
    verification = Verification()
    future = verification.submit(coding(), wrote("x"))
    verification.close()
    assert future.cancelled()
    fake[0].jobs[0][1].set_result(PASSED)  # too late, and nobody minds


def test_limits_beyond_the_sandboxs_are_named_before_training():
    with Verification() as verification:
        verification.grader("code").check(coding())
        task = coding()
        task.reference["limits"] = {"timeout_s": 60}
        with pytest.raises(ValueError, match=r"limits.timeout_s 60: set sandbox.timeout_s"):
            verification.grader("code").check(task)


# ---- through the real sandbox ----


@pytest.fixture(scope="module")
def verification():
    with Verification(sandbox=SandboxSettings(timeout_s=2)) as verification:
        yield verification


@pytest.mark.parametrize(
    ("program", "status", "fragment"),
    [
        ("def f(x):\n return x + 1", "correct", "passes the test"),
        (
            "def f(x):\n return x + 2",
            "wrong",
            "wrong answer: test 1 of 1: the result differs (f(1), expected 2; got '3')",
        ),
        ("def f(x):\n return x / 0", "wrong", "runtime error: test 1 of 1: ZeroDivisionError"),
        ("def f(x):\n return (", "wrong", "compile error: SyntaxError"),
        ("def f(x):\n while True: pass", "wrong", "time limit: test 1 of 1: longer than 2 s"),
        ("def g(x):\n return 2", "wrong", "runtime error: test 1 of 1: NameError: the program defines no 'f'"),
        ("def f(x):\n return '\x00\ud800'", "wrong", "compile error"),
    ],
)
def test_verdicts(verification, program, status, fragment):
    verdict = verification.submit(coding(), wrote(program)).result()
    assert verdict.status == status and fragment in verdict.reason
    assert verdict.score == (status == "correct")


def test_fractions(verification):
    task = coding(score="fraction")
    task.reference["tests"] += [{"function": "f", "args": [n], "expected": n + 1} for n in (2, 3, 4)]
    verdict = verification.submit(task, wrote("def f(x):\n return x + 1 if x != 2 else 1 / 0")).result()
    assert (verdict.status, verdict.score) == ("wrong", 0.75)
    assert verification.submit(task, wrote("def f(x):\n return x + 1")).result().score == 1.0


def test_references_of_programs_from_several_threads(verification):
    tasks = program_tasks(size=1000, seed=5)[:30]
    pairs = [(task, reference_response(task)) for task in tasks]
    found = []
    threads = [threading.Thread(target=lambda: found.append(verification.verify_all(pairs))) for _ in range(3)]
    before = verification.grader("code").runs
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [verdict.status for verdicts in found for verdict in verdicts] == ["correct"] * 90
    assert verification.grader("code").runs - before == 30
