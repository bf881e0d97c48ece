"""Composed rewards: what each form gives, that every part shows, and that no failure becomes a score (law 3)."""

import threading
from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.tasks import Task
from ponder.verifiers import Response, Verdict, Verification
from ponder.verifiers.compose import compose

RIGHT = Verdict("correct", 1.0, "right")
HALF = Verdict("wrong", 0.5, "half")
WRONG = Verdict("wrong", 0.0, "no")
UNREAD = Verdict("unparseable", 0.0, "nothing there")
BROKEN = Verdict("error", None, "broke")
LATE = Verdict("timeout", None, "late")


def composed(reward, reference="7", verifier="math") -> Task:
    return Task(({"role": "user", "content": "Q"},), "math", verifier, reference, metadata={"reward": reward})


def result(reward, task: Verdict = RIGHT, format: Verdict = RIGHT) -> Verdict:
    def submit(part):
        future: Future[Verdict] = Future()
        future.set_result(task if part.verifier == "math" else format)
        return future

    return compose(composed(reward), submit).result(timeout=5)


GATE = {"gate": ["format"], "then": "task"}
PRODUCT = {"product": ["format", "task"]}
SUM = {"sum": [{"weight": 1, "of": "format"}, {"weight": 3, "of": "task"}]}


@pytest.mark.parametrize(
    ("reward", "task", "format", "status", "score"),
    [
        (GATE, RIGHT, RIGHT, "correct", 1.0),
        (GATE, HALF, RIGHT, "wrong", 0.5),
        (GATE, RIGHT, WRONG, "wrong", 0.0),
        (GATE, RIGHT, HALF, "wrong", 0.0),  # a gate is open or shut
        (GATE, RIGHT, UNREAD, "unparseable", 0.0),
        (GATE, UNREAD, RIGHT, "unparseable", 0.0),
        (GATE, BROKEN, RIGHT, "error", None),
        (GATE, RIGHT, BROKEN, "error", None),
        (GATE, BROKEN, WRONG, "wrong", 0.0),  # behind a shut gate nobody looks
        (PRODUCT, RIGHT, RIGHT, "correct", 1.0),
        (PRODUCT, HALF, HALF, "wrong", 0.25),
        (PRODUCT, RIGHT, WRONG, "wrong", 0.0),
        (PRODUCT, UNREAD, RIGHT, "unparseable", 0.0),
        (PRODUCT, LATE, RIGHT, "timeout", None),
        (PRODUCT, LATE, WRONG, "wrong", 0.0),  # 0 times whatever
        (SUM, RIGHT, RIGHT, "correct", 1.0),
        (SUM, RIGHT, WRONG, "wrong", 0.75),
        (SUM, WRONG, RIGHT, "wrong", 0.25),
        (SUM, UNREAD, RIGHT, "wrong", 0.25),
        (SUM, UNREAD, UNREAD, "unparseable", 0.0),
        (SUM, RIGHT, LATE, "timeout", None),
        ("task", HALF, WRONG, "wrong", 0.5),
    ],
)
def test_each_form(reward, task, format, status, score):
    verdict = result(reward, task, format)
    assert (verdict.status, verdict.score) == (status, score)


def test_every_part_shows_with_its_reason_and_weight():
    verdict = result(SUM, HALF, RIGHT)
    assert [(p.name, p.verdict, p.weight) for p in verdict.parts] == [("format", RIGHT, 0.25), ("task", HALF, 0.75)]
    nested = result({"gate": ["format"], "then": SUM}, HALF, RIGHT)
    assert [p.name for p in nested.parts] == ["format", "sum"]
    assert nested.parts[1].verdict == verdict
    assert result(GATE, RIGHT, WRONG).reason == "format: no"


verdicts = st.sampled_from([RIGHT, HALF, WRONG, UNREAD])
rewards = st.recursive(
    st.sampled_from(["task", "format"]),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"gate": st.lists(inner, min_size=1, max_size=2), "then": inner}),
        st.fixed_dictionaries({"product": st.lists(inner, min_size=2, max_size=3)}),
        st.fixed_dictionaries(
            {
                "sum": st.lists(
                    st.fixed_dictionaries({"weight": st.floats(0.01, 100), "of": inner}), min_size=2, max_size=3
                )
            }
        ),
    ),
    max_leaves=6,
)


@given(rewards, verdicts, verdicts)
def test_a_composition_is_a_lawful_verdict_and_full_only_where_its_parts_are(reward, task, format):
    verdict = result(reward, task, format)  # a verdict that breaks its own rules would not come to be
    assert 0.0 <= verdict.score <= 1.0
    if task.status == format.status == "correct":
        assert verdict.status == "correct"
    if task.score == format.score == 0.0:
        assert verdict.score == 0.0


@given(rewards, st.sampled_from([BROKEN, LATE]))
def test_a_failure_never_becomes_a_score(reward, failure):
    verdict = result(reward, failure, failure)
    assert (verdict.status, verdict.score) == (failure.status, None)


def test_failing_on_purpose_does_not_open_a_shut_gate():
    def submit(part):
        future: Future[Verdict] = Future()
        future.set_result(WRONG if part.verifier == "format" else LATE)
        return future

    gate = {"gate": [{"verifier": "choice", "reference": "A"}, "format"], "then": "task"}
    verdict = compose(composed(gate), submit).result(timeout=5)
    assert (verdict.status, verdict.score, len(verdict.parts)) == ("wrong", 0.0, 2)


def test_a_tiny_weight_still_counts():
    tiny = {"sum": [{"weight": 1, "of": "task"}, {"weight": 1e-20, "of": "format"}]}
    assert result(tiny, RIGHT, WRONG).status == "wrong"


def test_parts_that_end_at_the_same_time_in_threads_combine_once():
    for _ in range(50):
        futures: list[Future[Verdict]] = []

        def submit(part, futures=futures):
            futures.append(Future())
            return futures[-1]

        whole = compose(composed({"product": ["task"] * 8}), submit)
        barrier = threading.Barrier(8)

        def finish(future, barrier=barrier):
            barrier.wait()
            future.set_result(RIGHT)

        threads = [threading.Thread(target=finish, args=(future,)) for future in futures]
        for thread in threads:
            thread.start()
        assert whole.result(timeout=5).status == "correct"
        for thread in threads:
            thread.join()


def test_cancelled_parts_cancel_the_whole():
    part: Future[Verdict] = Future()
    whole = compose(composed(GATE), lambda task: part)
    part.cancel()
    assert whole.cancelled()


def test_who_gives_up_leaves_no_noise_behind(caplog):
    part: Future[Verdict] = Future()
    whole = compose(composed(GATE), lambda task: part)
    assert whole.cancel()
    part.set_result(RIGHT)
    assert not caplog.records, "a callback raised"


@pytest.mark.parametrize("reward", [{"gate": [], "then": "task"}, "maths", {"product": ["task"]}, 3, None])
def test_unknown_forms_are_refused(reward):
    with pytest.raises(ValueError):
        result(reward)


def test_the_judge_composes_real_verifiers():
    short = {"verifier": "length", "reference": {"max_words": 3}}
    lower = {"instruction_id_list": ["change_case:english_lowercase"], "kwargs": [{}]}
    cases = [
        ({"gate": ["format", short], "then": "task"}, "it is \\boxed{7}", "correct", 1.0),
        ({"gate": ["format", short], "then": "task"}, "I think that it is \\boxed{7}", "wrong", 0.0),
        ({"gate": ["format"], "then": "task"}, "</think> \\boxed{7}", "wrong", 0.0),
        ({"gate": ["format"], "then": "task"}, "\\boxed{x+8-x-1}", "correct", 1.0),
        ({"sum": [{"weight": 3, "of": "task"}, {"weight": 1, "of": short}]}, "I think it is \\boxed{7}", "wrong", 0.75),
        (
            {"product": ["task", {"verifier": "instructions", "reference": lower}]},
            "the answer is \\boxed{7}",
            "correct",
            1.0,
        ),
    ]
    with Verification() as verification:
        for reward, content, status, score in cases:
            verdict = verification.submit(composed(reward), Response("", content, True, False)).result(timeout=60)
            assert (verdict.status, verdict.score) == (status, score), (content, verdict)
        cut_off = verification.submit(composed(cases[0][0]), Response("", "it is", True, truncated=True)).result(
            timeout=5
        )
        assert cut_off.status == "truncated"
