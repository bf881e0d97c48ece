"""Comparison on data."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.sandbox.calls import parse_int
from ponder.sandbox.compare import same_text, same_value

RULES = ["exact", "tokens", "numeric", "unordered", "lines"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from(RULES))
def test_a_value_equals_itself(value, rule):
    assert same_value(json.loads(json.dumps(value)), value, rule, 1e-9)


@given(JSON, JSON)
def test_exact_is_equality_of_json(a, b):
    """Where two values are told apart by their canonical JSON (but for whole floats), so they are here."""
    if same_value(a, b, "exact", 0):
        assert same_value(b, a, "exact", 0)
        assert a == b and _shape(a) == _shape(b)


def _shape(value):
    """Booleans apart from numbers, which Python's own equality mixes."""
    if isinstance(value, list):
        return [_shape(item) for item in value]
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return isinstance(value, bool)


@given(st.lists(JSON, max_size=6), st.randoms())
def test_unordered_forgives_order_alone(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert same_value(shuffled, values, "unordered", 0)
    assert not same_value([*shuffled, "one more"], values, "unordered", 0)


@pytest.mark.parametrize(
    ("got", "expected", "rule", "agrees"),
    [
        (1.0, 1, "exact", True),
        (True, 1, "exact", False),
        (0, False, "exact", False),
        ("1", 1, "exact", False),
        (None, 0, "exact", False),
        ([1, [2]], [1, [2]], "exact", True),
        ([1], [1, 1], "numeric", False),
        ({"a": 1.0000000001}, {"a": 1}, "numeric", True),
        (float("nan"), 0, "numeric", False),
        (float("nan"), float("nan"), "numeric", False),
        (float("inf"), 1e308, "numeric", False),
        (10**400, 1.0, "numeric", False),
        ("a  b", "a b", "tokens", True),
        ([[1, 2], [3]], [[3], [1, 2]], "unordered", True),
        ([[1, 2]], [[2, 1]], "unordered", False),
        ([1, 1.0], [1, 1], "unordered", True),
        ([True], [1], "unordered", False),
    ],
)
def test_values(got, expected, rule, agrees):
    assert same_value(got, expected, rule, 1e-6) == agrees


@given(
    st.lists(st.text(alphabet=st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]))),
    st.sampled_from(RULES),
)
def test_trailing_white_space_never_counts(lines, rule):
    text = "\n".join(lines)
    assert same_text(text + " \n\n", text, rule, 0.0)


@pytest.mark.parametrize(
    ("got", "expected", "rule", "agrees"),
    [
        ("1\r\n2", "1\n2\n", "exact", True),
        (" 1", "1", "exact", False),
        ("1\n\n2", "1\n2", "exact", False),
        ("1\n2", "1 2", "tokens", True),
        ("0.1 nan", "0.1 nan", "numeric", True),
        ("0.1 nan", "0.1 0.2", "numeric", False),
        ("1e3", "1000", "numeric", True),
        ("1_0", "10", "numeric", False),
        ("1.0", "1", "numeric", True),
        ("9" * 5_000, "9" * 4_999 + "8", "numeric", False),
        ("", "", "exact", True),
        ("x", "", "exact", False),
    ],
)
def test_texts(got, expected, rule, agrees):
    assert same_text(got, expected, rule, 1e-6) == agrees


def test_whole_numbers_beyond_a_floats_reach():
    assert not same_text(str(2**53), str(2**53 + 1), "numeric", 0.0)
    assert not same_value(2**53, 2**53 + 1, "numeric", 0.0)
    assert same_text("10000000000000001", "10000000000000001.0", "numeric", 0.0)


@given(st.integers(1, 6_000), st.integers(1, 9))
def test_long_integers_are_read(digits, digit):
    assert parse_int(str(digit) * digits) == digit * (10**digits - 1) // 9
    assert parse_int("-" + str(digit) * digits) == -digit * (10**digits - 1) // 9


def test_integers_beyond_all_measure_are_not():
    with pytest.raises(ValueError, match="50,002 digits"):
        parse_int("9" * 50_002)


@pytest.mark.parametrize(
    ("got", "expected", "agrees"),
    [
        ("1\n2", "1\n2\n", True),
        ("1 2", "1\n2", False),
        ("1\n2", "1 2", False),
        ("\n  1  \n\t2\n\n", "1\n2", True),
        ("1\n\n2", "1\n2", False),
        ("1.50 2", "1.5 2.0", True),
        ("0.1", "0.10000000000000001", False),
        ("50000000000000001", "50000000000000000", False),
        ("yes 1.0", "yes 1", False),
        ("1  2", "1 2", True),
        ("1e3", "1000", True),
        ("nan", "nan", True),
        ("nan 1", "nan 1.0", False),
        ("snan", "1", False),
        ("1" * 300_000 + ".0", "1" * 300_000, True),
    ],
)
def test_lines_are_compared_as_livecodebench_does(got, expected, agrees):
    assert same_text(got, expected, "lines", 0) is agrees


@pytest.mark.parametrize(
    ("got", "expected", "agrees"),
    [(True, 1, True), ([1.0, "a"], [1, "a"], True), ([1, 2], [2, 1], False), ("1", 1, False), (0.1 + 0.2, 0.3, False)],
)
def test_results_are_compared_as_livecodebench_does(got, expected, agrees):
    assert same_value(got, expected, "lines", 0) is agrees
