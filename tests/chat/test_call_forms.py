import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.chat.call_forms import Call, MalformedCall, call_of_json, read_calls

PROPERTIES = {
    "f": {"a": {"type": "integer"}, "s": {"type": "string"}, "l": {"type": "array"}, "b": {"type": "boolean"}}
}
ONE = [Call("f", {"a": 1})]


@pytest.mark.parametrize(
    "text",
    [
        'so <tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call> it is',
        '{"name": "f", "arguments": {"a": 1}}',
        '[{"name": "f", "parameters": {"a": 1}}]',
        '[{"type": "function", "function": {"name": "f", "arguments": "{\\"a\\": 1}"}}]',
        '{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}',
        'Now:\n```json\n{"name": "f", "arguments": {"a": 1}}\n```\nDone.',
        "[f(a=1)]",
        "f(a=1)",
        "`f(a=1)`",
        "```\n[f(a=1,)]\n```",
        "<tool_call><function=f>\n<parameter=a>\n1\n</parameter>\n</function></tool_call>",
    ],
)
def test_forms(text):
    assert read_calls(text, PROPERTIES) == ONE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no call",
        "[]",
        "{}",
        '{"a": 1}',
        '```json\n{"a": 1}\n```',
        "```python\nprint(1)\n```",
        "[1, 2]",
        "g(a=1)",
        "[f]",
        "{broken",
        "f(x) = 2x",
        "[see f(a=1)]",
        '{"tool_calls": []}',
        '{"name": "Ada"}',
    ],
)
def test_texts_without_calls(text):
    assert read_calls(text, PROPERTIES) == []


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>",
        "</tool_call>",
        "<tool_call>{}</tool_call>",
        '<tool_call>{"name": "f"}</tool_call><tool_call>{"name": </tool_call>',
        "<tool_call><function=f><parameter=a>1</function></tool_call>",
        '{"name": "f", "arguments": {"a": 1}',
        '{"name": "f", "arguments": [1]}',
        '{"name": "f", "arguments": "1"}',
        '{"name": "f", "arguments": {"a": NaN}}',
        '[{"name": "f", "arguments": {}}, 1]',
        "[f(1)]",
        "[f(a=1+1)]",
        "[f(a={1, 2})]",
        "[f(a=b'x')]",
        "[f(a=...)]",
        "[f(**x)]",
        "[f(a={**x})]",
        "[f(a=g())]",
        "[f(a=1), 2, f(a=1)]",
        "[f(a=" + "[" * 60 + "]" * 60 + ")]",
        "[f(s='" + "x" * 20_000 + "')]",
        "```\n[f(a=1)]\n```\n" * 1_001,
    ],
)
def test_calls_that_cannot_be_read(text):
    with pytest.raises(MalformedCall):
        read_calls(text, PROPERTIES)


def test_python_values():
    text = "[f(a=-1, b=True, c=None, d=2.5, e=['x', (1, 2)], g={'k': [1]}, h=celsius), p.q.r(s='a' \"b\")]"
    first, second = read_calls(text, PROPERTIES)
    assert first.arguments == {
        **{"a": -1, "b": True, "c": None, "d": 2.5, "e": ["x", (1, 2)], "g": {"k": [1]}, "h": "celsius"}
    }
    assert second == Call("p.q.r", {"s": "ab"})


def test_xml_values_follow_the_schema():
    def block(name: str, value: str) -> str:
        return f"<tool_call>\n<function=f>\n<parameter={name}>\n{value}\n</parameter>\n</function>\n</tool_call>"

    values = {
        ("a", "7"): 7,
        ("s", "7"): "7",
        ("s", "two\nlines"): "two\nlines",
        ("l", '["x"]'): ["x"],
        ("b", "True"): True,
    }
    values |= {("a", "seven"): "seven", ("other", "7"): 7}
    for (name, text), value in values.items():
        (call,) = read_calls(block(name, text), PROPERTIES)
        assert call.arguments == {name: value}


@pytest.mark.parametrize("value", [None, 5, [], {}, {"name": 5}, {"function": 5}, {"name": "f", "arguments": [1]}])
def test_values_that_are_no_call(value):
    with pytest.raises(MalformedCall):
        call_of_json(value)


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>" * 10**5,
        "<tool_calls>" * 10**5,
        "<tool_calls>" + "</tool_calls>" * 10**5,
        "</s>" * 10**5 + "x",
        (" " * 19 + "</s>") * 10**5 + "x",
        "[f(" * 10**5 + ")]",
        "[TOOL_CALLS]" * 10**5,
        "[TOOL_CALLS]f" + "{}f" * 10**5,
        "[TOOL_CALLS]" + "[" * 10**5,
        "[TOOL_CALLS]f[CALL_ID]" + " " * 10**6,
        "[TOOL_CALLS]f" + '{"a":' * 10**5,
        "<|python_tag|>" * 10**5,
        "<|python_tag|>" + "{};" * 10**5,
        "<|python_tag|>" + "f(" * 9000,
        "<function=" * 10**5,
        "<function=f>" * 10**5,
        "<function=f>" * 900 + "</function>" * 10**5,
        "<function=f>" + "{" * 10**5 + "</function>",
        "<｜tool▁call▁begin｜>" * 10**5,
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n" + "\n```" * 10**5 + "<｜tool▁call▁end｜>",
        ('{"name": ' * 10**5),
        "\n" * 10**5 + '{"name": "f",',
        ': {"name"' * 10**5,
        "[" + '{"f": {}},' * 10**5,
        '{"a": 1}\n' * 900 + "{",
        "<tool_call>" + "<function=f>" * 10**5 + "</tool_call>",
        "```\n" * 10**5,
        "[f(a=1)" + " " * 10**6 + "]",
        "<tool_call><function=f>" + "<parameter=a>" * 10**5 + "</function></tool_call>",
        "[f(a=" + "-" * 19000 + "1)]",
        "<tool_call>" + "[" * 10**5 + "</tool_call>",
        "[f(a=" + "(" * 19000 + ")]",
        "[f(a=" + "x." * 9000 + "x)]",
        '{"name": "f", "arguments": ' + "[" * 10**5,
        "f" + "()" * 9000,
        "f(" + ")" * 10**6,
        '[{"name": ' + "9" * 5000 + "}]",
    ],
)
def test_hostile_texts_take_little_time(text):
    try:
        read_calls(text, PROPERTIES)  # minutes where the work is quadratic
    except MalformedCall as error:
        assert len(str(error)) < 400


NAMES = st.from_regex(r"[a-z][a-z_]{0,5}(\.[a-z]{1,5})?", fullmatch=True)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(-1e9, 1e9)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.lists(st.tuples(NAMES, st.dictionaries(NAMES, JSON, max_size=3)), min_size=1, max_size=3))
def test_calls_survive_being_written(pairs):
    calls = [Call(name, arguments) for name, arguments in pairs]
    written = json.dumps([{"name": name, "arguments": arguments} for name, arguments in pairs])
    assert read_calls(written, {}) == calls
    tagged = "".join(f"<tool_call>{json.dumps({'name': n, 'arguments': a})}</tool_call>" for n, a in pairs)
    assert read_calls(tagged, {}) == calls


PIECES = [
    "<tool_call>",
    "</tool_call>",
    "```",
    "[",
    "]",
    "{",
    "}",
    "f(",
    ")",
    "a=",
    "1",
    "'",
    ",",
    "<function=f>",
    "</function>",
    "\x00",
    "�",
]
PIECES += ["\n", " ", '"name": "f"', '"arguments": ']


@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_reading_never_fails_otherwise(pieces):
    try:
        calls = read_calls("".join(pieces), PROPERTIES)
    except MalformedCall:
        return
    assert all(isinstance(call.arguments, dict) for call in calls)
