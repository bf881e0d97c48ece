"""Tests of programming tasks are refused when they are read, and what passes is what the sandbox takes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponder.sandbox.job import Job, Limits
from ponder.tasks import code_tests
from ponder.tasks.code_tests import check_tests

STDIO = {"stdin": "1\n", "stdout": "2\n"}
CALL = {"function": "f", "args": [1], "expected": 2}
CODE = {"code": "assert f(1) == 2"}

GOOD = [
    [STDIO],
    [STDIO, STDIO],
    [CALL],
    [{"function": "f", "expected": None}],
    [{"function": "f", "kwargs": {"x": 1}, "expected": {"a": []}}],
    [CODE],
    [{**CODE, "entry_point": "f", "setup": "import math"}, {**CODE, "entry_point": None}],
    {"tests": [STDIO], "compare": "numeric", "tolerance": 0.1, "language": "javascript"},
    {"tests": [CALL], "checker": "def check(a, b, c): return True", "limits": {"timeout_s": 2, "memory_mb": 64}},
    {"tests": [CODE], "checker": None},
    {"tests": [STDIO], "preamble": "import math", "compare": "lines"},
]

BAD = [
    (None, "the task has no tests"),
    ([], "the task has no tests"),
    ({}, "the task has no tests"),
    ({"tests": "x"}, "the task has no tests"),
    (["assert True"], "test 1: a test is an object, not str"),
    ([CALL, {}], "test 2: a test has exactly one of stdin"),
    ([{"input": "1", "output": "2"}], "this one has input, output"),
    ([{**CALL, **STDIO}], "exactly one of"),
    ([{"stdin": "x"}], "a stdin/stdout test needs 'stdout'"),
    ([{"function": "f", "args": []}], "a function call test needs 'expected'"),
    ([{**CALL, "arg": 1}], "Unknown field of a function call test 'arg': did you mean 'args'"),
    ([{"stdin": 5, "stdout": "x"}], "'stdin' must be text, not int"),
    ([{**CALL, "function": ""}], "'function' is empty"),
    ([{"code": " \n"}], "'code' is empty"),
    ([{**CALL, "args": {"x": 1}}], "'args' must be a list"),
    ([{**CALL, "kwargs": [1]}], "'kwargs' must be an object"),
    ([{**CODE, "entry_point": 5}], "'entry_point' must be the name"),
    ([CALL, STDIO], "must all have one form, not function call and stdin/stdout"),
    ({"tests": [CALL], "comparison": "exact"}, "Unknown field of the tests 'comparison': did you mean 'compare'"),
    ({"tests": [CALL], "compare": "loosely"}, "Unknown comparison 'loosely'"),
    ({"tests": [CALL], "tolerance": -1}, "tolerance is -1"),
    ({"tests": [CALL], "tolerance": True}, "tolerance is True"),
    ({"tests": [CALL], "language": "cpp"}, "function call tests are for python"),
    ({"tests": [STDIO], "language": 3}, "language must be a name"),
    ({"tests": [CODE], "checker": "def check(a, b, c): ..."}, "test code judges by itself"),
    ({"tests": [CALL], "checker": 1}, "checker must be Python code"),
    ({"tests": [CALL], "preamble": 1}, "preamble must be Python code"),
    ({"tests": [CALL], "preamble": "import ("}, "the preamble is no Python"),
    ({"tests": [STDIO], "preamble": "x = 1", "language": "cpp"}, "a preamble is Python, and the programs are cpp"),
    ({"tests": [CALL], "limits": {"seconds": 1}}, "Unknown limit 'seconds'"),
    ({"tests": [CALL], "limits": {"timeout_s": 0}}, "limits.timeout_s is 0"),
    ({"tests": [CALL], "limits": 5}, "limits must be an object"),
]


@pytest.mark.parametrize("value", GOOD)
def test_what_is_accepted_makes_a_job(value):
    Job(source="", **check_tests(value, "here"))


@pytest.mark.parametrize(("value", "message"), BAD)
def test_what_is_refused_says_where_and_why(value, message):
    with pytest.raises(ValueError) as error:
        check_tests(value, "a.jsonl, line 3")
    assert str(error.value).startswith("a.jsonl, line 3")
    assert message in str(error.value)


LIMITS = [{name: value} for name in Limits.model_fields for value in (0, 0.5, 1, 15, 16, 3601, 1e6, 1e308, True)]
NAMES = ["stdin", "stdout", "function", "args", "kwargs", "expected", "code", "entry_point", "setup", "compare"]
VALUES = st.sampled_from([None, True, 0, 1, 2.5, "", "f", "exact", [], [1], {}, {"x": 1}, *LIMITS])
TEST = st.sampled_from([STDIO, CALL, CODE]) | st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
REFERENCE = st.fixed_dictionaries(
    {"tests": st.lists(TEST, max_size=2)},
    optional=dict.fromkeys(("compare", "tolerance", "checker", "language", "limits"), VALUES),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REFERENCE)
def test_whatever_is_accepted_makes_a_job(value):
    try:
        checked = check_tests(value, "here")
    except ValueError:
        return
    Job(source="", **checked)


def test_the_field_lists_are_the_sandboxs():
    assert set(code_tests.JOB_FIELDS) == set(Job.model_fields) - {"source", "stop_at_failure"}
    assert set(code_tests.LIMITS) == set(Limits.model_fields)
