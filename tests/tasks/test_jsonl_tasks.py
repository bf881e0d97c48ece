import json
import os
from pathlib import Path

import pytest

from ponder.tasks import BENCHMARKS, jsonl_tasks

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="benchmark files are not at ../shared/data")


def write(path: Path, *rows: dict | str | bytes) -> Path:
    lines = [
        row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode() for row in rows
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@needs_data
@pytest.mark.parametrize(("name", "count"), [("gsm8k_test", 1319), ("math500", 500), ("aime24", 30), ("aime25", 30)])
def test_benchmarks_load_by_name(name, count, monkeypatch):
    monkeypatch.setenv("PONDER_DATA", os.pathsep.join(["/nowhere", str(DATA)]))
    tasks = jsonl_tasks(name)
    assert len(tasks) == count == len({task.id for task in tasks})
    for task in tasks:
        assert task.question.count("put your final answer within \\boxed{}.") == 1
        assert (task.verifier, task.domain, task.source) == ("math", "math", name)
        assert "#" not in str(task.reference)


@needs_data
def test_gsm8k_answers_are_what_follows_the_hashes(monkeypatch):
    monkeypatch.setenv("PONDER_DATA", str(DATA))
    tasks = jsonl_tasks("gsm8k_test")
    assert tasks[0].reference == "18"
    assert all(task.reference.lstrip("-").isdigit() for task in tasks)


def test_benchmarks_are_found_in_data_of_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PONDER_DATA", raising=False)
    with pytest.raises(ValueError, match=r"'aime24': no aime24.jsonl in data, \.\./shared/data\. .*PONDER_DATA"):
        jsonl_tasks("aime24")
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "aime24.jsonl", {"prompt": "Q", "answer": 7})
    assert jsonl_tasks("aime24")[0].reference == 7


def test_field_mapping(tmp_path):
    file = write(tmp_path / "a.jsonl", {"q": "1+1?", "a": "2", "kind": "sums"}, {"q": "2+2?", "a": "4", "kind": "more"})
    tasks = jsonl_tasks(file, {"prompt": "q", "answer": "a", "domain": "kind", "verifier": "math"}, prompt="plain")
    assert [(t.question, t.reference, t.domain) for t in tasks] == [("1+1?", "2", "sums"), ("2+2?", "4", "more")]
    assert jsonl_tasks(file, {"prompt": "q", "answer": "a", "domain": "arithmetic"})[0].domain == "arithmetic"
    assert jsonl_tasks(file, {"prompt": "q", "answer": "a"}, domain="given")[0].domain == "given"


def test_prompts_may_be_messages(tmp_path):
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]
    task = jsonl_tasks(write(tmp_path / "a.jsonl", {"prompt": messages, "answer": "A"}), prompt="<{question}>")[0]
    assert task.messages == ({"role": "system", "content": "S"}, {"role": "user", "content": "<Q>"})


def test_answers_in_gsm8k_form_and_others(tmp_path):
    rows = [{"prompt": "Q", "answer": answer} for answer in ("work\n#### 1,250", "#1", 0, False, ["1", "2"])]
    assert [t.reference for t in jsonl_tasks(write(tmp_path / "a.jsonl", *rows))] == [
        "1250",
        "#1",
        0,
        False,
        ["1", "2"],
    ]


def test_blank_lines_a_byte_order_mark_and_a_long_line_are_fine(tmp_path):
    long = "x" * 2_000_000
    file = write(
        tmp_path / "a.jsonl", b'\xef\xbb\xbf{"prompt": "Q", "answer": 1}\r', "", {"prompt": long, "answer": 2}, " "
    )
    tasks = jsonl_tasks(file, prompt="plain")
    assert [t.reference for t in tasks] == [1, 2]
    assert tasks[1].question == long


GOOD = {"prompt": "Q", "answer": "A"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"a\.jsonl: the file holds no task"),
        (["", " "], r"a\.jsonl: the file holds no task"),
        ([GOOD, '{"prompt": "Q"'], r"a\.jsonl, line 2, column \d+: not JSON"),
        ([GOOD, "", "[1]"], r"a\.jsonl, line 3: a JSON object is expected, not list"),
        ([GOOD, '{"prompt": "Q", "answer": NaN}'], r"line 2: not usable JSON: NaN is not a JSON number"),
        (["[" * 100_000], r"line 1: not usable JSON"),
        ([GOOD, b'{"prompt": "\xff", "answer": "A"}'], r"line 2: not UTF-8 \(byte 12 of the line\)"),
        (
            [{"question": "Q", "answer": "A"}],
            r"line 1: no field 'prompt' .* the row has answer, question.*prompt: NAME",
        ),
        ([GOOD, {"prompt": "Q"}], r"line 2: no field 'answer'; the row has prompt"),
        ([GOOD, {"prompt": " \n", "answer": "A"}], r"line 2: field 'prompt' is empty"),
        ([{"prompt": "Q", "answer": ""}], r"line 1: field 'answer' is empty"),
        ([{"prompt": "Q", "answer": None}], r"line 1: field 'answer' is empty"),
        ([{"prompt": 5, "answer": "A"}], r"line 1: field 'prompt' is neither text nor chat messages"),
        ([{"prompt": [{"role": "assistant", "content": "x"}], "answer": "A"}], r"neither text nor chat messages"),
    ],
)
def test_faults_of_a_file_name_file_and_line(tmp_path, rows, message):
    file = write(tmp_path / "a.jsonl", *rows) if rows else tmp_path / "a.jsonl"
    file.touch()
    with pytest.raises(ValueError, match=message):
        jsonl_tasks(file)


def test_bad_arguments(tmp_path):
    file = write(tmp_path / "a.jsonl", GOOD)
    with pytest.raises(ValueError, match=r"Unknown key 'promt': did you mean 'prompt'"):
        jsonl_tasks(file, {"promt": "Q"})
    with pytest.raises(ValueError, match=r"no such file\. Unknown benchmark 'math50': did you mean 'math500'"):
        jsonl_tasks("math50")
    with pytest.raises(ValueError, match="is a directory"):
        jsonl_tasks(tmp_path)
    with pytest.raises(ValueError, match="Unknown prompt"):
        jsonl_tasks(file, prompt="nope")
    assert "gsm8k_test" in BENCHMARKS
