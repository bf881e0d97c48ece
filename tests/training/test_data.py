"""From a recipe's sources to the pool of tasks."""

import json

import pytest

from ponder.recipe.load import parse_recipe
from ponder.training.data import load_tasks

STAGES = [{"name": "math", "kind": "rl", "steps": 1}]
GYM = {"kind": "gym", "family": "chain_sum", "size": 50}


def pool(**sources):
    return load_tasks(
        parse_recipe({"name": "t", "sources": sources, "held_out": {"problems": 2, "fraction": 0.3}, "stages": STAGES})
    )


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name: str, *rows: dict) -> None:
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    return write


def questions(count: int, start: int = 0) -> list[dict]:
    return [{"prompt": f"{n}+1?", "answer": str(n + 1)} for n in range(start, start + count)]


@pytest.mark.parametrize("kind", ["files", "jsonl"])
def test_files_by_pattern_with_a_limit_and_a_system_prompt(rows, kind):
    rows("a1.jsonl", *questions(20))
    with_own = {"prompt": [{"role": "system", "content": "Own."}, {"role": "user", "content": "Q?"}], "answer": "1"}
    rows("a2.jsonl", with_own, *questions(20, 20))
    loaded = pool(mine={"kind": kind, "path": "a*.jsonl", "limit": 30, "system": "Be brief.", "prompt": "plain"})
    (tasks,) = loaded.at_hand
    assert len(tasks) == 30 and loaded.rows == {"mine": 30}
    assert tasks[0].messages == ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "0+1?"})
    assert [message["content"] for message in tasks[20].messages] == ["Own.", "Q?"]
    assert loaded.repeats.remarks() == []


def test_a_system_prompt_for_tasks_that_are_made(rows):
    loaded = pool(gym={**GYM, "system": "Be brief."})
    for task in [*loaded.draw(0, 5), *loaded.held_out]:
        assert task.messages[0] == {"role": "system", "content": "Be brief."}


def test_repeats_are_found_across_sources(rows):
    rows("a.jsonl", *questions(20))
    rows("b.jsonl", {"prompt": "3+1?", "answer": "5"}, {"prompt": "4+1?", "answer": "5"}, *questions(20, 50))
    loaded = pool(a={"kind": "files", "path": "a.jsonl"}, b={"kind": "files", "path": ["b.jsonl"]}, gym=GYM)
    assert (loaded.repeats.tasks, loaded.repeats.repeated, loaded.repeats.contradicting) == (42, 1, 1)
    assert loaded.repeats.examples == (("a.jsonl, line 4", "b.jsonl, line 1"),)


def test_a_source_that_cannot_be_read_is_named(rows):
    rows("a.jsonl", {"question": {"text": "1+1?"}, "answer": "2"})
    with pytest.raises(
        ValueError, match=r"sources\.mine: a\.jsonl, line 1: no field 'question\.txt' .*question has text"
    ):
        pool(mine={"kind": "files", "path": "a.jsonl", "fields": {"prompt": "question.txt"}})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            {"kind": "files", "path": "a", "limits": 3},
            r"sources\.mine\.limits: there is no such field; did you mean `limit`\?",
        ),
        ({"kind": "jsonl", "path": "a", "sistem": "x"}, r"sistem: there is no such field; did you mean `system`\?"),
        ({"kind": "hub", "name": "a", "configuration": "x"}, r"did you mean `config`\?"),
        ({"kind": "files", "path": 3}, r"sources\.mine\.path"),
        (
            {"kind": "files", "path": "a", "limit": 0},
            r"sources\.mine\.limit: must be greater than or equal to 1, got 0",
        ),
        ({"kind": "file", "path": "a"}, r"unknown kind 'file'; there are: .*'files'"),
    ],
)
def test_a_source_that_says_what_there_is_not(source, said):
    with pytest.raises(ValueError, match=said):
        pool(mine=source)
