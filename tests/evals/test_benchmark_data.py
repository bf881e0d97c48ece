"""Every benchmark loads: from rows of our own in its form, and, where they are at hand, from the files themselves."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from ponder.evals import data as evals_data
from ponder.evals.data import load_problems
from ponder.evals.loading import known, load_protocol
from ponder.verifiers import Response, Verification, reference_response

OWN = Path(__file__).parent / "data"
SHARED = Path(__file__).parents[3] / "shared" / "data"
NAMES = [name for name, _, _ in known()]
OWN_ROWS = dict.fromkeys(NAMES, 3) | {"bfcl": 7}
REFERENCES = {
    "aime24": "24",
    "amc23": "56",
    "gpqa": "photon",
    "gsm8k": "27",
    "math500": "\\frac{1}{2}",
    "minerva": "3",
    "mmlu_stem": "B",
    "olympiad": "$2$,$3$",
    "sat": "B",
}
CATEGORIES = {
    "bfcl": "irrelevance",
    "gpqa": "Physics",
    "math500": "Prealgebra",
    "minerva": "Mechanics",
    "mmlu_stem": "chemistry",
    "olympiad": "Algebra",
}
SOLUTIONS = {
    "livecodebench": [
        "a, b = map(int, input().split())\nprint(a + b)",
        "print(input().upper())",
        "class Solution:\n    def twice(self, n):\n        return 2 * n",
    ],
}


@pytest.fixture(scope="module")
def verification():
    with Verification() as verification:
        yield verification


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch, tmp_path):
    """No benchmark is found where the tests happen to run."""
    monkeypatch.setattr(evals_data, "data_directories", lambda: [tmp_path / "none"])


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_our_own_load_and_their_references_are_right(name, verification):
    loaded = load_problems(load_protocol(name), [OWN])
    assert len(loaded.tasks) == len(loaded.ids) == len(set(loaded.ids)) == len(loaded.categories) == OWN_ROWS[name]
    assert loaded.unscorable is None
    first = loaded.tasks[0]
    if name in REFERENCES:
        shown = first.reference
        if name == "gpqa":
            shown = first.metadata["choices"]["ABCD".index(shown)]
        assert shown == REFERENCES[name]
    assert loaded.categories[0] == CATEGORIES.get(name, "")
    if name != "gpqa":  # of which no file is known
        assert "not the version that the protocol names" in loaded.remarks[-1] and loaded.sha256 in loaded.remarks[-1]
    assert f"has {OWN_ROWS[name]} problems, the protocol" in loaded.remarks[0]
    answers = [reference_response(task) for task in loaded.tasks]
    if name in SOLUTIONS:
        answers = [Response("", f"```python\n{code}\n```", True, False) for code in SOLUTIONS[name]]
    if name == "ifeval":
        texts = ("The sea is wide", "Every leaf of tea is dried", "hello there")
        answers = [Response("", text, True, False) for text in texts]
    verdicts = verification.verify_all(list(zip(loaded.tasks, answers, strict=True)))
    assert {verdict.status for verdict in verdicts} == {"correct"}, verdicts


ROWS = {
    "aime24": 30,
    "aime25": 30,
    "amc23": 40,
    "bfcl": 800,
    "gsm8k": 1319,
    "humaneval": 164,
    "ifeval": 541,
    "livecodebench": 279,
    "math500": 500,
    "mbpp": 500,
    "minerva": 272,
    "mmlu_stem": 3018,
    "olympiad": 675,
    "sat": 32,
}


def is_whole(name: str) -> bool:
    return all((SHARED / file).is_file() for file in load_protocol(name).data.files)


@pytest.mark.parametrize("name", ROWS)
def test_the_files_themselves(name):
    if not is_whole(name):
        pytest.skip(f"the files of {name} are not at ../shared/data")
    protocol = load_protocol(name)
    loaded = load_problems(protocol, [SHARED])
    assert len(loaded.tasks) == len(set(loaded.ids)) == ROWS[name] == protocol.data.rows
    assert loaded.remarks == ()  # its hash is the one that the protocol names
    assert (loaded.unscorable is not None) == (name == "livecodebench")
    if name == "mmlu_stem":  # which asks 12 questions twice, and both count
        assert sum(id.endswith("-2") for id in loaded.ids) == 12


def test_the_hash_is_of_the_bytes(tmp_path):
    (tmp_path / "gsm8k_test.jsonl").write_bytes((OWN / "gsm8k_test.jsonl").read_bytes())
    (tmp_path / "bfcl").symlink_to(OWN / "bfcl")
    assert (
        load_problems(load_protocol("gsm8k"), [tmp_path]).sha256
        == sha256((OWN / "gsm8k_test.jsonl").read_bytes()).hexdigest()
    )
    bfcl = load_protocol("bfcl")
    lines = [f"{sha256((OWN / file).read_bytes()).hexdigest()}  {Path(file).name}\n" for file in bfcl.data.files]
    assert load_problems(bfcl, [tmp_path]).sha256 == sha256("".join(lines).encode()).hexdigest()


def test_a_window_and_ranges_choose_rows():
    lcb = load_problems(load_protocol("livecodebench"), [OWN])
    assert [task.place for task in lcb.tasks] == [f"livecodebench_v5.jsonl, line {n}" for n in (1, 2, 3)]
    mbpp = load_problems(load_protocol("mbpp"), [OWN])
    assert [task.metadata["task_id"] for task in mbpp.tasks] == ["11", "12", "510"]


def test_questions_without_tests_can_be_asked_and_not_judged(tmp_path):
    (tmp_path / "livecodebench_v5.jsonl").write_bytes((OWN / "livecodebench_v5.jsonl").read_bytes())
    protocol = load_protocol("livecodebench")
    loaded = load_problems(protocol, [tmp_path])
    assert "test4.jsonl" in loaded.unscorable and "hf download" in loaded.unscorable
    assert [task.reference for task in loaded.tasks] == [None] * 3
    judged = load_problems(protocol, [OWN])
    assert [task.messages for task in loaded.tasks] == [task.messages for task in judged.tasks]
    assert loaded.tasks[0].question.startswith("You will be given a question")


def write(tmp_path: Path, name: str, rows: list[dict]) -> Path:
    (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


GOOD = {"question": "1+1?", "answer": "#### 2"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([GOOD, {"question": "2+2?"}], "gsm8k_test.jsonl, line 2: no field 'answer'"),
        ([GOOD, {"question": "1+1?", "answer": "3"}, GOOD | {"idx": 1}], "2 rows of gsm8k cannot be used:"),
        ([GOOD, {"question": " 1+1? ", "answer": "2"}], "line 2: the same problem as gsm8k_test.jsonl, line 1"),
        ([GOOD, {"question": "2+2?", "answer": "\ud800"}], "line 2: it holds"),
        ([GOOD, {"question": "2+2?", "answer": ""}], "line 2: field 'answer' is empty"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_with_file_line_and_hash(tmp_path, rows, said):
    with pytest.raises(ValueError) as refused:
        load_problems(load_protocol("gsm8k"), [write(tmp_path, "gsm8k_test.jsonl", rows)])
    digest = sha256((tmp_path / "gsm8k_test.jsonl").read_bytes()).hexdigest()
    assert said in str(refused.value) and digest in str(refused.value)


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("mbpp", {"text": "x", "task_id": "eleven"}, "line 1: task_id is 'eleven'; a whole number says which"),
        ("livecodebench", {"prompt": "x"}, "line 1: contest_date is None; a window of dates needs a day"),
    ],
)
def test_rows_that_do_not_say_whether_they_count(tmp_path, name, row, said):
    protocol = load_protocol(name)
    with pytest.raises(ValueError, match=said):
        load_problems(protocol, [write(tmp_path, protocol.data.files[0], [row])])


def test_no_problem_in_the_window(tmp_path):
    row = {"question_id": "a", "prompt": "x", "contest_date": "2023-01-01"}
    with pytest.raises(ValueError, match=r"holds no problem from 2024-08-01 to 2025-02-01"):
        load_problems(load_protocol("livecodebench"), [write(tmp_path, "livecodebench_v5.jsonl", [row])])


def test_tests_that_lack_a_question(tmp_path):
    (tmp_path / "code_generation_lite").mkdir()
    for name in ("livecodebench_v5.jsonl", "code_generation_lite/test4.jsonl"):
        (tmp_path / name).write_bytes((OWN / name).read_bytes())
    (tmp_path / "code_generation_lite" / "test5.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"line 2: no tests for question_id 'own_b' in code_generation_lite/test4"):
        load_problems(load_protocol("livecodebench"), [tmp_path])


@pytest.mark.parametrize("name", ["bfcl", "mmlu_stem", "sat", "livecodebench"])
def test_missing_data_say_what_to_fetch_and_where_to_put_it(name, tmp_path):
    protocol = load_protocol(name)
    with pytest.raises(ValueError) as missing:
        load_problems(protocol, [tmp_path / "here"])
    said = str(missing.value)
    assert protocol.data.files[0] in said and protocol.data.missing.split()[0] in said
    assert f"{tmp_path / 'here'}" in said and "--data DIR" in said and "PONDER_DATA" in said


def test_the_extra_is_named_where_the_hub_has_the_data(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(ValueError, match=r"hub's data set openai/gsm8k needs the package `datasets`: .*\[data\]"):
        load_problems(load_protocol("gsm8k"), [tmp_path])


def test_rows_of_the_hub(tmp_path, monkeypatch):
    """A directory of Parquet, as `datasets` reads it, with the names that its fields have there."""
    pytest.importorskip("datasets", reason="the extra `data` is not installed")
    import pyarrow
    from pyarrow import parquet

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    rows = {"problem": ["1+1?", "2+2?"], "answer": [2, 4]}
    parquet.write_table(pyarrow.table(rows), tmp_path / "set" / "test.parquet")
    aime = load_protocol("aime25")
    protocol = aime.model_copy(update={"data": aime.data.model_copy(update={"hub": str(tmp_path / "set")})})
    loaded = load_problems(protocol, [])
    assert [task.reference for task in loaded.tasks] == ["2", "4"]
    assert loaded.source.startswith("hub:") and loaded.tasks[1].place.endswith("[test], row 1")
    lines = [{"answer": 2, "problem": "1+1?"}, {"answer": 4, "problem": "2+2?"}]
    canonical = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
    assert loaded.sha256 == sha256(canonical.encode()).hexdigest()
