"""What is plainly a call, though its form is not: unclosed, with a brace too many, bare, fenced, in other families' marks."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.chat.bare_calls import BareCalls
from ponder.chat.deltas import text_of
from ponder.chat.parser import OutputParser, parse_output, parsed_output

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "add",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "integer"}, "note": {"type": "string"}},
                "required": ["a"],
            },
        },
    },
    {"type": "function", "function": {"name": "now"}},
]
CALL = '{"name": "add", "arguments": {"a": 1}}'
LLAMA = '{"name": "add", "parameters": {"a": 1}}'


@pytest.fixture(params=["renderer", "qwen", "llama"])
def model(request):
    """With tokens for calls, and without."""
    return request.getfixturevalue(request.param)


def read(model, text, thinking_open=False, **how):
    ids = model.encode_written(text)
    whole = parse_output(ids, model, thinking_open, TOOLS, **({"lenient": True} | how))
    parser = OutputParser(model, thinking_open, TOOLS, **({"lenient": True} | how))
    deltas = [delta for token in ids for delta in parser.push([token])] + parser.finish()
    assert parsed_output(deltas, parser) == whole
    return whole


def made(output) -> list[tuple]:
    return [(call.name, call.arguments) for call in output.tool_calls]


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"<tool_call>\n{CALL}",  # the turn ends without </tool_call>
        f"<tool_call>\n{CALL}\n",
        f"<tool_call>\n{CALL}}}\n</tool_call>",  # one } too many
        f"<tool_call>{CALL}}}",
        '<tool_call>{"name": "add", "arguments": {"a": 1}</tool_call>',  # and one too few
        '<tool_call>{"name": "add", "arguments": {"a": 1}',
        '<tool_call>{"name": "add", "arguments": {"a": 1}, and so on</tool_call>',
        CALL,
        f" \n{CALL}\n",
        f"{CALL}}}",
        f"{CALL}\n</tool_call>",
        f"[{CALL}]",
        f"```json\n{CALL}\n```",
        f"```\n{CALL}```\n",
        f"```json\n{CALL}\n",
        f"<tools>\n{CALL}\n</tools>",
        f"<tools>{CALL}",
        LLAMA,
        f"```tool_call\n{LLAMA}\n```",
        '{"type": "function", "name": "add", "parameters": {"a": 1}}',
        '{"type": "function", "function": {"name": "add", "arguments": "{\\"a\\": 1}"}}',
        "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>",
        "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n</tool_call>",
        "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n</function>",
    ],
)
def test_a_plain_call_is_one(model, text):
    output = read(model, text)
    assert (made(output), output.content, output.tool_call_errors) == ([("add", {"a": 1})], "", ())


@pytest.mark.parametrize(
    "text",
    [f"{CALL}; {CALL}", f"{CALL}\n{CALL}", f"[{CALL}, {CALL}]", f"```json\n{CALL}\n```\n\n```json\n{CALL}\n```"],
)
def test_several_bare_calls(renderer, text):
    assert made(read(renderer, text)) == [("add", {"a": 1})] * 2


@pytest.mark.parametrize(
    "text",
    [
        f"I call it: {CALL}",
        f"{CALL} is what I would call.",
        f"```json\n{CALL}\n```\nThis adds.",
        '{"name": "Bob", "arguments": {}}',
        '{"name": "add", "age": 3, "arguments": {}}',
        '{"name": "add"}',  # as much a person's name as a call: add requires arguments
        '{"answer": 42}',
        '{"name": "add", "arguments": {"a": 1}',
        "[a link](https://example.com)",
        "```python\nprint(1)\n```",
        "<b>bold</b>",
        "{",
        "```",
    ],
)
def test_what_is_no_call_is_text_to_the_letter(model, text):
    output = read(model, text)
    assert (output.content, output.tool_calls) == (text, ())


def test_a_bare_call_is_one_only_where_it_was_asked_for(renderer):
    assert read(renderer, CALL, bare=False).content == CALL  # an answer in JSON was
    assert read(renderer, CALL, lenient=False).content == CALL
    assert parse_output(renderer.encode(CALL), renderer, False, [], lenient=True).content == CALL
    strict = read(renderer, f"<tool_call>{CALL}}}</tool_call>", lenient=False)
    assert strict.tool_calls[0].arguments == f"{CALL}}}" and strict.tool_call_errors[0].name == "add"


def test_a_bare_call_after_the_thought(renderer):
    output = read(renderer, f"I must add.\n</think>\n\n{CALL}", thinking_open=True)
    assert (made(output), output.content) == ([("add", {"a": 1})], "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"answer": 4', '{"answer": 4'),
        ('{"name": "Bob", "ag', '{"name": "Bob", "ag'),
        ("```python\nprint", "```python\nprint"),
        (f"```json\n{CALL}\n```\nIt ", f"```json\n{CALL}\n```\nIt "),
        ('{"name": "add", "arg', ""),
        ("```json\n", ""),
    ],
)
def test_text_that_can_be_no_call_any_more_is_told_at_once(renderer, text, shown):
    parser = OutputParser(renderer, False, TOOLS, lenient=True)
    assert text_of([delta for token in renderer.encode(text) for delta in parser.push([token])], "content") == shown


PIECES = [CALL, LLAMA, "{", "}", '"', "name", "```json\n", "```", "<tools>", "</tools>", "<tool_call>", "</tool_call>"]
PIECES += ["\n", " ", ";", "[", "]", "So", '{"name": "', "add", '", "arguments": ', '{"a": 1}', "</think>", "<think>"]
PIECES += ["<function=add>", "<parameter=a>\n1\n</parameter>", "</function>", "<|im_end|>", "中"]


@settings(max_examples=600, deadline=None)
@given(
    written=st.booleans(),
    text=st.lists(st.sampled_from(PIECES), max_size=10).map("".join),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    how=st.sampled_from([("strict", False), ("act", True), ("act", False)]),
)
def test_chunks_do_not_matter_and_no_text_is_lost(renderer, qwen, written, text, sizes, how):
    model = qwen if written else renderer
    mode, thinking_open = how
    ids = model.encode_written(text)
    parser, deltas, at = OutputParser(model, thinking_open, TOOLS, mode, lenient=True), [], 0
    for turn in range(len(ids)):
        deltas += parser.push(ids[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
    deltas += parser.finish()
    whole = parse_output(ids, model, thinking_open, TOOLS, mode, lenient=True)
    assert parsed_output(deltas, parser) == whole
    for index, call in enumerate(whole.tool_calls):
        told = text_of([delta for delta in deltas if delta.index == index], "tool_call_arguments")
        assert call.name in ("add", "now") and told == call.arguments_text
        assert isinstance(call.arguments, str) or json.loads(told) == call.arguments
    if not whole.tool_calls and not thinking_open and not text.lstrip().startswith("<think>"):
        assert whole.content == text
    assert not whole.tool_calls or text.count("add") >= len(whole.tool_calls)


@pytest.mark.parametrize(
    "flood",
    [" ", "\n", '{"name": "add", "arguments": {"a": [', "{", "`", "[", "<tools>", f"{CALL}\n", "<function=", "}"],
)
def test_long_answers_take_bounded_time(renderer, qwen, flood):
    for model in (renderer, qwen):
        ids = model.encode_written(flood * 50) * (60_000 // len(flood) // 50)
        started = time.process_time()
        parse_output(ids, model, False, TOOLS, lenient=True)
        assert time.process_time() - started < 8


@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", "<tools>{}</tools>"])
def test_time_grows_with_a_call_and_not_with_its_square(form):
    """A million blanks inside a call: with the square of that the test would not end."""
    call = '{"name": "add", "arguments": {' + " " * 1_000_000 + '"a": 1}}'
    bare = BareCalls({"add": {}})
    assert bare.push(form.replace("{}", call)) and [made.name for made in bare.calls()] == ["add"]
