"""Demonstrations in the forms that people keep them in, and what is refused with file and line."""

import json

import pyarrow
import pytest
from pyarrow import parquet

from ponder.tasks.chats import Chat, chat_of, read_chats

ASK = {"role": "user", "content": "1+1?"}
SAID = {"role": "assistant", "content": "2"}
ADD = {"name": "add", "parameters": {"type": "object"}}
TOOL = {"type": "function", "function": ADD}


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"messages": [ASK, SAID]}, [ASK, SAID]),
        ({"messages": json.dumps([ASK, SAID])}, [ASK, SAID]),
        (
            {"messages": [{**ASK, "tool_calls": None, "name": None}, {**SAID, "reasoning_content": "one more"}]},
            [ASK, {**SAID, "reasoning_content": "one more"}],
        ),
        (
            {
                "conversations": [
                    {"from": "system", "value": "S"},
                    {"from": "human", "value": "1+1?"},
                    {"from": "gpt", "value": "2"},
                ]
            },
            [{"role": "system", "content": "S"}, ASK, SAID],
        ),
        (
            {"conversations": [{"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "2"}], "system": "S"},
            [{"role": "system", "content": "S"}, ASK, SAID],
        ),
        ({"conversations": [ASK, SAID]}, [ASK, SAID]),
        ({"prompt": "1+1?", "completion": "2"}, [ASK, SAID]),
        ({"prompt": "1+1?", "response": "2"}, [ASK, SAID]),
        ({"prompt": [ASK], "completion": [SAID]}, [ASK, SAID]),
        ({"prompt": ASK, "response": SAID, "reasoning": "so"}, [ASK, {**SAID, "reasoning_content": "so"}]),
        ({"prompt": "1+1?", "response": "2", "system": "S"}, [{"role": "system", "content": "S"}, ASK, SAID]),
    ],
)
def test_forms(row, messages):
    assert chat_of(row, "here") == Chat(tuple(messages), (), "here")


def test_tools_and_calls_are_kept():
    call = {"type": "function", "id": "1", "function": {"name": "add", "arguments": '{"a": 1}'}}
    messages = [
        ASK,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "2"},
        SAID,
    ]
    for tools in ([TOOL], [ADD], json.dumps([ADD])):
        assert chat_of({"messages": messages, "tools": tools}, "here") == Chat(tuple(messages), (TOOL,), "here")
    spoken = [
        {"from": "human", "value": "1+1?"},
        {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1}}'},
        {"from": "observation", "value": {"sum": 2}},
        {"from": "gpt", "value": "2"},
    ]
    assert chat_of({"conversations": spoken, "tools": json.dumps([ADD])}, "here") == Chat(
        (
            ASK,
            {"role": "assistant", "content": "", "tool_calls": [{"name": "add", "arguments": {"a": 1}}]},
            {"role": "tool", "content": '{"sum": 2}'},
            SAID,
        ),
        (TOOL,),
        "here",
    )


def test_fields_of_other_names():
    alpaca = {"instruction": "1+1?", "output": "2", "meta": {"why": "so", "sys": "S"}}
    fields = {"prompt": "instruction", "completion": "output", "reasoning": "meta.why", "system": "meta.sys"}
    assert chat_of(alpaca, "here", fields).messages == (
        {"role": "system", "content": "S"},
        ASK,
        {**SAID, "reasoning_content": "so"},
    )
    nested = {"data": {"chat": [{"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "2"}]}}
    assert chat_of(nested, "here", {"messages": "data.chat"}).messages == (ASK, SAID)


def test_the_recipes_system_prompt_is_for_chats_without_one():
    own = {"role": "system", "content": "Own."}
    assert chat_of({"messages": [ASK, SAID]}, "here", system="S").messages[0] == {"role": "system", "content": "S"}
    assert chat_of({"messages": [own, ASK, SAID]}, "here", system="S").messages == (own, ASK, SAID)


def test_files_in_several_forms(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"messages": [ASK, SAID]}) + "\n\n" + json.dumps({"prompt": "1+1?", "response": "2"})
    )
    (tmp_path / "b.json").write_text(json.dumps([{"conversations": [ASK, SAID]}]))
    messages = [{**ASK, "reasoning_content": None}, {**SAID, "reasoning_content": "so"}]
    parquet.write_table(pyarrow.Table.from_pylist([{"messages": messages}]), tmp_path / "c.parquet")
    (tmp_path / "d.csv").write_text("prompt,completion\n1+1?,2\n")
    chats = read_chats([tmp_path / "a.jsonl", f"{tmp_path}/[b-d].*"])
    assert [chat.place.removeprefix(f"{tmp_path}/") for chat in chats] == [
        "a.jsonl, line 1",
        "a.jsonl, line 3",
        "b.json, item 1",
        "c.parquet, row 0",
        "d.csv, line 2",
    ]
    thinking = {**SAID, "reasoning_content": "so"}
    assert [chat.messages for chat in chats] == [(ASK, SAID)] * 3 + [(ASK, thinking), (ASK, SAID)]
    assert len({chat.id for chat in chats}) == 2
    assert len(read_chats(f"{tmp_path}/[b-d].*", limit=2)) == 2


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "x"}, r"no chat\. Known are messages: .*; the row has text\. Say which: fields"),
        ({"prompt": "x"}, r"no chat\. .*the row has prompt"),
        ({"prompt": "x", "completion": None}, r"no chat\. .*the row has completion, prompt"),
        ({"messages": []}, r"here: a list of messages is expected"),
        ({"messages": "hello"}, r"here is text, but not JSON"),
        ({"messages": [ASK, "x"]}, r"here, message 2: a message is an object, not str"),
        ({"messages": [{"content": "x"}, SAID]}, r"here, message 1: role is None; use one of system"),
        ({"messages": [ASK, {"role": "assistant", "content": None}]}, r"here, message 2: it has no content"),
        ({"messages": [ASK]}, r"here: the last message must be the assistant's"),
        (
            {"conversations": [{"from": "humans", "value": "x"}]},
            r"message 1: Unknown speaker 'humans': did you mean 'human'",
        ),
        ({"conversations": [{"from": "human", "value": 5}]}, r"message 1 must be text, not int"),
        ({"conversations": [{"from": "function_call", "value": "add(1)"}]}, r"message 1 is text, but not JSON"),
        ({"messages": [ASK, SAID], "tools": {"name": "add"}}, r"tools must be a list of functions"),
        ({"messages": [ASK, SAID], "tools": "add"}, r"here: tools is text, but not JSON"),
        ({"prompt": "x", "completion": "y", "reasoning": ["z"]}, r"here: reasoning must be text, not list"),
    ],
)
def test_what_is_refused(row, said):
    with pytest.raises(ValueError, match=said):
        chat_of(row, "here")


def test_all_faults_of_the_files_are_counted(tmp_path):
    rows = [{"messages": [ASK, SAID]}, {"messages": [ASK]}, {"prompt": "x"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(
        ValueError, match=r"(?s)^2 demonstrations cannot be read:\n  .*a\.jsonl, line 2: .*a\.jsonl, line 3: no chat"
    ):
        read_chats(tmp_path / "a.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(ValueError, match=r"empty\.jsonl: no demonstrations"):
        read_chats(tmp_path / "empty.jsonl")
    with pytest.raises(ValueError, match="Unknown key 'message': did you mean 'messages'"):
        read_chats(tmp_path / "a.jsonl", {"message": "x"})
