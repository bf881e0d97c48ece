"""What a page keeps of its conversation, and what becomes of it when it comes back."""

import json

import pytest

from ponder.clients.page.keeping import kept, restored
from ponder.clients.talk.conversation import MOST_CHARACTERS, Answer, ToolCall, User
from tests.clients.page_talk import DONE, talked


def test_what_was_kept_is_restored():
    calls = (ToolCall("c1", "add", "{}", "3"), ToolCall("c2", "add", "{}"))
    answer = Answer(phase="done", thinking="hm", content="so", calls=calls)
    conversation = talked(User("q"), answer, User("r"), Answer(phase="done", error="no luck"))
    again = restored(json.loads(json.dumps(kept(conversation))))
    assert again == conversation


def test_only_what_is_shown_is_kept():
    conversation = talked(User("q"), DONE).add(None, User("another"))
    assert kept(conversation) == [{"user": "another"}]


def test_an_answer_in_the_making_comes_back_as_interrupted():
    growing = Answer(phase="thinking", thinking="a", thought_from=0.0)
    before = kept(talked(User("q"), growing))
    assert before == kept(talked(User("q"), Answer(phase="answering", content="b")))
    again = restored(before).answer(1)
    assert again.phase == "done" and again.error == "interrupted"


FORGED = [
    "x",
    {"user": "q"},
    [5],
    [{"user": 5}],
    [{"content": "an answer to nothing"}],
    [{"user": "q"}, {"user": "r"}],
    [{"user": "q"}, {"phase": "thinking"}],
    [{"user": "q"}, {"content": None}],
    [{"user": "q"}, {"calls": "x"}],
    [{"user": "q"}, {"calls": [["id", "name", "{}"]]}],
    [{"user": "q"}, {"calls": [["id", "name", {}, None]]}],
    [{"user": "q"}, {"calls": [["id", "name", "{}", None]] * 2000}],
    [{"user": "q" * 1_000_001}],
    [{"user": "q"}, {"content": "a"}] * 1001,
    [{"user": "q" * 900_000}, {"content": "a" * 900_000}, {"user": "q" * (MOST_CHARACTERS - 1_800_000 + 1)}],
]


@pytest.mark.parametrize("data", FORGED, ids=lambda data: str(data)[:40])
def test_what_was_not_kept_is_refused(data):
    with pytest.raises(ValueError, match=r"^(this is no|a conversation has at most)"):
        restored(data)
