"""Rows for a function of the user's own: a question is enough, and nothing else of the row is lost."""

import json

import pytest

from ponder.tasks import jsonl_tasks


def read(tmp_path, *rows, **more):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return jsonl_tasks(file, verifier="python", **more)


def test_question_reference_and_the_rest(tmp_path):
    row = {"question": "Rhyme.", "answer": "#### 5", "level": 3, "words": ["a", None]}
    (task,) = read(tmp_path, row)
    assert (task.question, task.verifier, task.domain) == ("Rhyme.", "python", "python")
    assert task.reference == "#### 5", "as it stands: the function may want all of it"
    assert task.metadata == {"row": {"level": 3, "words": ["a", None]}}


def test_the_reference_may_be_left_out_or_have_another_name(tmp_path):
    (task,) = read(tmp_path, {"prompt": "Rhyme."})
    assert task.reference is None and task.metadata == {}
    (task,) = read(tmp_path, {"ask": "Rhyme.", "key": {"n": 1}}, fields={"prompt": "ask", "answer": "key"})
    assert (task.question, task.reference) == ("Rhyme.", {"n": 1})


def test_prompts_and_chats(tmp_path):
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Rhyme."}]
    (task,) = read(tmp_path, {"prompt": chat}, prompt="Now: {question}", domain="verse")
    assert [message["content"] for message in task.messages] == ["Be brief.", "Now: Rhyme."]
    assert task.domain == "verse"


@pytest.mark.parametrize(
    ("row", "fields", "message"),
    [
        ({"text": "Rhyme."}, None, r"line 1: no field prompt or question or problem; the row has text"),
        ({"prompt": ""}, None, r"line 1: no field prompt or question or problem"),
        ({"prompt": "Rhyme."}, {"answer": "key"}, r"line 1: no field key; the row has prompt"),
        ({"prompt": "Rhyme."}, {"prompt": "ask"}, r"line 1: no field ask"),
        ({"prompt": 3}, None, "neither text nor chat messages"),
        ({"prompt": "Rhyme."}, {"answers": "key"}, "did you mean 'answer'"),
    ],
)
def test_what_a_row_lacks_is_said_with_its_place(tmp_path, row, fields, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, row, fields=fields)
