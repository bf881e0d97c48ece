"""Conversations of the chat page, and what is asked of the server for them."""

import json

import pytest

from ponder.clients.talk.acts import Act, Opening, begin, read_act
from ponder.clients.talk.asking import BadTools, Settings, ask, read_settings, read_tools
from ponder.clients.talk.conversation import MOST_NODES, Answer, Conversation, ToolCall, User
from tests.clients.page_talk import DONE, talked


def test_asking_again_and_editing_make_branches():
    first = talked(User("a"), Answer(content="1"), User("b"), Answer(content="2"))
    again = begin(first, Act("retry", node=1))
    assert isinstance(again, Opening) and again.conversation.path() == (0, 4)
    assert again.conversation.versions(1) == (1, 4)
    assert again.conversation.show(1).path() == (0, 1, 2, 3)
    edited = begin(first, Act("edit", node=0, text="c"))
    assert edited.conversation.path() == (4, 5) and edited.conversation.versions(0) == (0, 4)
    assert edited.conversation.show(0).path() == (0, 1, 2, 3)


def test_results_of_all_calls_bring_the_next_answer():
    calls = (ToolCall("x", "f", "{}"), ToolCall("y", "g", "{}"))
    conversation = talked(User("a"), Answer(phase="done", calls=calls))
    one = begin(conversation, Act("result", node=1, call=0, text="1"))
    assert isinstance(one, Conversation)
    with pytest.raises(ValueError, match="waits"):
        begin(one, Act("result", node=1, call=0, text="1"))
    both = begin(one, Act("result", node=1, call=1, text="2"))
    assert isinstance(both, Opening) and both.conversation.path() == (0, 1, 2)


@pytest.mark.parametrize(
    "act",
    [
        Act("send", text="  "),
        Act("retry", node=0),
        Act("retry", node=9),
        Act("retry", node=-1),
        Act("edit", node=1, text="x"),
        Act("continue", node=1),
        Act("result", node=1, call=3),
    ],
)
def test_acts_that_do_not_fit_are_refused(act):
    with pytest.raises(ValueError):
        begin(talked(User("a"), DONE), act)


def test_a_conversation_has_an_end():
    full = Conversation(talked(User("a")).nodes * MOST_NODES, 0)
    with pytest.raises(ValueError, match="new one"):
        begin(full, Act("send", text="x"))


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"name": "rm"},
        {"name": "send", "text": 1},
        {"name": "send", "text": "x" * 1_000_001},
        {"name": "send", "thinking": 1},
        {"name": "send", "budget": 0.5},
        {"name": "retry", "node": True},
        {"name": "show", "node": None},
    ],
)
def test_what_no_browser_sends_is_refused(data):
    with pytest.raises(ValueError):
        read_act(data)


@pytest.mark.parametrize(
    "data", [None, {"x": 1}, {"top_p": "1"}, {"system": 1}, {"seed": True}, {"min_p": float("nan")}]
)
def test_settings_that_no_browser_sends_are_refused(data):
    with pytest.raises(ValueError):
        read_settings(data)


# ---- what is asked ----


def test_a_request_has_what_is_set_and_nothing_else():
    conversation = talked(User("a"), Answer(content="1", thinking="old"), User("b"), Answer())
    asked = ask(conversation, 3, Settings(system=" be brief ", top_k=20, seed=5), Act("send", budget=64))
    assert dict(asked.fields) == {
        "top_k": 20,
        "seed": 5,
        "enable_thinking": True,
        "chat_template_kwargs": {"enable_thinking": True},
        "thinking_budget": 64,
        "thinking_token_budget": 64,
    }
    assert list(asked.messages) == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "b"},
    ]
    quiet = ask(conversation, 3, Settings(), Act("send", thinking=False, budget=64))
    assert dict(quiet.fields) == {"enable_thinking": False, "chat_template_kwargs": {"enable_thinking": False}}
    assert not ask(conversation, 3, Settings(), Act("send", thinking=None)).fields, "the server decides"


def test_a_retry_with_a_seed_is_another_draw():
    again = begin(talked(User("a"), DONE), Act("retry", node=1)).conversation
    seeds = [dict(ask(again, number, Settings(seed=5), Act("retry")).fields)["seed"] for number in (1, 2)]
    assert seeds == [5, 6]


def test_thinking_stays_within_the_turn_of_its_tools():
    calls = (ToolCall("x", "f", '{"a": 1}', result="7"), ToolCall("y", "g"))
    conversation = talked(User("a"), Answer(thinking="hm", calls=calls), Answer())
    messages = ask(conversation, 2, Settings(), Act("send")).messages
    assert messages[1]["reasoning_content"] == "hm" and messages[1]["content"] == ""
    assert [call["function"]["arguments"] for call in messages[1]["tool_calls"]] == ['{"a": 1}', "{}"]
    assert [(message["tool_call_id"], message["content"]) for message in messages[2:]] == [
        ("x", "7"),
        ("y", "Error: the tool was not run"),
    ]


def test_tools_are_read_in_both_forms():
    function = {"name": "f", "parameters": {}}
    whole = {"type": "function", "function": function}
    assert read_tools(json.dumps(function)) == read_tools(json.dumps([whole])) == (whole,)
    for broken in ("{", "[1]", "7", "[" * 100_000):
        with pytest.raises(BadTools):
            read_tools(broken)
