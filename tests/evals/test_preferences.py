"""What scores of pairs are worth: accuracy, calibration and length bias, against numbers worked out by hand."""

from math import log

import pytest

from ponder.evals.preferences import JudgedPair, calibration, length_bias, summary


def pair(margin, shorter=True, category="a"):
    lengths = (5, 9) if shorter else (9, 5)
    return JudgedPair(category, margin, 0.0, *lengths)


def sure(probability, right=True):
    """A pair of which the model prefers one side with this probability."""
    margin = log(probability / (1 - probability))
    return pair(margin if right else -margin)


def test_accuracy_by_category_with_intervals_and_equal_scores_as_half():
    found = summary([pair(1), pair(2), pair(-1), pair(0, category="b")])
    assert found["accuracy"] == 2.5 / 4 and found["margin"] == 0.5
    assert {name: (part["accuracy"], part["pairs"]) for name, part in found["by_category"].items()} == {
        "a": (pytest.approx(2 / 3), 3),
        "b": (0.5, 1),
    }
    low, high = found["interval"]
    assert 0 < low < found["accuracy"] < high < 1


def test_a_model_that_is_right_as_often_as_it_is_sure_has_no_calibration_error():
    pairs = [sure(0.8, right=number < 8) for number in range(10)]
    found = calibration(pairs)
    assert found["expected_error"] == pytest.approx(0.0, abs=1e-9)
    (only,) = found["bins"]
    assert only["predicted"] == pytest.approx(0.8) and only["accuracy"] == 0.8 and only["pairs"] == 10


def test_the_calibration_error_is_the_mean_distance_over_all_pairs():
    """Of five pairs with 0.9 two are right (0.5 off), of five with 0.62 all (0.38 off)."""
    pairs = [sure(0.9, right=number < 2) for number in range(5)] + [sure(0.62) for _ in range(5)]
    assert calibration(pairs)["expected_error"] == pytest.approx((0.5 + 0.38) / 2)


def test_margins_beyond_all_bounds_are_sure():
    found = calibration([pair(1e6), pair(-1e6)])
    assert found["bins"][-1]["predicted"] == 1.0 and found["expected_error"] == 0.5


def test_a_model_that_prefers_the_longer_answer_is_seen():
    pairs = [JudgedPair("a", float(c), float(r), c, r) for c, r in ((9, 5), (12, 4), (3, 8), (2, 6))]
    found = length_bias(pairs)
    assert found["correlation"] == pytest.approx(1.0) and found["correlation_in_pairs"] == pytest.approx(1.0)
    assert found["chosen_shorter"]["accuracy"] == 0.0 and found["chosen_longer"]["accuracy"] == 1.0


def test_of_what_does_not_vary_there_is_no_correlation():
    found = length_bias([pair(1.0), pair(1.0)])
    assert found["correlation_in_pairs"] is None and found["chosen_longer"]["accuracy"] is None
