"""The incremental reader of tool calls against json.loads, which reads whole texts."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ponder.chat.json_scanner import JsonScanner
from ponder.chat.tool_calls import ToolCallReader, parse_tool_call, required_arguments


def refuse(constant: str) -> None:
    raise ValueError(constant)


def loads(text: str, **options: Any) -> Any:
    value = json.loads(text, parse_constant=refuse, **options)
    json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates
    return value


def read_whole(raw: str) -> tuple[str, dict] | None:
    """Name and arguments, as json.loads and the rules of `ToolCallReader` give them."""
    pairs: list[tuple[str, Any]] = []  # of the last object to end, which is the outermost

    def keep(found):
        pairs[:] = found
        return dict(found)

    try:
        call = loads(raw, object_pairs_hook=keep)
        keys = ["arguments" if key == "parameters" else key for key, _ in pairs]
        if not isinstance(call, dict) or keys.count("name") > 1 or keys.count("arguments") > 1:
            return None
        name, arguments = call.get("name"), call.get("arguments", call.get("parameters"))
        if isinstance(arguments, str) and arguments.strip(" \t\r\n"):
            arguments = loads(arguments)
        elif arguments is None or isinstance(arguments, str):
            arguments = {}
        json.dumps(arguments, allow_nan=False)
    except ValueError:
        return None
    return (name, arguments) if isinstance(name, str) and name and isinstance(arguments, dict) else None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("name"), inner, max_size=3)
    ),
    max_leaves=6,
)
PIECES = ["{", "}", "[", "]", ":", ",", '"', "\\", "\\u00e4", "\\ud83d", "\\ude00", "0", "1", "-", ".", "e", "+", " "]
PIECES += [
    "\n",
    "\t",
    "a",
    "true",
    "false",
    "null",
    "NaN",
    "Infinity",
    '"name"',
    '"arguments"',
    '"x"',
    "\u00e4",
    "\x7f",
]


@st.composite
def calls(draw) -> str:
    """The JSON of a call, and as often one with a few wounds."""
    keys = draw(st.lists(st.sampled_from(["name", "arguments", "parameters", "id"]), unique=True, max_size=4))
    call = {}
    for key in keys:
        value = draw(
            st.sampled_from(["add", "", "n\u00e4h"]) if key == "name" else VALUES | st.dictionaries(st.text(), VALUES)
        )
        call[key] = json.dumps(value) if key == "arguments" and draw(st.booleans()) else value
    raw = json.dumps(call, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.sampled_from(PIECES)) + raw[at + draw(st.integers(0, 1)) :]
    return raw


@example(raw='{"name": "f", "arguments": {"a": "\\ud83dx"}}', sizes=[1])
@example(raw='{"name": "f", "arguments": {"a": "\\ud83d\\n"}}', sizes=[1])
@example(raw='{"name": "f", "arguments": {"a": "\\ud83d\\ud83d"}}', sizes=[1])
@settings(max_examples=1500, deadline=None)
@given(raw=calls() | st.lists(st.sampled_from(PIECES)).map("".join), sizes=st.lists(st.integers(1, 4), min_size=1))
def test_equals_json_loads_and_pieces_do_not_matter(raw, sizes):
    call = parse_tool_call(raw)
    expected = read_whole(raw)
    assert repr(call and (call.name, call.arguments)) == repr(expected)

    reader, arguments, at = ToolCallReader(), "", 0
    try:
        for turn in range(len(raw)):
            size = sizes[turn % len(sizes)]
            reader.feed(raw[at : at + size])
            arguments += reader.new_arguments()
            at += size
        streamed = reader.close()
        arguments += reader.new_arguments()
    except ValueError:
        assert call is None
    else:
        assert streamed == call
        assert arguments == call.arguments_text
        assert json.loads(arguments) == call.arguments


@settings(max_examples=500, deadline=None)
@given(raw=calls() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_the_scanner_knows_objects_as_json_loads_does(raw):
    scanner, at = JsonScanner(), 0
    try:
        while at < len(raw):
            at = scanner.step(raw, at)
    except ValueError:
        assert not whole(raw)
    else:
        assert scanner.done == whole(raw)


def whole(raw: str) -> bool:
    try:
        return isinstance(loads(raw), dict)
    except ValueError:
        return False


def test_the_name_is_known_at_its_closing_quote():
    reader = ToolCallReader()
    reader.feed('{"arguments": {"name": "inner"}, "name": "add')
    assert (reader.name, reader.new_arguments()) == (None, '{"name": "inner"}')
    reader.feed('"')
    assert reader.name == "add"


def test_required_arguments():
    tools = [
        {"type": "function", "function": {"name": "a", "parameters": {"required": ["x", "y"]}}},
        {"name": "b", "parameters": {"required": "x"}},
        {"name": "c"},
        {"name": "d", "parameters": {"required": ["x", {}, 3]}},
        {"name": 3},
        {"function": []},
        "e",
    ]
    assert required_arguments(tools) == {"a": {"x", "y"}, "b": set(), "c": set(), "d": {"x"}}
