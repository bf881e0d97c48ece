import pytest

from ponder.tasks import Task
from ponder.verifiers import Response
from ponder.verifiers.format.verifier import decide_format, decide_length


def task(reference, verifier="format") -> Task:
    return Task(({"role": "user", "content": "Q"},), "any", verifier, reference)


def said(content: str, reasoning: str = "", tokens: int | None = None) -> Response:
    return Response(reasoning, content, thinking_closed=True, truncated=False, tokens=tokens)


@pytest.mark.parametrize("content", ["42", "a < b > c", "use `<b>`", "\\boxed{<3>}", "think>"])
def test_good_form(content):
    assert decide_format(task(None), said(content, "so")).status == "correct"


@pytest.mark.parametrize(
    ("content", "reasoning", "named"),
    [
        ("<think>42", "", "<think> stands in the answer"),
        ("42</think>", "", "</think> stands in the answer"),
        ("4<|im_end|>2", "", "<|im_end|> stands in the answer"),
        ("<tool_call>{}", "", "<tool_call> stands in the answer"),
        ("42", "a <think> b", "<think> stands in the thinking"),
    ],
)
def test_stray_tags(content, reasoning, named):
    verdict = decide_format(task(None), said(content, reasoning))
    assert (verdict.status, verdict.reason) == ("wrong", named)


def test_thinking_may_be_asked_for_or_forbidden():
    assert decide_format(task({"thinking": True}), said("42", "so")).status == "correct"
    assert decide_format(task({"thinking": True}), said("42", " \n")).reason == "there is no thinking"
    assert decide_format(task({"thinking": False}), said("42", "so")).status == "wrong"
    assert decide_format(task({"thinking": False}), said("42")).status == "correct"


@pytest.mark.parametrize(
    ("bounds", "status"),
    [
        ({"max_words": 3}, "correct"),
        ({"max_words": 2}, "wrong"),
        ({"min_words": 3, "max_words": 3}, "correct"),
        ({"min_words": 4}, "wrong"),
        ({"max_characters": 13}, "correct"),
        ({"max_characters": 12}, "wrong"),
        ({"min_tokens": 9, "max_tokens": 9}, "correct"),
        ({"max_words": 3, "max_tokens": 8}, "wrong"),
    ],
)
def test_length(bounds, status):
    assert decide_length(task(bounds, "length"), said("one two three", "x " * 50, tokens=9)).status == status


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (None, "needs bounds"),
        ({}, "needs bounds"),
        ({"max_word": 3}, "no bound 'max_word'"),
        ({"max_words": -1}, "whole number"),
        ({"max_words": True}, "whole number"),
        ({"max_words": 2.5}, "whole number"),
        ({"min_words": 5, "max_words": 4}, "cannot exceed"),
        ({"max_tokens": 5}, "Response.tokens"),
    ],
)
def test_bounds_that_mean_nothing_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        decide_length(task(bounds, "length"), said("one"))


@pytest.mark.parametrize("settings", [{"thinking": "yes"}, {"thinks": True}, {}, "7"])
def test_format_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(ValueError, match="format"):
        decide_format(task(settings), said("one"))
