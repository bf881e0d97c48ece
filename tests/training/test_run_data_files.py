"""Files of tasks and demonstrations: noted with their content, found again from elsewhere, and what changed is told."""

from hashlib import sha256
from pathlib import Path

import pytest

from ponder.recipe.load import parse_recipe
from ponder.training.data_files import changed_data, concerns_held_out, data_files, located, noted, told

ROW = '{"prompt": "1+1?", "answer": "2"}\n'


def recipe(path, demonstrations="chats.jsonl", part="split"):
    stages = [{"name": "cold", "kind": "sft", "steps": 1, "demonstrations": {"path": demonstrations}}]
    sources = {"mine": {"kind": "files", "path": path, "part": part}, "sums": {"kind": "gym", "family": "chain_sum"}}
    return parse_recipe({"name": "r", "sources": sources, "stages": stages})


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name in ("a.jsonl", "b.jsonl", "chats.jsonl"):
        (tmp_path / name).write_text(ROW)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lineage(mine, here, **more):
    return {"data_files": data_files(mine, here), "directory": str(here)} | more


def test_they_are_noted_by_content_however_they_are_named(here):
    content = sha256(ROW.encode()).hexdigest()
    names = ("a.jsonl", "b.jsonl", "chats.jsonl")
    for path in ("[ab].jsonl", ["a.jsonl", str(here / "b.jsonl")]):
        assert data_files(recipe(path), here) == dict.fromkeys(names, content)


def test_a_row_that_is_appended_is_noticed_once(here):
    mine = recipe("a.jsonl")
    run = lineage(mine, here)
    assert changed_data(run, mine) == {} and told({}) == []
    (here / "a.jsonl").write_text(2 * ROW)
    changes = changed_data(run, mine)
    assert list(changes) == ["a.jsonl"]
    first, *_, way = told(changes)
    assert first.startswith("a.jsonl has changed (sha256 ") and "put the old files back" in way
    run["resumed"] = [{"changed": noted(changes) | {"sandbox.workers": [1, 2]}}]
    assert changed_data(run, mine) == {}
    (here / "a.jsonl").write_text(ROW)
    assert changed_data(run, mine) == {"a.jsonl": changes["a.jsonl"][::-1]}
    assert changed_data({}, mine) == {}, "a run that noted no files"


def test_files_that_come_and_go(here):
    mine = recipe("[ab].jsonl")
    run = lineage(mine, here)
    (here / "b.jsonl").rename(here / "kept")
    gone = changed_data(run, mine)
    assert told(gone)[0] == "b.jsonl is no longer read"
    run["resumed"] = [{"changed": noted(gone)}]
    (here / "kept").rename(here / "b.jsonl")
    assert told(changed_data(run, mine))[0] == "b.jsonl is new: it was not read before"


def test_whether_held_out_tasks_may_be_others(here):
    for part, held_out in (("split", True), ("held_out", True), ("train", False)):
        mine = recipe("a.jsonl", part=part)
        run = lineage(mine, here)
        (here / "a.jsonl").write_text((here / "a.jsonl").read_text() + ROW)
        assert concerns_held_out(changed_data(run, mine), mine, here) is held_out
        run = lineage(mine, here)
        (here / "chats.jsonl").write_text((here / "chats.jsonl").read_text() + ROW)
        changes = changed_data(run, mine)
        assert list(changes) == ["chats.jsonl"] and not concerns_held_out(changes, mine, here)


def test_from_elsewhere_they_are_found_where_the_run_was_started(here, monkeypatch):
    mine = recipe(["[ab].jsonl", "c.jsonl"])
    (here / "c.jsonl").write_text(ROW)
    run = lineage(mine, here)
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "c.jsonl").write_text(2 * ROW)
    monkeypatch.chdir(elsewhere)
    found = located(mine, here)
    assert found.sources["mine"].path == [str(here / "[ab].jsonl"), "c.jsonl"], "what is here goes first"
    assert found.stages[0].demonstrations.path == str(here / "chats.jsonl")
    assert found.sources["sums"] == mine.sources["sums"]
    assert set(changed_data(run, found)) == {"c.jsonl"}
    (elsewhere / "c.jsonl").unlink()
    assert changed_data(run, located(mine, here)) == {}
    assert located(mine, Path("nowhere").absolute()) == mine


def test_one_that_cannot_be_read_is_named(here):
    (here / "a.jsonl").unlink()
    with pytest.raises(ValueError, match=r"a\.jsonl: no such file"):
        data_files(recipe("a.jsonl"), here)
