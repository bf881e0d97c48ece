import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.verifiers.response import Response, as_response, split_response


@pytest.mark.parametrize(
    ("text", "reasoning", "content", "closed"),
    [
        ("4", "", "4", True),
        ("<think>2+2</think>4", "2+2", "4", True),
        ("2+2</think>4", "2+2", "4", True),  # the prompt had opened the thought
        ("<think>2+2", "2+2", "", False),
        ("a</think>b<think>c", "c", "", False),
        ("<think>a</think>b</think>c", "a</think>b", "c", True),
        ("<think>\nso\n</think>\n\n4", "so", "\n\n4", True),
        ("", "", "", True),
    ],
)
def test_the_answer_is_what_follows_the_last_end_of_thinking(text, reasoning, content, closed):
    response = split_response(text)
    assert (response.reasoning, response.content, response.thinking_closed) == (reasoning, content, closed)


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", "\n", "\ud800"])).map("".join))
def test_no_answer_holds_a_tag_and_none_follows_an_open_thought(text):
    response = split_response(text)
    assert "think>" not in response.content
    assert response.thinking_closed or response.content == ""
    assert response.thinking_closed == (text.rfind("<think>") <= text.rfind("</think>"))


def test_messages_and_calls():
    call = {"type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    message = {"role": "assistant", "reasoning_content": "so", "content": None, "tool_calls": [call]}
    response = as_response(message)
    assert (response.reasoning, response.content, response.tool_calls) == ("so", "", (call,))
    assert as_response([{"name": "f", "arguments": {}}]).tool_calls == ({"name": "f", "arguments": {}},)
    older = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    assert as_response(older).tool_calls == ({"name": "f", "arguments": "{}"},)
    assert as_response({"content": "so", "tool_calls": "f()"}).tool_calls == ("f()",)
    assert as_response({"content": "so", "tool_calls": []}).tool_calls == ()
    assert [as_response(value).content for value in ([], [{"f": {}}])] == ["[]", '[{"f": {}}]']
    assert as_response({"content": "<think>x</think>4"}).content == "4"
    parts = [{"type": "text", "text": "\\boxed"}, {"type": "text", "text": "{4}"}]
    assert (
        as_response([{"role": "user", "content": "5"}, {"role": "assistant", "content": parts}]).content == "\\boxed{4}"
    )
    for odd in ({"content": 5}, [{"role": "user", "content": "4"}]):
        with pytest.raises(ValueError):
            as_response(odd)
    given = Response("", "4", True, False)
    assert as_response(given) is given
    with pytest.raises(ValueError, match="not int"):
        as_response(4)
