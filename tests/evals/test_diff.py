"""Two evaluations compared: what changed, by how much, and what is refused."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.evals.diff import NotComparable, diff, mcnemar, permutation
from tests.evals.making import evaluation, protocol

PAIR = st.lists(
    st.tuples(*[st.lists(st.sampled_from(["correct", "wrong", "error"]), min_size=3, max_size=3)] * 2), max_size=30
)


def test_one_answer_each():
    before = evaluation({"a": ["correct"], "b": ["wrong"], "c": ["wrong"], "d": ["correct"], "e": ["error"]})
    after = evaluation({"a": ["wrong"], "b": ["correct"], "c": ["correct"], "d": ["correct"], "e": ["correct"]})
    found = diff(before, after)[0]
    assert [c.problem for c in found.regressed] == ["a"] and [c.problem for c in found.improved] == ["b", "c"]
    assert found.same == 1 and found.problems == 4 and found.left_out == 1, "what has no score in one is in neither"
    assert found.difference == 0.25 and found.low < 0 < found.high
    assert found.test == "exact McNemar test" and found.p_value == 1.0
    assert found.improved[0].question == "What is b?"


def test_mcnemar_is_the_binomial_test():
    assert mcnemar(0, 0) == 1 and mcnemar(0, 5) == mcnemar(5, 0) == 2 / 32 and mcnemar(1, 9) == pytest.approx(22 / 1024)


def test_the_permutation_test_counts_all_flips_of_few():
    deltas = [0.5, 0.25, -0.25, 1.0, 0.0]
    sums = [abs(sum(s * abs(d) for s, d in zip(signs, deltas, strict=True))) for signs in product((1, -1), repeat=5)]
    assert permutation(deltas) == pytest.approx(sum(s >= 1.5 - 1e-9 for s in sums) / 32)
    assert permutation([]) == 1 and permutation([0.0, 0.0]) == 1


def test_the_permutation_test_of_many_is_drawn_with_a_fixed_seed():
    better = [0.5] * 20 + [-0.25] * 5
    assert permutation(better) == permutation(better) < 0.001
    assert permutation([0.5, -0.5] * 20) == 1


@settings(max_examples=60, deadline=None)
@given(PAIR)
def test_a_diff_turned_round_is_its_negative(rows):
    first = evaluation({f"p{i}": a for i, (a, _) in enumerate(rows)} or {"x": ["wrong"] * 3})
    second = evaluation({f"p{i}": b for i, (_, b) in enumerate(rows)} or {"x": ["wrong"] * 3})
    there, back = diff(first, second)[0], diff(second, first)[0]
    assert there.difference == pytest.approx(-back.difference) and there.p_value == back.p_value
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low)) and there.same == back.same
    assert {c.problem for c in there.improved} == {c.problem for c in back.regressed}
    assert there.low <= there.difference <= there.high


SAME = {"a": ["correct"], "b": ["wrong"]}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (evaluation(SAME, sha256="e" * 64), "sha256 of the data: dddd"),
        (evaluation(SAME, changed={"max_tokens": [32768, 256]}), "max_tokens: 32768 against 256"),
        (evaluation(SAME, asked=protocol(window=("2024-08-01", "2025-02-28"))), "window: nothing against"),
        (evaluation(SAME, asked=protocol(prompt="boxed")), "prompt: plain against boxed"),
        (evaluation({**SAME, "c": ["wrong"]}), "problems asked: 2 against 3"),
        (evaluation(SAME, asked=protocol("math500")), "share no benchmark: aime24 in the first, math500"),
    ],
)
def test_what_was_asked_differently_is_refused(other, said):
    with pytest.raises(NotComparable) as refusal:
        diff(evaluation(SAME), other)
    assert said in str(refusal.value)
