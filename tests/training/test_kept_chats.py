"""What stages that make demonstrations keep: whole lines after any kill, of the steps that were saved, and of one way of asking."""

import json

from ponder.training.kept_chats import ASKED, ChatsKept, open_answers, text_of
from tests.evals.sums import a_protocol, a_sample, problems


def row(step: int, content: str, task: str = "t") -> dict:
    messages = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": content}]
    return {"messages": messages, "task": task, "domain": "math", "sample": step, "step": step}


def test_a_torn_line_and_later_steps_go(tmp_path):
    path = tmp_path / "teach.jsonl"
    kept = ChatsKept(path, 0)
    kept.add([row(1, "2"), row(1, "two \ud800")])
    kept.add([row(2, "3", "u")])
    kept.close()
    with path.open("ab") as file:
        file.write(b'{"messages": [{"role": "us')
    again = ChatsKept(path, 1)
    assert again.count == 2 and again.of_task("u") == set()
    assert again.of_task("t") == {text_of(row(1, content)["messages"][-1]) for content in ("2", "two \ud800")}
    again.add([row(2, "4")])
    again.close()
    assert [json.loads(line)["messages"][-1]["content"] for line in path.read_text().splitlines()] == [
        "2",
        "two \ud800",
        "4",
    ]


def test_answers_of_another_teacher_are_put_aside(tmp_path):
    first = {"teacher": {"model": "a"}, "seed": 0}
    (problem, *_) = problems(a_protocol())
    store = open_answers(tmp_path, "teach", first)
    store.add(a_sample(problem))
    store.close()
    store = open_answers(tmp_path, "teach", first)
    assert len(store.done) == 1
    store.close()
    for number, model in enumerate("bc", start=1):
        store = open_answers(tmp_path, "teach", first | {"teacher": {"model": model}})
        assert store.done == {}
        store.close()
        assert (tmp_path / "demonstrations" / f"teach.before-{number}" / ASKED).exists()
