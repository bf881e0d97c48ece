"""What strangers' functions may return: a score is a number that somebody meant, or it is none."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.verifiers import Verdict
from ponder.verifiers.scores import shown, told, verdict_from


@pytest.mark.parametrize(
    ("value", "status", "score"),
    [
        (True, "correct", 1.0),
        (False, "wrong", 0.0),
        (1, "correct", 1.0),
        (0.25, "wrong", 0.25),
        (-0.0, "wrong", 0.0),
        (Fraction(1, 4), "wrong", 0.25),
        (np.float32(0.25), "wrong", 0.25),
        (np.bool_(True), "correct", 1.0),
        (np.array([0.25]), "wrong", 0.25),
        (torch.tensor(0.25), "wrong", 0.25),
        ({"score": 0.25}, "wrong", 0.25),
        ({"score": 1, "status": "correct"}, "correct", 1.0),
        ({"status": "correct"}, "correct", 1.0),
        ({"status": "wrong"}, "wrong", 0.0),
        ({"status": "wrong", "score": 0.25}, "wrong", 0.25),
        ({"status": "unparseable"}, "unparseable", 0.0),
        ({"status": "error", "score": None}, "error", None),
        (Verdict("wrong", 0.25, "mine"), "wrong", 0.25),
    ],
)
def test_values_that_mean_something(value, status, score):
    verdict = verdict_from(value, "f")
    assert (verdict.status, verdict.score) == (status, score)
    assert verdict.score is None or math.copysign(1, verdict.score) == 1.0


def test_reason_and_answer_are_kept_short_and_can_be_written():
    verdict = verdict_from({"score": 0.5, "reason": "so " * 5_000, "parsed": "7\ud800"}, "f")
    assert len(verdict.reason) == 2_000 and verdict.parsed == "7?"
    assert verdict_from(0.5, "my.f").reason == "0.5 by my.f"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "returned None"),
        ("1", "returned '1', of type str; return a number from 0 to 1"),
        (2.0, r"returned 2\.0, and a score is"),
        (-1, "a score is"),
        (10**400, "a score is"),
        (math.nan, "returned nan"),
        (math.inf, "returned inf"),
        (1j, "of type complex"),
        ([1.0], "of type list"),
        (np.array([1.0, 0.0]), "of type ndarray"),
        ({}, "neither score nor status"),
        ({"scores": 1}, "an object with 'scores'; its fields may be score, status"),
        ({"score": None}, "score is None"),
        ({"score": "1"}, "of type str"),
        ({"score": math.nan}, "returned nan"),
        ({"status": "timeout"}, "the status 'timeout'; there are correct"),
        ({"status": ["correct"]}, "the status"),
        ({"status": "correct", "score": 0.5}, "contradict"),
        ({"status": "wrong", "score": 1.0}, "contradict"),
        ({"status": "error", "score": 0.0}, "contradict"),
        ({"score": 1, "reason": 3}, "returned 3 as reason"),
    ],
)
def test_anything_else_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        verdict_from(value, "f")


json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["score", "status", "reason", "parsed", "x"]), inner, max_size=4)
    ),
    max_leaves=6,
)


@given(json)
@settings(derandomize=True)
def test_it_is_a_lawful_verdict_or_a_value_error(value):
    try:
        verdict = verdict_from(value, "f")
    except ValueError:
        return
    assert verdict.failed == (isinstance(value, dict) and value.get("status") == "error")
    if isinstance(value, int | float):
        assert verdict.score == value


def test_strangers_cannot_break_what_tells_of_them():
    class Hostile(Exception):
        def __repr__(self):
            raise SystemExit

        __str__ = __repr__

    assert "Hostile" in shown(Hostile()) and told(Hostile()) == "Hostile"
    assert len(shown("x" * 10_000)) < 200 and len(told(ValueError("x" * 10_000))) == 2_000
