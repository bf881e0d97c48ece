"""Rows of files in all their forms, and the faults of each with file and place."""

import csv
import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from ponder.tasks import file_tasks, files
from ponder.tasks.chats import read_chats
from ponder.tasks.files import find_files, read_file, read_files

ROWS = [{"prompt": "1+1?", "answer": "2"}, {"prompt": 'caf\u00e9,\n"x"', "answer": "1,250"}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def write_table(path: Path, rows: list[dict] = ROWS, delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)
    return path


def write(directory: Path, name: str) -> Path:
    path = directory / name
    match name.lower().removesuffix(".gz").rpartition(".")[2]:
        case "parquet":
            parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
        case "csv" | "tsv" as ending:
            write_table(path, delimiter="," if ending == "csv" else "\t")
        case "json":
            path.write_text(json.dumps(ROWS, indent=2))
        case _:
            path.write_text(LINES)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


PLACES = {
    "a.jsonl": ["line 1", "line 2"],
    "a.ndjson": ["line 1", "line 2"],
    "a.txt": ["line 1", "line 2"],
    "a.json": ["item 1", "item 2"],
    "a.csv": ["line 2", "line 3"],
    "a.tsv": ["line 2", "line 3"],
    "A.PARQUET": ["row 0", "row 1"],
    "a.jsonl.gz": ["line 1", "line 2"],
    "a.json.gz": ["item 1", "item 2"],
    "a.csv.gz": ["line 2", "line 3"],
}


@pytest.mark.parametrize("name", PLACES)
def test_every_form_gives_the_same_rows(tmp_path, name):
    file = write(tmp_path, name)
    assert [row for _, row in read_file(file)] == ROWS
    assert [place for place, _ in read_file(file)] == [f"{file}, {place}" for place in PLACES[name]]
    assert [task.reference for task in file_tasks(file)] == ["2", "1,250"]
    assert file_tasks(file, limit=1)[0].place == f"{file}, {PLACES[name][0]}"


def test_a_json_file_may_hold_lines(tmp_path):
    (tmp_path / "a.json").write_text(LINES)
    assert [row for _, row in read_file(tmp_path / "a.json")] == ROWS


def test_names_patterns_and_lists(tmp_path, monkeypatch):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.jsonl", "a.jsonl", "deep/er/c.jsonl", "with [x].jsonl"):
        write(tmp_path, name)
    monkeypatch.setenv("HOME", str(tmp_path))
    found = [path.name for path in find_files([f"{tmp_path}/b.jsonl", "~/*.jsonl", "~/*/*/*.jsonl"])]
    assert found == ["b.jsonl", "a.jsonl", "with [x].jsonl", "c.jsonl"], "each once, in the order of the names"
    for number in range(30):
        write(tmp_path / "deep", f"{29 - number:02d}.jsonl")
    assert [path.stem for path in find_files("~/deep/*.jsonl")] == [f"{number:02d}" for number in range(30)]
    assert find_files("~/with [x].jsonl") == [tmp_path / "with [x].jsonl"]
    monkeypatch.chdir(tmp_path)
    tasks = file_tasks(["a.jsonl", "deep/*/c.jsonl"], limit=3)
    assert [task.place for task in tasks] == ["a.jsonl, line 1", "a.jsonl, line 2", "deep/er/c.jsonl, line 1"]
    assert {task.source for task in tasks} == {"a.jsonl, deep/*/c.jsonl"}
    for path, said in [
        ("*.parquet", r"\*\.parquet: no file matches this pattern"),
        (["a.jsonl", "x.jsonl"], "x.jsonl: no such file"),
        ("deep/er", r"deep/er is a directory: name the files in it, for instance deep/er/\*\.jsonl"),
        ([], "no files are named"),
    ]:
        with pytest.raises(ValueError, match=said):
            find_files(path)


def test_values_of_tables(tmp_path):
    """What Parquet holds becomes what JSON holds; what JSON cannot hold is refused by row and field."""
    row = {
        "d": date(2026, 1, 2),
        "n": Decimal("1.50"),
        "x": float("nan"),
        "l": [{"a": 1, "b": None}],
        "s": {"k": [0.5]},
    }
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "a.parquet")
    ((_, read),) = read_file(tmp_path / "a.parquet")
    assert read == {"d": "2026-01-02", "n": "1.50", "x": None, "l": [{"a": 1, "b": None}], "s": {"k": [0.5]}}
    parquet.write_table(pyarrow.Table.from_pylist([{"b": b"x"}]), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b\.parquet, row 0: field 'b' holds bytes"):
        list(read_file(tmp_path / "b.parquet"))


def test_a_large_table_is_read_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BATCH", 10)
    texts = pyarrow.array([str(n) * 1_000 for n in range(10_000)])
    parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "a.parquet", row_group_size=100)
    whole, before = texts.nbytes, pyarrow.total_allocated_bytes()
    for number, (place, row) in enumerate(read_files([tmp_path / "a.parquet"], limit=2_005)):
        assert row["text"] == str(number) * 1_000 and place.endswith(f"row {number}")
        assert pyarrow.total_allocated_bytes() - before < whole / 8
    assert number == 2_004


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b'[{"a": 1}, 5]', r"a\.json, item 2: a JSON object is expected, not int"),
        ("a.json", b'[{"a": 1}, {"a": }]', r"a\.json, item 2: not JSON: Expecting value \(line 1, column 18\)"),
        ("a.json", b'[{"a": NaN}]', r"item 1: not usable JSON: NaN is not a JSON number"),
        ("a.json", b'[{"a": 1} {"a": 2}]', r"after item 1: not JSON: a comma or \] is expected"),
        ("a.json", b'[{"a": 1}', r"after item 1: not JSON: a comma or \]"),
        ("a.json", b'[{"a": 1}] x', r"something follows the list"),
        (
            "a.json",
            b'{\n "a": 1}',
            r"line 1, column \d: not JSON: .*; a \.json file holds a list of objects, or one object a line",
        ),
        ("a.json", b'[{"a": "\xff"}]', r"a\.json: not UTF-8 \(byte 8\)"),
        ("a.json", b"[" * 100_000, r"item 1: not usable JSON"),
        ("a.csv", b"a,b\n1,2\n\n3\n", r"a\.csv, line 4: 1 values, and the first line names 2 columns"),
        ("a.csv", b'a,b\n"1\n1",2\n3,4,5\n', r"a\.csv, line 4: 3 values"),
        ("a.csv", b"a,a\n1,2\n", r"line 1: two columns are named 'a'"),
        ("a.csv", b'a,b\n"1"x,2\n', r"a\.csv, line 2: not CSV"),
        ("a.csv", b"a,b\n\xff,2\n", r"a\.csv, after line .: not UTF-8"),
        ("a.csv", b"a\n" + b"x" * 200, r"a\.csv, line 2: not CSV: field larger than field limit"),
        ("a.jsonl.gz", b"no gzip", r"a\.jsonl\.gz: not a whole \.gz file"),
        ("a.jsonl.gz", gzip.compress(LINES.encode() * 99)[:-12], r"a\.jsonl\.gz: not a whole \.gz file"),
        ("a.parquet", b"PAR1 and no more", r"a\.parquet, after row 0: not readable as Parquet"),
        ("a.parquet.gz", b"", r"a\.parquet\.gz: Parquet is compressed inside"),
        ("a.jsonl", b'{"a": "' + b"x" * 300 + b'"}', r"a\.jsonl, line 1: longer than 256 bytes"),
        (
            "a.json",
            b'[{"a": "' + b"x" * 600 + b'"}]',
            r"a\.json: a JSON list of more than 512 bytes; write it as JSON Lines",
        ),
    ],
)
def test_faults_name_file_and_place(tmp_path, monkeypatch, request, name, content, said):
    limit = csv.field_size_limit()
    request.addfinalizer(lambda: csv.field_size_limit(limit))
    monkeypatch.setattr(files, "MOST_VALUE", 100)
    monkeypatch.setattr(files, "MOST_JSON", 1 << 20 if content.startswith(b"[[") else 512)
    monkeypatch.setattr("ponder.tasks.jsonl.MOST_LINE", 256)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said):
        list(read_file(tmp_path / name))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("scratch")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS
OBJECTS = st.lists(st.dictionaries(TEXTS, VALUES | st.lists(VALUES, max_size=3), max_size=3), max_size=5)


@settings(max_examples=150, deadline=None)
@given(rows=OBJECTS, indent=st.sampled_from([None, 1, "\t"]), ascii_only=st.booleans())
def test_json_lists_are_what_the_library_reads(scratch, rows, indent, ascii_only):
    file = scratch / "a.json"
    file.write_text(json.dumps(rows, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    assert [row for _, row in read_file(file)] == rows


@settings(max_examples=100, deadline=None)
@given(
    content=st.binary(max_size=60),
    name=st.sampled_from(["a.json", "a.jsonl", "a.csv", "a.tsv", "a.parquet", "a.csv.gz"]),
)
def test_no_content_gives_anything_but_rows_or_a_fault(scratch, content, name):
    file = scratch / name
    file.write_bytes(content)
    try:
        rows = [row for _, row in read_file(file)]
    except ValueError as error:
        assert str(file) in str(error)
    else:
        assert all(isinstance(row, dict) for row in rows)


def test_files_that_cannot_be_read_are_named():
    with pytest.raises(ValueError, match=r"^/proc/self/mem cannot be read: Input/output error"):
        list(read_files(find_files("/proc/self/mem")))
    with pytest.raises(ValueError, match=r"^aaa.* cannot be looked for: File name too long"):
        find_files("a" * 5_000)


def test_half_a_surrogate_pair_is_named_by_line(tmp_path):
    rows = [{"prompt": f"{n}?", "answer": "1"} for n in range(4)]
    rows[2]["prompt"] = "half \ud83d"
    rows[3]["answer"] = "\U0001f600"  # written as a whole pair
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ValueError, match=r"^\S*a\.jsonl, line 3: it holds \\ud83d alone, half of a surrogate pair"):
        file_tasks(tmp_path / "a.jsonl")
    chats = [{"prompt": "Q", "completion": text} for text in ("A", "\udc00")]
    (tmp_path / "b.json").write_text(json.dumps(chats))
    with pytest.raises(ValueError, match=r"b\.json, item 2: it holds \\udc00 alone"):
        read_chats(tmp_path / "b.json")
    deep = '{"prompt": "Q", "answer": "1", "x": ' + 5_000 * "[" + 5_000 * "]" + "}"
    (tmp_path / "c.jsonl").write_text(deep)
    with pytest.raises(ValueError, match=r"c\.jsonl, line 1: not usable"):
        file_tasks(tmp_path / "c.jsonl")
