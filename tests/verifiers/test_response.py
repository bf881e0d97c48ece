import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.chat.parser import parse_output
from ponder.chat.renderer import Renderer
from ponder.verifiers.response import Response, as_response, split_response
from tests.chat.built import llama_like, qwen_like


@pytest.mark.parametrize(
    ("text", "reasoning", "content", "closed"),
    [
        ("4", "", "4", True),
        ("<think>2+2</think>4", "2+2", "4", True),
        ("2+2</think>4", "2+2", "4", True),  # the prompt had opened the thought
        ("<think>2+2", "2+2", "", False),
        (" \n<think>2+2", "2+2", "", False),
        ("a</think>b<think>c", "a", "b<think>c", True),
        ("so <think>4", "", "so <think>4", True),
        ("<think>a</think>b</think>c", "a", "b</think>c", True),
        ("<think>a<think>b</think>c", "a<think>b", "c", True),
        ("<think>\nso\n</think>\n\n4", "so\n", "4", True),
        ("", "", "", True),
    ],
)
def test_the_answer_is_what_follows_the_end_of_the_thought(text, reasoning, content, closed):
    response = split_response(text)
    assert (response.reasoning, response.content, response.thinking_closed) == (reasoning, content, closed)


@pytest.fixture(params=[qwen_like, llama_like], scope="module")
def renderer(request, tmp_path_factory) -> Renderer:
    """With tokens for the tags, and without."""
    return Renderer.load(request.param(tmp_path_factory.mktemp("model")))


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "a", "b ", "\n", " ", "<", "think>"]), max_size=12).map("".join)
)
def test_a_text_is_split_as_in_training(renderer, text):
    """Where the prompt may have opened the thought, it is taken to have done so if the thought ends."""
    response = split_response(text)
    opened = "</think>" in text
    parsed = parse_output(renderer.encode_written(text), renderer, opened)
    assert (response.reasoning, response.content) == (parsed.reasoning, parsed.content)
    assert response.thinking_closed == parsed.thinking_closed


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
