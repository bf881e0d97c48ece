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
        {"type": "function", "function": {"name": "now", "arguments": {}}}
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


USER = {"role": "user", "content": "?"}
CALL = {"type": "function", "id": "call_1", "function": {"name": "f", "arguments": {}}}


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("<think>\none\n</think>\n\nAnswer", "Answer"),
        ("\n<think></think>Answer </think> more", "Answer </think> more"),  # the rest is the template's business
        ("one</think>Answer", "one</think>Answer"),
        ("Write <think>x</think>.", "Write <think>x</think>."),
        ("<think>one", ""),
    ],
)
def test_thinking_in_front_of_earlier_answers_is_dropped(content, kept):
    answer = {"role": "assistant", "content": content, "reasoning_content": "one", "tool_calls": [CALL]}
    messages = canonical_messages([USER, answer, {"role": "tool", "content": "1"}, USER])
    assert messages[1] == {"role": "assistant", "content": kept, "tool_calls": [CALL]}


@pytest.mark.parametrize(
    ("given", "reasoning", "content"),
    [
        ({"content": None, "reasoning_content": "\nhm\n"}, "hm", ""),
        ({"content": "<think>\nhm\n</think>\n\nSo."}, "hm", "So."),
        ({"content": "hm</think>So.", "reasoning": None}, "hm", "So."),
        ({"content": "\n<think>hm</think>So."}, "hm", "So."),
        ({"content": "<think>cut off", "thinking": "hm"}, "hm", ""),
        ({"content": "So."}, None, "So."),
        ({"content": "<think>\n\n</think>\n\nSo.", "reasoning": ""}, None, "So."),
    ],
)
def test_reasoning_of_the_running_tool_turn_is_kept(given, reasoning, content):
    turn = {"role": "assistant", "tool_calls": [CALL], **given}
    result = {"role": "tool", "content": "1", "tool_call_id": "call_1"}
    messages = canonical_messages([USER, turn, result, turn, result])
    assert messages[1] == messages[3]
    assert (messages[1].get("reasoning_content"), messages[1]["content"]) == (reasoning, content)
    assert not {"reasoning", "thinking"} & messages[1].keys()


def test_tool_results_come_in_the_order_of_their_calls():
    calls = [{"id": f"call_{n}", "function": {"name": f"f{n}", "arguments": {}}} for n in range(3)]
    results = [{"role": "tool", "content": str(n), "tool_call_id": f"call_{n}"} for n in (2, 0, 1)]
    turn = {"role": "assistant", "tool_calls": calls}
    ordered = canonical_messages([USER, turn, *results, {**turn, "tool_calls": calls[:1]}, results[1]])
    assert [message["content"] for message in ordered] == ["?", "", "0", "1", "2", "", "0"]
    assert [message.get("name") for message in ordered] == [None, None, "f0", "f1", "f2", None, "f0"]
    for strange in ({"tool_call_id": "other"}, {"tool_call_id": None}):
        messages = canonical_messages([USER, turn, results[0], {**results[1], **strange}])
        assert [message["content"] for message in messages[2:]] == ["2", "0"]
    named = canonical_messages([USER, turn, {**results[0], "name": "mine"}, USER, results[1]])
    assert (named[2]["name"], named[4].get("name")) == ("mine", None)


@pytest.mark.parametrize("text", ['{"a": ', "[1]", "add 1 and 2", '{"a": NaN}', '{"a": "\\ud800"}'])
def test_arguments_that_are_no_object_stay_as_they_were_written(text):
    """A call that broke in a stream stands in its client's history."""
    message = one(role="assistant", tool_calls=[{"id": "c", "function": {"name": "f", "arguments": text}}])
    (call,) = message["tool_calls"]
    assert call == {"type": "function", "id": "c", "function": {"name": "f", "arguments": text}}


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
        ([{"role": ["user"], "content": "a"}], r"messages\[0\].role is \['user'\]"),
        ([{"role": "assistant", "tool_calls": 3}], r"messages\[0\].tool_calls is int"),
        ([{"role": "assistant", "tool_calls": [{"id": 3, "name": "f"}]}], r"tool_calls\[0\].id is int"),
        ([{"role": "tool", "tool_call_id": {}}], r"messages\[0\].tool_call_id is dict"),
        (
            [{"role": "assistant", "reasoning": [1], "tool_calls": [{"name": "f"}]}],
            r"messages\[0\].reasoning is list; give text",
        ),
        ([{"role": "assistant", "tool_calls": [{"function": {}}]}], r"messages\[0\].tool_calls\[0\] has no name"),
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
