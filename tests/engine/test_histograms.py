"""Histograms of the engine's own, alone and added up."""

from hypothesis import given
from hypothesis import strategies as st

from ponder.engine.histograms import Histogram, summed

VALUES = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 7.0]))


def of(values) -> Histogram:
    histogram = Histogram((0.5, 1.0, 2.0))
    for value in values:
        histogram.observe(value)
    return histogram


@given(VALUES, VALUES)
def test_buckets_count_what_is_no_more_than_their_ends(one, other):
    both = [*one, *other]
    found = of(both).buckets()
    assert [end for end, _ in found] == ["0.5", "1.0", "2.0", "+Inf"]
    assert [count for _, count in found] == [sum(value <= float(end) for value in both) for end, _ in found]
    before = of(one)
    together = summed([{"it": before}, {"it": of(other)}])["it"]
    assert together == of(both) and before == of(one), "the first is left as it was"


def test_buckets_of_other_ends_are_left_out():
    other = Histogram((9.0,), [1, 1], 12.0)
    assert summed([{"it": of([1.0])}, {"it": other, "more": other}]) == {"it": of([1.0]), "more": other}
