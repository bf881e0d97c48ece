import pytest

from ponder.verifiers import Verdict


@pytest.mark.parametrize(
    ("status", "score"),
    [("correct", 1.0), ("wrong", 0.0), ("wrong", 0.4), ("unparseable", 0.0), ("truncated", 0.0), ("timeout", None)],
)
def test_verdicts_that_can_be(status, score):
    assert Verdict(status, score, "why").score == score


@pytest.mark.parametrize(
    ("status", "score"),
    [
        ("correct", 0.9),
        ("correct", None),
        ("wrong", 1.0),
        ("wrong", -0.1),
        ("wrong", None),
        ("unparseable", 0.5),
        ("truncated", None),
        ("timeout", 0.0),
        ("error", 0.0),
        ("perfect", 1.0),
    ],
)
def test_verdicts_that_cannot_be(status, score):
    with pytest.raises(AssertionError):
        Verdict(status, score, "why")
