import random
import threading
from concurrent.futures import Future
from dataclasses import replace

import pytest

from ponder.tasks import Task
from ponder.verifiers import VERIFIERS, Response, Verdict, Verification, reference_response


def task(reference, verifier: str = "math") -> Task:
    return Task(({"role": "user", "content": "Q"},), "math", verifier, reference)


def said(content: str, **changes) -> Response:
    return Response(**({"reasoning": "", "content": content, "thinking_closed": True, "truncated": False} | changes))


MIXED = [
    (task("7"), said("\\boxed{7}")),
    (task("7"), said("\\boxed{8}")),
    (task("x+1"), said("\\boxed{1+x}")),
    (task("x+1"), said("\\boxed{x-1}")),
    (task("\\frac{\\sqrt{3}}{3}"), said("so it is $\\boxed{\\sqrt{\\frac{1}{3}}}$")),
    (task("(3,4]"), said("\\boxed{[3,4)}")),
    (task("1, 2"), said("\\boxed{2} and \\boxed{1}")),
    (task("\\frac{1}{2^{99}}"), said("\\boxed{\\frac{1}{2^{98}}}")),
    (task("6 - 5i"), said("\\boxed{6 + (-5)i}")),
    (task("\\frac{3\\pi}{4}"), said("\\boxed{135^\\circ}")),
    (task("7"), said("\\boxed{6 \\text{ or } 7}")),
    (task("7"), said("I cannot solve this.\nSorry.")),
    (task("1, 2, \\ldots, n"), said("\\boxed{1, 3, \\ldots, 2n-1}")),
    (task("7"), said("first this\nthen that, so it must be $7$.")),
]
STATUSES = ["correct", "wrong"] * 2 + ["correct", "wrong", "correct", "wrong", "correct", "correct", "wrong"]
STATUSES += ["unparseable", "wrong", "correct"]


@pytest.fixture(scope="module")
def verification():
    with Verification(workers=1, deadline_s=10.0) as verification:
        yield verification


def test_verdicts(verification):
    verdicts = verification.verify_all(MIXED)
    assert [verdict.status for verdict in verdicts] == STATUSES
    assert all(verdict.score == (verdict.status == "correct") for verdict in verdicts)
    assert (verdicts[1].parsed, verdicts[1].reference, verdicts[1].reason) == ("8", "7", "not equal; from: \\boxed{8}")


def test_any_order_gives_the_same_verdicts(verification):
    expected = verification.verify_all(MIXED)
    for seed in range(3):
        order = list(range(len(MIXED)))
        random.Random(seed).shuffle(order)
        assert verification.verify_all([MIXED[i] for i in order]) == [expected[i] for i in order]


def test_off_the_main_thread_gives_the_same_verdicts(verification):
    expected, found = verification.verify_all(MIXED), []
    threads = [threading.Thread(target=lambda: found.append(verification.verify_all(MIXED))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3


def test_two_workers_give_the_same_verdicts(verification):
    with Verification(workers=2, deadline_s=10.0) as other:
        assert other.verify_all(MIXED * 2) == verification.verify_all(MIXED) * 2


@pytest.mark.parametrize(
    ("response", "status", "reason"),
    [
        (said("\\boxed{7}", truncated=True), "truncated", "cut off by the token limit"),
        (said("", reasoning="\\boxed{7}", thinking_closed=False), "unparseable", "the thinking never ended"),
        (said("\\boxed{7}", thinking_closed=False), "unparseable", "the thinking never ended"),
        (said(" \n", reasoning="It is \\boxed{7}."), "unparseable", "nothing after the thinking"),
        (said("\\boxed{}", reasoning="It is \\boxed{7}."), "unparseable", "the last box is empty"),
        (said("Done thinking.\nThank you.", reasoning="\\boxed{7}"), "unparseable", "no answer that is stated"),
    ],
)
def test_only_a_finished_content_counts(verification, response, status, reason):
    verdict = verification.submit(task("7"), response).result()
    assert verdict.status == status
    assert verdict.score == 0.0
    assert reason in verdict.reason


def test_a_truncated_response_is_not_looked_at():
    with Verification() as verification:
        future = verification.submit(task("x+1"), said("\\boxed{1+x}", truncated=True))
        assert future.done()
        assert verification.pool.process_ids() == []


def test_alternatives_for_one_answer_are_wrong_at_once(verification):
    hedge = verification.submit(task("7"), said("\\boxed{6 \\text{ or } 7}"))
    assert hedge.done()
    assert hedge.result().reason.startswith("alternatives are given where one answer is asked for; from: ")
    both = verification.submit(task("x < 2 \\text{ or } x > 3"), said("\\boxed{x > 3 \\text{ or } x < 2}"))
    assert both.result().status == "correct"


def test_unknown_verifier_is_a_user_error(verification):
    with pytest.raises(
        ValueError, match=r"Unknown verifier 'maths': did you mean 'math'.*Known: .*code, .*math, .*reasoning_gym"
    ):
        verification.submit(task("7", verifier="maths"), said("7"))


def test_a_failing_verifier_is_an_error_never_a_zero(verification, monkeypatch):
    def broken(task, response):
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(VERIFIERS, "math", replace(VERIFIERS["math"], decide=broken))
    assert verification.submit(task("7"), said("7")).result() == Verdict("error", None, "ZeroDivisionError: oops")


def test_a_reference_that_is_none_or_nonsense_is_an_error(verification):
    assert verification.submit(task(None), said("\\boxed{7}")).result().status == "error"
    verdict = verification.submit(task("\\frac{"), said("\\boxed{x}")).result()
    assert verdict.score is None or verdict.status == "wrong"


def test_a_garbled_result_is_an_error(verification, monkeypatch):
    def lie(job):
        future = Future()
        future.set_result({"status": "correct", "score": 0.3, "reason": "bribed"})
        return future

    monkeypatch.setattr(verification.pool, "submit", lie)
    verdict = verification.submit(task("\\int_0^1 x\\,dx"), said("\\boxed{\\frac{1}{2}}")).result()
    assert verdict.status == "error"
    assert "bribed" in verdict.reason


def test_hanging_answers_time_out_and_the_rest_goes_on():
    with Verification(workers=1, deadline_s=1.0) as verification:
        verdicts = verification.verify_all(
            [
                (task("\\int_0^1 \\frac{\\sin(x^{17}+\\ln x)}{\\sqrt{x^{5}+7}} dx"), said("\\boxed{7}")),
                (task("\\int_0^1 x\\,dx"), said("\\boxed{\\frac{1}{2}}")),
            ]
        )
    assert [verdict.status for verdict in verdicts] == ["timeout", "correct"]
    assert verdicts[0].score is None
    assert verdicts[0].parsed == "7"


def test_reference_responses_are_correct(verification):
    references = ["7", 7, 0.5, "\\frac{1}{2}", ["1", "2"], "\\boxed{3}", "\\text{Evelyn}", "x^2+1", "#1"]
    verdicts = verification.verify_all(
        [(task(reference), reference_response(task(reference))) for reference in references]
    )
    assert [verdict.status for verdict in verdicts] == ["correct"] * len(references)
    assert reference_response(task(None)) is None
