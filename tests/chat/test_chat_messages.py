import copy
import json

import pytest

from ponder.chat.messages import canonical_messages, split_thinking
from ponder.chat.tool_calls import format_tool_call, json_object, parse_tool_call


def one(**message):
    return canonical_messages([message])[0]


def test_missing_and_null_content_become_empty():
    call = {"function": {"name": "now", "arguments": {}}}
    for message in ({"content": None}, {}):
        assert one(role="assistant", tool_calls=[call], **message)["content"] == ""


def test_arguments_in_a_string_become_a_dict_in_the_same_order():
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "f", "arguments": '{"z": 1, "a": {"k": "\\u00e4"}}'},
    }
    (canonical,) = one(role="assistant", tool_calls=[call])["tool_calls"]
    assert json.dumps(canonical["function"]["arguments"], ensure_ascii=False) == '{"z": 1, "a": {"k": "ä"}}'
    assert (canonical["id"], canonical["type"]) == ("call_1", "function")


@pytest.mark.parametrize("arguments", [None, "", " ", "{}", {}])
def test_a_call_without_arguments_has_an_empty_dict(arguments):
    flat_call = {"name": "now", "arguments": arguments}
    assert one(role="assistant", tool_calls=[flat_call])["tool_calls"] == [
        {"function": {"name": "now", "arguments": {}}}
    ]


def test_text_parts_are_joined():
    parts = [{"type": "text", "text": "a\n"}, "b", {"type": "text", "text": "c"}]
    assert one(role="user", content=parts)["content"] == "a\nbc"


def test_reasoning_fields_are_dropped():
    message = one(role="assistant", content="4", reasoning_content="2+2", reasoning="2+2", thinking="2+2")
    assert message == {"role": "assistant", "content": "4"}


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("<think>\nI was cut off", ""),
        (" <think>I was cut off", ""),
        ("Wait.\n<think>\nI was", "Wait.\n"),
        ("<think>\none\n</think>\n\nAnswer\n<think>two", "<think>\none\n</think>\n\nAnswer\n"),
        ("<think>\none\n</think>\n\nAnswer", "<think>\none\n</think>\n\nAnswer"),  # the template's business
        ("<think>a</think>b\n<think>c</think>\nAnswer", "<think>a</think>b\n<think>c</think>\nAnswer"),
        ("Write `<think>` first.", "Write `<think>` first."),
        ("", ""),
    ],
)
def test_thinking_that_was_never_closed_is_dropped(content, kept):
    assert one(role="assistant", content=content)["content"] == kept
    assert one(role="user", content=content)["content"] == content


def test_developer_is_system_and_other_keys_stay():
    assert one(role="developer", content="Be brief.") == {"role": "system", "content": "Be brief."}
    assert one(role="tool", content="3", tool_call_id="call_1", name=None) == {
        "role": "tool",
        "content": "3",
        "tool_call_id": "call_1",
    }


def test_the_input_is_not_changed():
    functions = [{"name": "f", "arguments": '{"a": 1}'}, {"name": "f", "arguments": {"a": 1}}]
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"function": function} for function in functions]},
    ]
    before = copy.deepcopy(messages)
    for call in canonical_messages(messages)[1]["tool_calls"]:
        call["function"]["arguments"]["a"] = 2
    assert messages == before


IMAGE = {"type": "image_url", "image_url": {"url": "data:"}}


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([], "messages is empty"),
        (["hi"], r"messages\[0\] is 'hi'"),
        ([{"role": "user", "content": "a"}, {"role": "critic", "content": "b"}], r"messages\[1\].role is 'critic'"),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]}],
            r"messages\[0\].content\[1\].*image_url",
        ),
        ([{"role": "user", "content": [{"type": "text"}]}], r"messages\[0\].content\[0\]"),
        ([{"role": "user", "content": 4}], r"messages\[0\].content is int"),
        ([{"role": "assistant", "tool_calls": [{"function": {}}]}], r"messages\[0\].tool_calls\[0\] has no name"),
        (
            [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": '{"a": '}]}],
            r"messages\[0\].tool_calls\[0\].function.arguments is no JSON object",
        ),
        ([{"role": "assistant", "tool_calls": [{"name": "f", "arguments": "[1]"}]}], "got list"),
        ([{"role": "assistant", "tool_calls": [{"name": "f", "arguments": [1]}]}], "arguments is list"),
    ],
)
def test_malformed_messages_are_refused_with_their_place(messages, complaint):
    with pytest.raises(ValueError, match=complaint):
        canonical_messages(messages)


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"content": "<think>\nhm\n\nyes\n</think>\n\n4\n"}, ("hm\n\nyes", "4\n")),
        ({"content": "hm\n</think>\n\n4"}, ("hm", "4")),
        ({"content": "4", "reasoning_content": "\nhm\n"}, ("hm", "4")),
        ({"content": "<think>hm</think>4", "reasoning": "hm"}, ("hm", "4")),
        ({"content": "4"}, ("", "4")),
        ({"content": None, "thinking": "call it"}, ("call it", "")),
    ],
)
def test_split_thinking(message, parts):
    assert split_thinking(message) == parts


def test_split_thinking_refuses_a_thought_without_end():
    with pytest.raises(ValueError, match="never closes"):
        split_thinking({"content": "<think>\nhm"})


def test_a_written_call_is_read_back():
    written = format_tool_call("search", {"q": "größer < 3", "n": [1, None]})
    assert "größer < 3" in written
    call = parse_tool_call(written.removeprefix("<tool_call>").removesuffix("</tool_call>"))
    assert (call.name, call.arguments) == ("search", {"q": "größer < 3", "n": [1, None]})


@pytest.mark.parametrize(
    "raw", ['{"name": "f"}', '{"name": "f", "arguments": null}', '{"name": "f", "arguments": "{}"}']
)
def test_calls_without_arguments(raw):
    assert parse_tool_call(raw).arguments == {}


HOSTILE = [
    "",
    "[1]",
    "{",
    '{"a": NaN}',
    '{"a": -Infinity}',
    '{"a": "\\ud800"}',
    '{"a":' * 100_000,
    '{"a": %s}' % ("9" * 5000),
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_json_that_could_not_be_written_again_is_refused(text):
    with pytest.raises(ValueError):
        json_object(text)


@pytest.mark.parametrize(
    "raw", ['{"arguments": {}}', '{"name": ""}', '{"name": 3}', '{"name": "f", "arguments": [1]}', *HOSTILE[:4]]
)
def test_malformed_calls_are_no_calls(raw):
    assert parse_tool_call(raw) is None
