import pytest

from ponder.tasks import Task
from ponder.verifiers import Response
from ponder.verifiers.length.verifier import decide


def task(reference) -> Task:
    return Task(({"role": "user", "content": "Q"},), "any", "length", reference)


def said(content: str, reasoning: str = "", tokens: int | None = None) -> Response:
    return Response(reasoning, content, thinking_closed=True, truncated=False, tokens=tokens)


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
    assert decide(task(bounds), said("one two three", "x " * 50, tokens=9)).status == status


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
        decide(task(bounds), said("one"))
