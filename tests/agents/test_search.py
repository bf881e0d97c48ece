"""Search over a folder: what is read of it, and what a question finds."""

import asyncio
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.agents.tools import passages, search
from ponder.agents.tools.passages import PASSAGE, read_folder, words_of
from ponder.agents.tools.tool import ToolError


def folder_of(path, **files: str | bytes):
    for name, text in files.items():
        place = path / name.replace("__", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_what_is_no_text_of_the_folder_is_left_out_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(passages, "MOST_FILE", 1000)
    outside = folder_of(tmp_path / "outside", secret="the secret word")
    inside = folder_of(
        tmp_path / "inside", a="text", b__c="more text", picture=b"\x89PNG\x00", latin="é".encode("latin-1"), huge="x " * 600
    )  # fmt: skip
    folder_of(inside, **{".hidden": "secret", ".git__config": "secret"})
    (inside / "link").symlink_to(outside / "secret")
    (inside / "folder").symlink_to(outside)
    (inside / "b" / "up").symlink_to("..")
    os.mkfifo(inside / "pipe")
    folder = read_folder(inside)
    assert [(each.path, each.text) for each in folder.passages] == [("a", "text"), ("b/c", "more text")]
    assert folder.skipped == {"hidden": 2, "links": 3, "binary": 2, "over 0 MiB": 1, "no files": 1}
    assert "2 text files in 2 passages; left out: 2 binary, 2 hidden, 3 links" in folder.told()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "inside has no text file that could be searched$"),
        ({"a": b"\x00", ".b": "x"}, r"no text file that could be searched \(left out: 1 binary, 1 hidden\)"),
        ({"a": " \n\n "}, "no text file"),
        ({"a": "x " * 200, "b": "x " * 200}, "has more than 0 MiB of text: name a smaller folder"),
    ],
)
def test_a_folder_in_which_nothing_can_be_found_is_refused(tmp_path, monkeypatch, files, message):
    monkeypatch.setattr(passages, "MOST_TEXT", 500)
    (tmp_path / "inside").mkdir()
    with pytest.raises(ValueError, match=message):
        read_folder(folder_of(tmp_path / "inside", **files))


def test_a_folder_that_there_is_not(tmp_path):
    with pytest.raises(ValueError, match="there is no such folder"):
        read_folder(tmp_path / "none")


@given(st.lists(st.one_of(st.text("ab \t", max_size=40), st.just(""), st.just("long " * 500)), max_size=60))
def test_passages_hold_every_word_once_at_the_line_that_they_name(lines):
    text = "\n".join(lines)
    found = list(passages._passages("a", text))
    assert "".join("".join(each.text.split()) for each in found) == "".join(text.split())
    for each in found:
        assert each.text.strip() and len(each.text) <= PASSAGE
        first = each.text.split("\n")[0]
        assert first.strip() in lines[each.line - 1]


def test_words_are_what_people_mean_by_them():
    assert words_of("Straße read_file(x1) 東京 ﬁn") == ["strasse", "read", "file", "x1", "東", "京", "fin"]


def tool(path, **files: str):
    pytest.importorskip("bm25s", reason="needs the package bm25s: the extra `tools`")
    return search.SearchTool(folder_of(path, **files))


def ask(it, **arguments) -> str:
    return asyncio.run(it.call(arguments))


def test_the_passage_that_has_the_words_comes_first_with_its_file_and_line(tmp_path):
    filler = "\n".join(f"line {number} says nothing of interest, at some length" for number in range(100))
    it = tool(tmp_path, **{"a.md": filler, "b__c.md": f"{filler}\n\nThe badger sleeps in winter.\n"})
    first = ask(it, query="Where does the BADGER sleep?").split("\n\n")[0]
    assert first.startswith("b/c.md:") and first.endswith("The badger sleeps in winter.")
    line, text = first.removeprefix("b/c.md:").split("\n", 1)
    assert (tmp_path / "b/c.md").read_text().split("\n")[int(line) - 1] == text.split("\n")[0]
    assert len(ask(it, query="interest", results=3).split("\n\n")) == 3
    assert ask(it, query="hedgehog owl") == "No passage has any of these words: hedgehog owl"


def test_a_question_that_is_none_is_told_to_the_model(tmp_path):
    it = tool(tmp_path, a="text")
    for arguments, message in (({"query": "?!"}, "there is no word"), ({"query": "a", "results": 99}, "from 1 to 20"), ({}, "required")):  # fmt: skip
        with pytest.raises(ToolError, match=message):
            ask(it, **arguments)


def test_equal_passages_come_in_the_order_of_their_files(tmp_path):
    it = tool(tmp_path, **dict.fromkeys("dbace", "the same words"))
    assert [part.split(":")[0] for part in ask(it, query="words").split("\n\n")] == ["a", "b", "c", "d", "e"]


def test_a_package_that_is_not_here_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "bm25s", None)
    with pytest.raises(ValueError, match=r"search needs the package bm25s: .*install .*tools"):
        search.SearchTool(folder_of(tmp_path, a="text"))
