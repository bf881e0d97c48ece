import pytest

from ponder.tasks import Task
from ponder.verifiers import Response
from ponder.verifiers.format.verifier import decide


def task(reference) -> Task:
    return Task(({"role": "user", "content": "Q"},), "any", "format", reference)


def said(content: str, reasoning: str = "") -> Response:
    return Response(reasoning, content, thinking_closed=True, truncated=False)


@pytest.mark.parametrize("content", ["42", "a < b > c", "use `<b>`", "\\boxed{<3>}", "think>"])
def test_good_form(content):
    assert decide(task(None), said(content, "so")).status == "correct"


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
    verdict = decide(task(None), said(content, reasoning))
    assert (verdict.status, verdict.reason) == ("wrong", named)


def test_thinking_may_be_asked_for_or_forbidden():
    assert decide(task({"thinking": True}), said("42", "so")).status == "correct"
    assert decide(task({"thinking": True}), said("42", " \n")).reason == "there is no thinking"
    assert decide(task({"thinking": False}), said("42", "so")).status == "wrong"
    assert decide(task({"thinking": False}), said("42")).status == "correct"


@pytest.mark.parametrize("settings", [{"thinking": "yes"}, {"thinks": True}, {}, "7"])
def test_format_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(ValueError, match="format"):
        decide(task(settings), said("one"))
