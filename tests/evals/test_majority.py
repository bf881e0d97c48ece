"""Voting among k answers against its definition, which looks at every subset."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.evals.majority import MOST_ANSWERS, majority, majority_of
from ponder.evals.scores import scores
from ponder.evals.store import Evaluation
from ponder.runs.results import wilson_interval
from tests.evals.making import evaluation, protocol, sample

VOTES = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=7)


@given(VOTES, st.integers(0, 2))
def test_it_is_the_mean_over_all_subsets(votes, silent):
    """Also where one text was judged in two ways, and where some answers have no vote."""
    everyone = [*votes, *[None] * silent]
    sizes = range(1, len(everyone) + 1)
    found = majority_of(sizes, votes, len(everyone))
    for k in sizes:
        draws = [majority([vote for vote in drawn if vote]) for drawn in combinations(everyone, k)]
        assert found[k] == pytest.approx(sum(draws) / len(draws), abs=1e-12)


def test_many_answers_are_exact_too():
    votes = [("7", True)] * 60 + [("8", False)] * 40
    found = majority_of([1, 2, 3, 100], votes, 100)
    three = 0.6 * 59 / 99 * 58 / 98 + 3 * 0.6 * 59 / 99 * 40 / 98  # all three, or two of three
    assert found == pytest.approx({1: 0.6, 2: 0.6, 3: three, 100: 1.0})
    most = [(str(n % 97), n % 97 == 5) for n in range(MOST_ANSWERS)]
    assert majority_of([MOST_ANSWERS], most, MOST_ANSWERS)[MOST_ANSWERS] == majority(most) == pytest.approx(1 / 54)
    assert majority_of([512], [("1", True)] * 2, MOST_ANSWERS)[512] == pytest.approx(1 - 512 * 511 / (1024 * 1023))


def test_of_an_evaluation_it_begins_with_the_average_and_ends_with_the_vote_of_all():
    value = scores(evaluation({"a": ["correct", "correct", "wrong"], "b": ["wrong"] * 3, "c": ["correct"] * 3}))[0]
    assert list(value.maj_at) == list(value.pass_at) == [1, 2, 3]
    for one, same in ((value.maj_at[1], value.avg), (value.pass_at[1], value.avg), (value.maj_at[3], value.maj)):
        assert (one.value, one.low, one.high) == pytest.approx((same.value, same.low, same.high))
    assert not scores(evaluation({"a": ["correct", "wrong"]}, asked=protocol("humaneval", 2, "code")))[0].maj_at


def test_what_k_answers_bring_is_as_uncertain_as_the_draws_of_k_that_share_nothing():
    """Three problems with 8 answers make 24 draws of one, and three of eight."""
    value = scores(evaluation({name: ["correct", *["wrong"] * 7] for name in "abc"}))[0]
    width = {k: e.high - e.low for k, e in value.pass_at.items()}
    assert (value.pass_at[1].low, value.pass_at[1].high) == pytest.approx(wilson_interval(3, 24))
    assert (value.pass_at[4].low, value.pass_at[4].high) == pytest.approx(wilson_interval(3, 6))
    assert (value.pass_at[8].low, value.pass_at[8].high) == pytest.approx(wilson_interval(3, 3))
    assert width[8] > width[1] and (value.maj.low, value.maj.high) == pytest.approx(wilson_interval(3, 3))


def test_a_letter_votes_for_the_choice_that_it_stood_for():
    """Three answers name one choice, whose letter differed, and B is two choices."""
    asked = protocol("gpqa", 4, "choice", shuffle_choices=True)
    one = evaluation({"a": ["wrong"] * 4}, asked=asked)
    orders = [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1)]
    answers = [
        sample("a", n, "correct" if n < 3 else "wrong", "gpqa", parsed=letter, choice_order=order)
        for n, (letter, order) in enumerate(zip("BABB", orders, strict=True))
    ]
    value = scores(Evaluation(one.manifest, one.problems, answers))[0]
    assert value.maj.value == 1.0 and value.maj_at[1].value == 0.75
