import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.tasks import Task
from ponder.verifiers.function_calls.types import fold, shown
from ponder.verifiers.function_calls.verifier import decide, reference_text
from ponder.verifiers.response import Response, as_response, split_response
from ponder.verifiers.verdict import Verdict

DEV_PAIRS = Path(__file__).parents[4] / "shared" / "data" / "agreement_dev" / "fc_pairs.jsonl"
CORPUS_FILE = files("ponder.verifiers.audit") / "corpus" / "function_calls.jsonl"
CORPUS = [json.loads(line) for line in CORPUS_FILE.open(encoding="utf-8")]


def tool(**properties: dict) -> dict:
    return {"name": "f", "parameters": {"type": "dict", "properties": properties, "required": list(properties)[:1]}}


def task_of(reference, *tools: dict) -> Task:
    return Task(({"role": "user", "content": "?"},), "test", "function_calls", reference, tools=tools)


def verification(task: Task, *calls: dict) -> Verdict:
    return decide(task, Response("", "", True, False, tuple(calls)))


def call(**arguments) -> dict:
    return {"name": "f", "arguments": arguments}


@pytest.mark.parametrize("row", CORPUS, ids=lambda row: row["id"])
def test_corpus(row):
    verdict = decide(task_of(row["reference"], *row["tools"]), split_response(row["response"]))
    assert (verdict.status == "correct") is row["label"], (row["why"], verdict.reason)


@pytest.mark.skipif(not DEV_PAIRS.is_file(), reason="the labelled pairs are not at ../shared/data/agreement_dev")
def test_labelled_pairs_agree_as_calls_and_as_text():
    for row in (json.loads(line) for line in DEV_PAIRS.open(encoding="utf-8")):
        task = task_of(row["possible_answer"], *row["functions"])
        hermes = "\n".join(f"<tool_call>\n{json.dumps(c)}\n</tool_call>" for c in row["calls"])
        as_json = json.dumps(row["calls"])
        for response in (
            Response("", "", True, False, tuple(row["calls"])),
            Response("", hermes, True, False),
            Response("", as_json, True, False),
        ):
            assert (decide(task, response).status == "correct") is row["label"], row["id"]


def test_reasons_name_the_function_the_parameter_and_both_values():
    task = task_of([{"f": {"room": ["hall"], "n": [1, ""]}}], tool(room={"type": "string"}, n={"type": "integer"}))
    assert verification(task, call(room="attic")).reason == "f: 'room': expected 'hall', got 'attic'"
    assert verification(task, call(room="hall", n="1")).reason == "f: 'n': expected integer, got '1' (str)"
    assert verification(task, call()).reason == "f: 'room' is required and missing"
    assert verification(task, call(room="hall", m=1)).reason == "f: 'm' is no parameter of it"
    assert verification(task, {"name": "g", "arguments": {}}).reason == "calls 'g', not 'f'"
    assert verification(task, call(room="hall"), call(room="hall")).reason == "expected 1 call, got 2: 'f', 'f'"
    assert verification(task).reason == "expected 1 call, got 0: none"
    assert verification(task, call(room="hall")).parsed == "'f': {'room': 'hall'}"


def test_of_several_calls_the_reason_names_each():
    task = task_of([{"f": {"room": ["hall"]}}, {"f": {"room": ["attic"]}}], tool(room={"type": "string"}))
    verdict = verification(task, call(room="attic"), call(room="cellar"))
    assert verdict.reason.startswith("no call agrees with call 1 of the reference; call 1: f: 'room': expected 'hall'")
    assert "call 2: f: 'room': expected 'hall', got 'cellar'" in verdict.reason


def test_no_call_is_right():
    for reference in (None, []):
        task = task_of(reference, tool(room={"type": "string"}))
        assert verification(task).status == "correct"
        assert verification(task, call(room="hall")).reason == "expected no calls, got 1: 'f'"


def test_a_block_that_the_parser_left_in_the_content_spoils_the_turn():
    task = task_of([{"f": {"room": ["hall"]}}], tool(room={"type": "string"}))
    response = Response("", "<tool_call>\n{broken\n</tool_call>", True, False, (call(room="hall"),))
    assert decide(task, response).status == "unparseable"


@pytest.mark.parametrize(
    ("schema", "accepted", "value", "right"),
    [
        ({"type": "float"}, [1.0], 1, True),
        ({"type": "float"}, [1.0], True, False),
        ({"type": "string"}, [5, "a b"], "a b", True),
        ({"type": "string"}, [5, "a b"], "A B", False),  # the reference's first value is no string: compared as it is
        ({"type": "string"}, [""], "-", True),
        ({"type": "array", "items": {"type": "string"}}, [[1.0]], [1], False),
        ({"type": "array", "items": {"type": "string"}}, ["", [1.0]], [1], True),  # beside "", items of any type pass
        ({"type": "array", "items": {"type": "dict"}}, ["", [{"k": [1]}]], [], True),
        ({"type": "array"}, [["a"]], ["A"], True),  # without `items`, of our own: anything may be in it
        ({"type": "number"}, [2.5], 2.5, True),
        ({"type": "number"}, [2.0], 2, True),
        ({"type": "array", "items": {"type": "number"}}, [[1.0, 2.5]], [1, 2.5], True),
        ({"type": "array", "items": {"type": "number"}}, [[1, 2.5]], [1.0, 2.5], True),
        ({"type": "array", "items": {"type": "number"}}, [[1.0, 2.0]], [1, 3], False),
        ({"type": "array", "items": {"type": "number"}}, [[1.0, 2.0]], [2, 1], False),
        ({"type": "array", "items": {"type": "number"}}, [[1.0]], [True], False),
        ({"type": "array", "items": {"type": "number"}}, [[1.0]], ["1"], False),
        ({"type": "array", "items": {"type": "float"}}, [[1.0]], [1], False),  # as BFCL has it
        ({"type": "array", "items": {"type": "integer"}}, [[1]], [1.0], False),
        ({"type": ["number", "null"]}, [2.5, None], None, True),
        ({"type": ["string", "null"]}, ["a b"], "A-b", True),
        ({"type": ["integer", "string"]}, [3], "4", False),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, [3], 3, True),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, [3], 4, False),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, [3], None, False),
        ({"type": "object"}, [{"k": ["A b"]}], {"k": "a-b"}, True),
    ],
)
def test_types(schema, accepted, value, right):
    assert (verification(task_of([{"f": {"a": accepted}}], tool(a=schema)), call(a=value)).status == "correct") is right


@pytest.mark.parametrize(
    ("reference", "tools", "message"),
    [
        ("f()", [tool()], "write a list of"),
        ([{"f": {}, "g": {}}], [tool()], "one name each"),
        ([{"f": ["a"]}], [tool()], "one name each"),
        (["f"], [tool()], "one name each"),
        ([{"g": {}}], [tool()], "not among the tools"),
        ([{"f": {"a": 1}}], [tool(a={"type": "integer"})], "write a list of accepted values"),
        ([{"f": {"a": [1]}}], [tool(a={"type": "int32"})], "write one of string, integer"),
        ([{"f": {"a": [1]}}], [tool(a={"type": ["integer", "int32"]})], "write one of string, integer"),
        ([{"f": {"a": [1]}}], [tool(a={"anyOf": ["integer"]})], "write {'type': ...}"),
        ([{"f": {"a": [1]}}], [tool(a={"type": "array", "items": {"type": "int32"}})], "write one of string, integer"),
        ([{"f": {"a": [1]}}], [tool(a="integer")], "write {'type': ...}"),
        ([{"f": {"a": [{"k": 1}]}}], [tool(a={"type": "dict"})], "write a list of accepted values"),
        ([], ["f"], "tools\\[0\\]"),
        ([], [{"parameters": {}}], "tools\\[0\\]"),
        ([], [{"name": "f", "parameters": {"properties": ["a"]}}], "must be"),
        ([{"f": {}}], [{"name": "f", "parameters": {"required": "a"}}], "write a list of parameter names"),
    ],
)
def test_malformed_tasks_say_what_to_write(reference, tools, message):
    with pytest.raises(ValueError, match=message):
        decide(task_of(reference, *tools), Response("", '[{"name": "f", "arguments": {"a": {}}}]', True, False))


def test_a_reference_makes_a_correct_response():
    tasks = {json.dumps([row["tools"], row["reference"]]): task_of(row["reference"], *row["tools"]) for row in CORPUS}
    unmet = [t for t in tasks.values() if decide(t, Response("", reference_text(t), True, False)).status != "correct"]
    assert unmet == []


SCHEMAS = [{"type": t} for t in ("string", "integer", "float", "boolean", "dict", "any", "array")]
SCHEMAS += [{"type": "array", "items": schema} for schema in SCHEMAS] + [{"type": "tuple", "items": {"type": "float"}}]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([10**400, "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
ACCEPTED = st.lists(VALUES | st.dictionaries(st.text(max_size=3), st.lists(VALUES, max_size=2), max_size=2), max_size=3)


@given(st.sampled_from(SCHEMAS), ACCEPTED, VALUES)
def test_never_fails_but_for_a_malformed_reference(schema, accepted, value):
    task = task_of([{"f": {"a": accepted}}], tool(a=schema))
    try:
        first = verification(task, call(a=value))
    except ValueError as error:
        assert "write a list of accepted values" in str(error)  # a dict of the reference holds something else
        return
    assert first.status in ("correct", "wrong")
    assert verification(task, call(a=value)) == first
    first.reason.encode()
    first.parsed.encode()


def test_verdicts_are_the_same_in_any_order_and_thread():
    pairs = [(task_of(row["reference"], *row["tools"]), split_response(row["response"])) for row in CORPUS]
    expected = [decide(*pair) for pair in pairs]
    order = list(range(len(pairs)))
    random.Random(0).shuffle(order)
    with ThreadPoolExecutor(4) as threads:
        verdicts = dict(zip(order, threads.map(lambda index: decide(*pairs[index]), order), strict=True))
    assert [verdicts[index] for index in range(len(pairs))] == expected


def test_strings_as_they_are_compared():
    assert fold("New York, N.Y.") == fold("new_york/NY") == "newyorkny"
    assert fold("a^b*c") == "abc"
    assert fold("it's") == 'it"s'
    assert fold("a\u00a0b!") == "a\u00a0b!"


def test_shown_values_are_short():
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    for value in (deep, "x" * 10**6, 10**5000, {str(i): i for i in range(1000)}, float("nan"), "\ud800"):
        assert len(shown(value)) < 400
        shown(value).encode()


MISTRAL = '[TOOL_CALLS]f{"room": "hall"}'


def test_the_form_that_a_source_names():
    task = task_of([{"f": {"room": ["hall"]}}], tool(room={"type": "string"}))
    for form, right in (("auto", True), ("mistral", True), ("hermes", False), ("json", False)):
        verdict = decide(replace(task, metadata={"call_form": form}), split_response(MISTRAL))
        assert (verdict.status == "correct") is right, form
    structured = as_response([{"name": "f", "arguments": {"room": "hall"}}])
    assert decide(replace(task, metadata={"call_form": "hermes"}), structured).status == "correct"
    with pytest.raises(ValueError, match="mistral"):
        decide(replace(task, metadata={"call_form": "mistrel"}), split_response(MISTRAL))


def test_a_call_in_any_form_is_a_call_where_none_is_right():
    task = task_of([], tool(room={"type": "string"}))
    for text in (
        MISTRAL,
        '<|python_tag|>{"name": "f", "parameters": {}}',
        "[f(room='hall')]",
        '[{"f": {"room": "x"}}]',
    ):
        assert decide(task, split_response(text)).status == "wrong", text
