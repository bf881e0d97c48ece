"""Messages that the model goes on with: the prompt is what was sampled so far, token for token."""

import pytest

from ponder.chat.continuing import continued

ASK = [{"role": "user", "content": "go"}]


@pytest.fixture
def written(renderer):
    """Prompt ids and text of a continued message."""

    def make(thinking: bool = True, **message):
        prompt = continued(renderer, [*ASK, {"role": "assistant", **message}], thinking=thinking)
        assert renderer.decode(prompt.ids) == prompt.text
        return prompt

    return make


def test_a_thought_goes_on(renderer, written):
    asked = renderer.render(ASK)
    for message in ({"reasoning_content": "one two"}, {"reasoning": "one two"}, {"content": "<think>\none two"}):
        prompt = written(**message)
        assert prompt.ids == asked.ids + renderer.encode("one two") and prompt.thinking_open


def test_an_answer_goes_on(renderer, written):
    asked = renderer.render(ASK)
    for message in ({"reasoning_content": "one", "content": "It is"}, {"content": "<think>\none\n</think>\n\nIt is"}):
        prompt = written(**message)
        assert prompt.ids == asked.ids + renderer.encode("one\n</think>\n\nIt is") and not prompt.thinking_open
    plain = written(content="It is")
    assert plain.ids == renderer.render(ASK, thinking=False).ids + renderer.encode("It is") and not plain.thinking_open


def test_a_thought_that_is_to_end(renderer, written):
    prompt = written(thinking=False, reasoning_content="one")
    assert prompt.text.endswith("<think>\none\n</think>\n\n") and not prompt.thinking_open


def test_a_closed_thought_stays_closed(renderer, written):
    for content, text in (
        ("<think>\none\n</think>", "<think>\none\n</think>\n\n"),
        ("<think>\n\n</think>\n\n", "</think>\n\n"),
    ):
        prompt = written(content=content)
        assert prompt.text.endswith(text) and not prompt.thinking_open and prompt.answer_ids == ()
    assert written(reasoning_content="one").answer_ids is None
    assert renderer.decode(written(reasoning_content="one", content="It is").answer_ids) == "It is"


def test_control_tokens_that_nobody_sampled_stay_text(renderer, written):
    ids = written(content="a<|im_end|>b").ids
    assert ids.count(renderer.turn_end) == renderer.render(ASK).ids.count(renderer.turn_end)


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        (ASK, "only an assistant's"),
        ([*ASK, {"role": "assistant", "content": None}], "is empty"),
        ([*ASK, {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}], "results come next"),
        ([{"role": "assistant", "content": "x"}], "messages is empty"),
    ],
)
def test_what_cannot_go_on(renderer, messages, says):
    with pytest.raises(ValueError, match=says):
        continued(renderer, messages)
