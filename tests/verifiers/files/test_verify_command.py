"""`ponder verify FILE`: as people and scripts call it."""

import gzip
import json
import subprocess
import sys

import pyarrow
import pytest
from pyarrow import parquet

from ponder.verifiers.files.rows import read_pairs

ROWS = [
    {"id": "a", "response": "\\boxed{0.5}", "reference": "1/2", "label": True},
    {"id": "b", "response": "<think>0.5</think>\\boxed{0.6}", "reference": "1/2", "label": False},
    {"id": "c", "response": "\ud800\x00\u202e", "reference": "1/2", "label": False},
    {"id": "d", "response_parts": [["[", 100_000], ["1", 1]], "reference": "1/2", "label": "any"},
]


def ponder(*arguments):
    command = [sys.executable, "-m", "ponder.cli.main", "verify", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=None)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_all_rows_with_reasons_and_a_summary(file):
    ended = ponder(file, "--verifier", "math", "--all")
    assert ended.returncode == 0, ended.stderr
    for text in ("correct", "unparseable", "not equal", "4 rows:", "agreement with 3 labels: 1.000 (0 false positives"):
        assert text in ended.stdout, ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert "... and 2 more" in ponder(file, "--verifier", "math", "--all", "--rows", 2).stdout


CALL = [{"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}}]


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv.gz", "rows.json", "rows.parquet"])
def test_every_form_of_file_that_tasks_are_read_from(tmp_path, name):
    path = tmp_path / name
    rows = [
        {"response": "\\boxed{0.5}", "reference": "1/2", "label": True},
        {"response": "\\boxed{0.6}", "reference": "1/2", "label": None},
    ]
    if name.endswith(".json"):
        path.write_text(json.dumps(rows))
    elif name.endswith(".parquet"):
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        mark = "," if ".csv" in name else "\t"
        cells = [("" if value is None else str(value) for value in row.values()) for row in rows]
        text = "\n".join(mark.join(line) for line in [rows[0], *cells])
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    pairs = read_pairs(path, "math")
    assert [pair.label for pair in pairs] == [True, None]
    first = {"rows.json": "item 1", "rows.parquet": "row 0"}.get(name, "line 2")
    assert pairs[0].place == first and pairs[0].id == first.split()[1]
    assert pairs[1].response.content == "\\boxed{0.6}" and pairs[1].task.reference == "1/2"


def test_lists_that_a_table_holds_as_text_are_read(tmp_path):
    row = {
        "response": '[{"name": "f", "arguments": {"x": 1}}]',
        "reference": [{"f": {"x": [1]}}],
        "tools": json.dumps(CALL),
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    (pair,) = read_pairs(tmp_path / "rows.jsonl", "function_calls")
    assert list(pair.task.tools) == CALL


def test_rows_without_labels_are_all_shown(file):
    file.write_text("".join(json.dumps({k: v for k, v in row.items() if k != "label"}) + "\n" for row in ROWS[:2]))
    shown = ponder(file, "--verifier", "math").stdout
    assert shown.startswith("a (line 1)  correct\n    answer 0.5 | reference 1/2\n")
    assert "b (line 2)  wrong\n    answer 0.6 | reference 1/2\n" in shown
    assert "label" not in shown


def test_of_labelled_rows_the_disagreements_are_shown_and_then_the_rest_if_asked_for(file):
    rows = [
        {"response": "Answer: B", "reference": "B", "label": True},
        {"response": "xx " * 100 + ". The answer is C.\n\nSo much for that.", "reference": "B", "label": True},
        {"id": "odd", "response": "Answer: B", "reference": "B", "label": False},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = ponder(file, "--verifier", "choice")
    assert ended.returncode == 1
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert [line for line in ended.stdout.splitlines() if not line.startswith(" ")][:3] == [
        "line 2  wrong (label: true)",
        "odd (line 3)  correct (label: false)",
        "1 rows agree with their labels, or have none (--all shows them)",
    ]
    assert '    chose C, not B; from: "The answer is C."\n    response: ...xx xx' in ended.stdout
    everything = ponder(file, "--verifier", "choice", "--all").stdout
    heads = [line for line in everything.splitlines() if line.startswith(("line", "odd"))]
    assert [head.split("  ")[0] for head in heads] == ["line 2", "odd (line 3)", "line 1"]


def test_json_lines_for_scripts(file):
    rows = [json.loads(line) for line in ponder(file, "--verifier", "math", "--json").stdout.splitlines()]
    assert [(row["id"], row["status"], row["score"]) for row in rows[:2]] == [
        ("a", "correct", 1.0),
        ("b", "wrong", 0.0),
    ]
    assert [row["agrees"] for row in rows] == [True] * 4


def test_a_label_that_says_otherwise_is_exit_code_1(file):
    file.write_text(json.dumps(ROWS[0] | {"label": False}) + "\n")
    ended = ponder(file, "--verifier", "math")
    assert ended.returncode == 1
    assert "correct (label: false)" in " ".join(ended.stdout.split())
    assert "(1 false positives, 0 false negatives)" in ended.stdout


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ('{"response": "1"}', ["--verifier", "math"], "line 1: no field 'reference'; the row has response. Say which"),
        ('{"response": 1, "reference": "1"}', ["--verifier", "math"], "line 1: a response is a text, a chat message"),
        ("{", ["--verifier", "math"], "not JSON"),
        ("[]", ["--verifier", "math"], "line 1: a JSON object is expected"),
        ('{"response": "1", "reference": "1", "label": "yes"}', ["--verifier", "math"], "line 1: label must be true"),
        ('{"response": "1", "reference": "1", "tools": 5}', ["--verifier", "function_calls"], "line 1: tools must be"),
        (
            '{"response_parts": [["a", 1e3]], "reference": "1"}',
            ["--verifier", "math"],
            "line 1: response_parts must be",
        ),
        (
            '{"response_parts": [["a", 1000000000000]], "reference": "1"}',
            ["--verifier", "math"],
            "line 1: response_parts spell 1,000,000,000,000 characters",
        ),
        ("", ["--verifier", "math"], "holds no rows"),
        ("{}", ["--verifier", "maths"], "Unknown verifier 'maths': did you mean 'math'"),
        ("{}", [], "say which verifier"),
        ("{}", ["--audit"], "give either a file of rows"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(tmp_path, content, arguments, message):
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    ended = ponder(path, *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_file_is_named(tmp_path):
    ended = ponder(tmp_path / "none.jsonl", "--verifier", "math")
    assert (ended.returncode, "there is no file" in ended.stderr) == (2, True)
