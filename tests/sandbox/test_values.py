"""Values on their way between two processes."""

import collections
import datetime
import json
import math
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.sandbox.jail import values

HASHABLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
ZONES = st.none() | st.just(datetime.UTC) | st.builds(datetime.timezone, st.timedeltas(
    datetime.timedelta(hours=-23), datetime.timedelta(hours=23)
)) | st.sampled_from(["Europe/Rome", "Asia/Tokyo"]).map(zoneinfo.ZoneInfo)  # fmt: skip
PLAIN = (
    HASHABLE
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 3))
    | st.datetimes(timezones=ZONES)
    | st.times(timezones=st.none() | st.just(datetime.UTC))
    | st.dates()
    | st.timedeltas()
    | st.uuids()
    | st.binary().map(bytearray)
)
PYTHON = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4).map(collections.OrderedDict)
        | st.dictionaries(HASHABLE, inner, max_size=4).map(lambda d: collections.defaultdict(list, d))
        | st.builds(collections.deque, st.lists(inner, max_size=4), st.sampled_from([None, 3]))
        | st.sets(HASHABLE, max_size=4)
        | st.frozensets(HASHABLE, max_size=4)
    ),
    max_leaves=20,
)
LIBRARIES = {"~array", "~scalar", "~frame", "~series", "~index", "~moment"}  # they are read inside the jail only
TAGS = st.sampled_from([*sorted(values.READERS.keys() - LIBRARIES), "~object", "~handle", "~", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.builds(lambda tag, item: {tag: item}, TAGS, inner)
    ),
    max_leaves=20,
)


def no_other(*args):
    raise AssertionError(f"{args!r} is data")


def refuse(tag, inner):
    raise ValueError(tag)


def crossed(value):
    return values.from_data(json.loads(json.dumps(values.to_data(value, no_other))), no_other)


@given(PYTHON)
def test_values_cross_unchanged(value):
    back = crossed(value)
    assert type(back) is type(value) and back == value


@given(st.text() | st.lists(st.integers()).map(tuple), st.integers(-5, 5))
def test_counters_keep_their_counts(key, count):
    counter = collections.Counter({key: count})
    assert crossed(counter) == counter and crossed(counter)[key] == count


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, 7**3000, -(1 << 62), ..., NotImplemented, int, type(None), slice(1, None, 2)]
)
def test_single_values(value):
    assert crossed(value) == value


def test_what_is_no_number_stays_none():
    assert math.isnan(crossed(math.nan))


@pytest.mark.parametrize("view", [{"a": 1}.keys(), {"a": 1}.items()])
def test_views_are_views(view):
    assert crossed(view) == view and type(crossed(view)) is type(view)


@given(JSON)
def test_any_data_is_a_value_or_refused(data):
    """Nothing but plain values comes of it, and nothing is raised but what the caller waits for."""
    try:
        value = values.from_data(data, refuse)
    except values.UNREADABLE:
        return
    assert not callable(value) or isinstance(value, type)


class Sneaky(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


@pytest.mark.parametrize("value", [Sneaky(3), type("L", (list,), {})(), type("O", (collections.OrderedDict,), {})()])
def test_subclasses_are_left_to_the_caller(value):
    asked = []
    assert values.to_data([value], lambda other: asked.append(other) or {"~x": 1}) == [{"~x": 1}]
    assert asked == [value]


def test_depth_is_bounded_but_not_by_the_usual_limit():
    nested: list = []
    for _ in range(3000):
        nested = [nested]
    with values.deep():
        data = values.to_data(nested, no_other)
        back = values.from_data(data, no_other)
    depth = 0
    while back:
        back, depth = back[0], depth + 1
    assert depth == 3000
    endless: list = []
    endless.append(endless)
    with pytest.raises(RecursionError), values.deep():
        values.to_data(endless, no_other)
