"""Tool calls as they stream: pieces, errors, and calls inside the thought."""

import json
import random
from itertools import groupby

import pytest

from ponder.chat.deltas import text_of
from ponder.chat.json_scanner import JsonScanner
from ponder.chat.parser import GRACE_TOKENS, Delta, OutputParser, ToolCallError, parse_output, parsed_output
from ponder.chat.tool_calls import json_object

TOOLS = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "required": ["a"]}}},
    {"type": "function", "function": {"name": "now"}},
]
CALL = '\n<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'


def stream(renderer, text, thinking_open=False, tools=TOOLS, mode="strict"):
    """Deltas of every token by itself, and what only came at the end."""
    parser = OutputParser(renderer, thinking_open, tools, mode)
    during = [delta for token in renderer.encode(text) for delta in parser.push([token])]
    return during, parser.finish(), parser


def start(name, index=0):
    return Delta("tool_call_start", index=index, name=name)


def test_arguments_come_in_pieces_as_the_model_writes_them(renderer):
    arguments = '{"b": [1,  2.50e1],\n  "a": "\\u00e4 <tool_call> \\n"}'
    deltas, rest, _ = stream(renderer, f'<tool_call>{{"name": "add", "arguments": {arguments}, "id": 7}}</tool_call>')
    assert rest == []
    assert deltas[0] == start("add")
    pieces = [delta.text for delta in deltas if delta.kind == "tool_call_arguments"]
    assert len(pieces) > 10
    assert "".join(pieces) == arguments
    assert deltas[-1].tool_call.arguments_text == arguments
    assert deltas[-1].tool_call.arguments == json.loads(arguments)


@pytest.mark.parametrize(
    "call",
    [
        '{"name": "now"}',
        '{"name": "now", "arguments": null}',
        '{"arguments": "", "name": "now"}',
        '{"name":"now" }\n\n',
    ],
)
def test_a_call_without_arguments_gives_an_empty_object(renderer, call):
    deltas, _, _ = stream(renderer, f"<tool_call>{call}</tool_call>")
    assert deltas[:2] == [start("now"), Delta("tool_call_arguments", "{}", 0)]
    assert (deltas[2].tool_call.arguments, deltas[2].tool_call.arguments_text) == ({}, "{}")


def test_arguments_in_a_string_are_unescaped(renderer):
    arguments = ' {"a": "\U0001f914 \\" \u00e4", "b": "\\n"} '
    written = json.dumps({"name": "add", "arguments": arguments})
    assert "\\ud83e" in written
    deltas, _, _ = stream(renderer, f"<tool_call>{written}</tool_call>")
    assert "".join(delta.text for delta in deltas if delta.kind == "tool_call_arguments") == arguments.strip()
    assert deltas[-1].tool_call.arguments == json.loads(arguments)


@pytest.mark.parametrize("key", ["arguments", "parameters"])
def test_arguments_before_the_name_wait_for_it(renderer, key):
    parser = OutputParser(renderer, False, TOOLS)
    assert parser.push(renderer.encode(f'<tool_call>{{"{key}": {{"a": 1}}, "name": ')) == []
    assert parser.push(renderer.encode('"add"')) == [start("add"), Delta("tool_call_arguments", '{"a": 1}', 0)]


def test_a_name_that_is_no_tool_is_content_at_once(renderer):
    parser = OutputParser(renderer, False, TOOLS)
    head = '<tool_call>{"name": "remove", '
    assert parser.push(renderer.encode(head)) == [Delta("content", head)]
    assert parser.tool_call_errors == [ToolCallError("there is no tool of the name 'remove'", "remove")]
    assert parse_output(renderer.encode(CALL), renderer, False, []).content == CALL


def test_what_was_told_as_a_call_stays_one(renderer):
    """The rest up to </tool_call> belongs to its arguments, which no reader takes for an object."""
    broken = '\n<tool_call>{"name": "add", "arguments": {"a": ]}}</tool_call>'
    deltas, rest, parser = stream(renderer, f"So{CALL}{broken}{CALL}\nDone.")
    kinds = [kind for kind, _ in groupby(delta.kind for delta in deltas if delta.kind != "tool_call_arguments")]
    assert kinds == ["content", *["tool_call_start", "tool_call_end"] * 3, "content"]
    calls = [delta.tool_call for delta in deltas if delta.tool_call]
    assert [call.arguments_text for call in calls] == ['{"a": 1}', '{"a": ]}}', '{"a": 1}']
    assert calls[1].arguments == calls[1].raw == '{"name": "add", "arguments": {"a": ]}}'
    assert [(error.name, error.index) for error in parser.tool_call_errors] == [("add", 1)]
    assert text_of(deltas, "content") == "SoDone." and rest == []


def test_a_broken_call_ends_where_the_next_begins(renderer):
    deltas, rest, _ = stream(renderer, f'<tool_call>{{"name": "add", "arguments": {{"a": }}{CALL}')
    calls = [delta.tool_call for delta in deltas + rest if delta.tool_call]
    assert [call.arguments_text for call in calls] == ['{"a": }\n', '{"a": 1}']


def test_a_closing_tag_in_a_string_that_never_closes_was_the_end(renderer):
    text = '<tool_call>{"name": "add", "arguments": {"a": "1}}</tool_call>\nDone.'
    deltas, rest, _ = stream(renderer, text)
    (call,) = [delta.tool_call for delta in deltas if delta.tool_call]
    assert call.arguments_text == '{"a": "1}}</tool_call>' and isinstance(call.arguments, str)
    assert text_of(deltas + rest, "content") == "Done."


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("", "the JSON object is not complete"),
        ("[1]", "begins with {"),
        ("{}", 'no "name"'),
        ('{"name": 3}', "no string"),
        ('{"name": ""}', "empty"),
        ('{"name": "now", "name": "add"}', "given twice"),
        ('{"name": "now", "arguments": [1]}', "no JSON object"),
        ('{"name": "now", "arguments": "[1]"}', "begins with {"),
        ('{"name": "now"} {', "after the end"),
    ],
)
def test_what_breaks_before_its_arguments_is_content_with_a_reason(renderer, inside, reason):
    text = f"<tool_call>{inside}</tool_call>"
    deltas, rest, parser = stream(renderer, text + CALL)
    (error,) = parser.tool_call_errors
    assert reason in error.reason
    assert "".join(delta.text for delta in deltas + rest if delta.kind == "content") == text
    assert [delta.tool_call.name for delta in deltas if delta.tool_call] == ["add"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"a": NaN}', "begins no JSON value"),
        ('{"a": 1e999}', "Out of range"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"a": "\n"}', "must be escaped"),
        ('{"a": 01}', "where JSON needs"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ('{"a":' * 500 + "1" + "}" * 500, "nested deeper"),
        ('"{"', "no complete JSON object"),
        ('"{\\"a\\": x}"', "begins no JSON value"),
    ],
)
@pytest.mark.parametrize("lenient", [False, True])
def test_every_kind_of_broken_arguments_is_a_call_with_a_reason(renderer, arguments, reason, lenient):
    text = f'<tool_call>{{"name": "now", "arguments": {arguments}}}</tool_call>'
    ids = renderer.encode(text + CALL)
    output = parse_output(ids, renderer, False, TOOLS, lenient=lenient)
    parser = OutputParser(renderer, False, TOOLS, lenient=lenient)
    streamed = parsed_output([delta for token in ids for delta in parser.push([token])] + parser.finish(), parser)
    assert streamed == output
    (error,) = output.tool_call_errors
    assert reason in error.reason and error.index == 0
    assert [call.name for call in output.tool_calls] == ["now", "add"] and output.content == ""
    with pytest.raises(ValueError):
        json_object(output.tool_calls[0].arguments_text)


HOSTILE = {
    "openings in a string": '<tool_call>{"name": "now", "arguments": {"a": "' + "<tool_call>" * 2000,
    "calls in a call": '<tool_call>{"name": "now", "arguments": {"a' * 1000,
    "each in a string of another": '<tool_call>{"":"' * 1000 + "</tool_call>" * 1000,
    "random": "".join(random.Random(1).choices(['<tool_call>{"', '":', '"', "\\", "a", "{", ",", "}"], k=8000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_is_read_more_than_a_few_times(renderer, monkeypatch, name):
    """Openings inside strings inside openings: a parser that begins again at each could read the rest each time."""
    read = 0
    step = JsonScanner.step

    def counted(self, text, at):
        nonlocal read
        read += 1
        return step(self, text, at)

    monkeypatch.setattr(JsonScanner, "step", counted)
    for mode in ("strict", "act"):
        read = 0
        parse_output(renderer.encode(HOSTILE[name]), renderer, mode == "act", TOOLS, mode)
        assert read <= 3 * len(HOSTILE[name])


def think(renderer, text, mode="act"):
    return parse_output(renderer.encode(text), renderer, True, TOOLS, mode)


def test_a_call_inside_the_thought_is_made_where_the_output_ends(renderer):
    output = think(renderer, f"I must add.{CALL}{CALL}\n<|im_end|>")
    assert output.reasoning == "I must add.\n"
    assert [call.name for call in output.tool_calls] == ["add", "add"]
    assert not output.thinking_closed
    assert think(renderer, f"I must add.{CALL}", "strict").tool_calls == ()


def test_a_draft_is_reasoning_where_the_thought_goes_on_to_its_end(renderer):
    thought = f"Maybe{CALL}\nor{CALL}\n"
    for mode in ("act", "strict"):
        output = think(renderer, f"{thought}</think>\n\nNo.{CALL}", mode)
        assert (output.reasoning, output.content, len(output.tool_calls)) == (thought, "No.", 1)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ('<tool_call>{"name": "add", "arguments": {}}</tool_call>', "required arguments are missing: a"),
        ('<tool_call>{"name": "remove"}</tool_call>', "no tool"),
        ('<tool_call>{"name": "now"', "never closed"),
        ('Maybe <tool_call>{"name": "now"}</tool_call>', None),  # does not begin a line
    ],
)
def test_what_is_no_candidate_is_reasoning(renderer, call, reason):
    output = think(renderer, f"So\n{call}")
    assert (output.reasoning, output.tool_calls) == (f"So\n{call}", ())
    assert [reason in error.reason for error in output.tool_call_errors] == ([True] if reason else [])
    closed = think(renderer, f"So\n{call}</think>No.")
    assert (closed.reasoning, closed.content, closed.tool_call_errors) == (f"So\n{call}", "No.", ())


def test_the_end_of_the_thought_inside_a_candidate_ends_the_thought(renderer):
    output = think(renderer, '\n<tool_call>{"name": "add", "arguments": {"a": "</think>\n\nIt is 4.')
    assert output.reasoning == '<tool_call>{"name": "add", "arguments": {"a": "'
    assert output.content == "It is 4."


def test_reasoning_streams_until_there_is_a_candidate(renderer):
    parser = OutputParser(renderer, True, TOOLS, "act")
    assert parser.push(renderer.encode("Hm.\n")) == [Delta("reasoning", "Hm.\n")]
    assert parser.push(renderer.encode(CALL.strip())) == []
    assert parser.held_calls == 1
    assert parser.push(renderer.encode("\nWait")) == []
    assert [delta.kind for delta in parser.push([renderer.markers.think_end])] == ["reasoning"]
    assert parser.held_calls == 0


def test_wants_stop(renderer):
    def after(text, mode="act"):
        parser = OutputParser(renderer, True, TOOLS, mode)
        parser.push(renderer.encode(text))
        return parser.wants_stop

    a = renderer.encode("a")
    assert len(a) == 1
    assert not after("Hm." + "a" * GRACE_TOKENS)
    for onwards in ("", "\n", CALL, "</think>", "a" * (GRACE_TOKENS - 1), "a" * GRACE_TOKENS + "</think>"):
        assert not after(CALL + onwards)
    for onwards in ("<|im_end|>", "\n<|im_end|>", "\n<tool_response>", f"{CALL}<|im_end|>"):
        assert after(CALL + onwards)
        assert not after(CALL + onwards, "strict")
    parser = OutputParser(renderer, True, TOOLS, "act")
    parser.push(renderer.encode(CALL) + a * (GRACE_TOKENS - 1))
    assert not parser.wants_stop
    parser.push(a)
    assert parser.wants_stop
    deltas = parser.finish()
    assert deltas[0] == start("add")
    assert deltas[-1] == Delta("reasoning", "a" * GRACE_TOKENS)
