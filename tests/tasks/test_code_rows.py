"""Programming tasks from JSON Lines: each known form, and every fault by file and line."""

import base64
import json
import os
import pickle
import zlib
from pathlib import Path

import pytest

from ponder.tasks import gym_tasks, jsonl_tasks
from ponder.tasks.livecodebench import PREAMBLE
from ponder.verifiers.code.verifier import job_of

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="benchmark files are not at ../shared/data")

CALL = {"function": "f", "args": [1], "expected": 2}
OWN = {"prompt": "Write f.", "tests": [CALL]}
HUMANEVAL = {
    "task_id": "HumanEval/7",
    "prompt": 'import math\n\ndef half(x):\n    return x / 2\n\n\ndef f(x: float) -> float:\n    """ Adds one.\n    """\n',
    "entry_point": "f",
    "canonical_solution": "    return half(2 * x) + 1\n",
    "test": "def check(candidate):\n    assert candidate(half(2)) == 2\n",
}
MBPP = {
    "task_id": 3,
    "text": "Write a function to add one.",
    "code": "def f(x):\r\n  return x + 1",
    "test_list": ["assert f(1) == 2", "assert f(2) == 3"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
CASES = [{"input": "1\n", "output": "2\n", "testtype": "stdin"}, {"input": "5", "output": "6", "testtype": "stdin"}]
LIVECODEBENCH = {"question_content": "Add one.", "public_test_cases": CASES[:1], "private_test_cases": CASES[1:]}
FUNCTIONAL = {
    "question_content": "Add up.",
    "starter_code": "class Solution:\n    def addUp(self, a: List[int], b: int) -> int:\n        ",
    "public_test_cases": json.dumps([{"input": '[1, 2]\n"x"', "output": "[3, null]", "testtype": "functional"}]),
    "private_test_cases": "",
    "metadata": '{"func_name": "addUp"}',
}


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(tmp_path, *rows: dict, **options):
    return jsonl_tasks(write(tmp_path / "a.jsonl", *rows), verifier="code", **options)


def packed(value) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


def test_own_form(tmp_path):
    extras = {"solution": "def f(x): return x + 1", "score": "fraction", "compare": "numeric", "tolerance": 0.1}
    plain, full = load(tmp_path, OWN, {**OWN, **extras, "limits": {"timeout_s": 1}, "whole_content": True})
    assert (plain.verifier, plain.domain, plain.reference, plain.metadata) == ("code", "code", {"tests": [CALL]}, {})
    assert plain.question.startswith("Write f.\n") and "```python fence" in plain.question
    assert full.reference == {"tests": [CALL], "compare": "numeric", "tolerance": 0.1, "limits": {"timeout_s": 1}}
    assert full.metadata == {"solution": extras["solution"], "score": "fraction", "whole_content": True}
    assert plain.id == full.id, "tests and solution are no part of what is asked"


def test_tests_may_be_json_text_or_lie_under_another_name(tmp_path):
    row = {"q": "Write f.", "checks": json.dumps([CALL]), "language": None}
    (task,) = load(tmp_path, row, fields={"prompt": "q", "answer": "checks"}, prompt="plain", domain="d")
    assert (task.question, task.domain, task.reference) == ("Write f.", "d", {"tests": [CALL]})
    (task,) = load(tmp_path, {"prompt": "P", "tests": {"tests": [CALL], "compare": "unordered"}})
    assert task.reference["compare"] == "unordered"


def test_rows_that_name_their_own_verifier(tmp_path):
    rows = [
        {"prompt": "1+1?", "answer": "2", "kind": "math"},
        {"prompt": "Write f.", "answer": {"tests": [CALL]}, "kind": "code"},
    ]
    file = write(tmp_path / "a.jsonl", *rows)
    fields = {"prompt": "prompt", "answer": "answer", "verifier": "kind"}
    assert [task.verifier for task in jsonl_tasks(file, fields)] == ["math", "code"]
    write(file, rows[0], {**rows[1], "answer": "return"})
    with pytest.raises(ValueError, match=r"a\.jsonl, line 2: the task has no tests"):
        jsonl_tasks(file, fields)


def test_humaneval_form(tmp_path):
    (task,) = load(tmp_path, HUMANEVAL)
    prelude = "import math\n\ndef half(x):\n    return x / 2"
    test = {"code": HUMANEVAL["test"], "entry_point": "f", "setup": prelude}
    assert task.reference == {"tests": [test], "preamble": prelude}
    assert task.metadata["solution"] == HUMANEVAL["prompt"] + HUMANEVAL["canonical_solution"]
    assert '"""' in task.question and "return half" not in task.question


def test_mbpp_form(tmp_path):
    (task,) = load(tmp_path, MBPP)
    assert [test["code"] for test in task.reference["tests"]] == MBPP["test_list"]
    assert MBPP["test_list"][0] in task.question and MBPP["test_list"][1] not in task.question
    assert (task.metadata["solution"], task.metadata["task_id"]) == (MBPP["code"], "3")
    sanitized = {k: v for k, v in MBPP.items() if k not in ("text", "test_setup_code")}
    (task,) = load(tmp_path, {**sanitized, "prompt": "Add one.", "test_imports": ["import math", "import re"]})
    assert task.reference["tests"][0]["setup"] == "import math\nimport re"
    (task,) = load(tmp_path, {**MBPP, "test_setup_code": "root = Node(1)"})
    assert task.reference["tests"][1]["code"] == "root = Node(1)\nassert f(2) == 3"


def test_mbpp_solutions_that_are_called_like_a_builtin(tmp_path):
    row = {
        **MBPP,
        "code": "def sum(a, b):\n  return 6",
        "test_list": ["assert sum(1, 2) == 6", "assert max(1, 2) == 2"],
    }
    shadowing, plain = load(tmp_path, row)[0].reference["tests"]
    assert shadowing["entry_point"] == "sum" and shadowing["code"].startswith("def check(sum):\n    assert sum(1, 2)")
    assert plain["code"] == "assert max(1, 2) == 2"


@pytest.mark.parametrize("private", [CASES[1:], json.dumps(CASES[1:]), packed(json.dumps(CASES[1:]))])
def test_livecodebench_form_with_programs(tmp_path, private):
    (task,) = load(tmp_path, {**LIVECODEBENCH, "private_test_cases": private, "question_id": "abc_1"})
    tests = [{"stdin": "1\n", "stdout": "2\n"}, {"stdin": "5", "stdout": "6"}]
    assert task.reference == {"tests": tests, "compare": "lines", "preamble": PREAMBLE}
    assert task.question.startswith("Add one.") and "standard input" in task.question
    assert task.metadata == {"task_id": "abc_1"}


def test_livecodebench_form_with_functions(tmp_path):
    (task,) = load(tmp_path, FUNCTIONAL)
    assert task.reference["tests"] == [{"function": "addUp", "args": [[1, 2], "x"], "expected": [3, None]}]
    assert FUNCTIONAL["starter_code"].strip() in task.question
    (task,) = load(tmp_path, {**FUNCTIONAL, "metadata": {"func_name": "g"}, "prompt": "x"})
    assert task.reference["tests"][0]["function"] == "g"


LEETCODE = {
    "task_id": "add-up",
    "prompt": "from typing import *\nclass Pair:\n    def __init__(self, a, b):\n        self.a, self.b = a, b\n",
    "problem_description": "Add up.",
    "starter_code": "class Solution:\n    def addUp(self, n: List[int]) -> int:\n        ",
    "entry_point": "Solution().addUp",
    "completion": "class Solution:\n    def addUp(self, n: List[int]) -> int:\n        return Pair(sum(n), 0).a\n",
    "test": "def check(candidate):\n    assert candidate(n=[1, 2]) == 3\n    assert candidate(n=[]) == Pair(0, 1).a\n",
}


def test_leetcode_form(tmp_path):
    (task,) = load(tmp_path, LEETCODE)
    preamble = LEETCODE["prompt"].strip()
    test = {"code": LEETCODE["test"], "entry_point": "Solution.addUp", "setup": preamble}
    assert task.reference == {"tests": [test], "preamble": preamble}
    assert task.question.startswith("Add up.") and "def addUp" in task.question
    assert task.metadata == {"solution": LEETCODE["completion"], "task_id": "add-up"}
    (asked,) = load(tmp_path, {**LEETCODE, "query": "Please add up."})
    assert asked.question.startswith("Please add up.")
    with pytest.raises(ValueError, match=r"line 1: entry_point is 'Solution\(\)\.a\.b': a function's name is known"):
        load(tmp_path, {**LEETCODE, "entry_point": "Solution().a.b"})


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/ponder-was-here",)


@pytest.mark.parametrize(
    ("private", "message"),
    [
        (packed(Evil()), "the pickle asks for .*system; only text is allowed"),
        (packed([json.dumps(CASES)]), "the pickle holds a list; only text is allowed"),
        (packed(json.dumps(CASES))[:-8], "line 1, private_test_cases: neither JSON nor packed JSON"),
        (base64.b64encode(zlib.compress(b"")).decode(), "neither JSON nor packed JSON"),
        (base64.b64encode(zlib.compress(b"garbage")).decode(), "neither JSON nor packed JSON"),
        (base64.b64encode(zlib.compress(pickle.dumps("x"))[:-4]).decode(), "breaks off"),
        ("!!!", "neither JSON nor packed JSON"),
        (packed("not json"), "neither JSON nor packed JSON"),
        ("[" * 100_000, "private_test_cases"),
        ("5", "a list of test cases is expected, not int"),
        ([{"input": "1"}], "case 1 is not"),
        ([{**CASES[0], "testtype": "functional"}], "type functional and stdin"),
    ],
)
def test_faults_of_livecodebench_cases(tmp_path, private, message):
    with pytest.raises(ValueError, match=message) as error:
        load(tmp_path, {**LIVECODEBENCH, "private_test_cases": private})
    assert "a.jsonl, line 1" in str(error.value)
    assert not Path("/tmp/ponder-was-here").exists()


def test_packed_cases_have_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("ponder.tasks.livecodebench.MAX_BYTES", 10_000)
    with pytest.raises(ValueError, match="more than 10,000 bytes"):
        load(
            tmp_path, {**LIVECODEBENCH, "private_test_cases": packed(json.dumps([{**CASES[0], "input": "1" * 20_000}]))}
        )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "P"}, "the row has no tests, so no program could be judged by it.*the row has prompt"),
        ({"prompt": "P", "tests": []}, "the task has no tests"),
        ({"prompt": "P", "tests": "[1"}, "field 'tests' is text, but not JSON"),
        ({"prompt": "P", "tests": {"fname": "559.json"}}, "the tests are missing: .*559.json.*lie elsewhere"),
        ({"prompt": "P", "tests": [{"function": "f"}]}, "line 2, test 1: a function call test needs 'expected'"),
        ({"prompt": "", "tests": [CALL]}, "field 'prompt' must be text, and not empty"),
        ({"tests": [CALL]}, "no field 'prompt'"),
        ({**OWN, "score": "some"}, "Unknown score 'some'"),
        ({**OWN, "solution": 5}, "field 'solution' must be text"),
        ({**OWN, "compare": "near"}, "Unknown comparison 'near'"),
        ({**HUMANEVAL, "test": ""}, "field 'test' must be text, and not empty"),
        ({**HUMANEVAL, "entry_point": "g"}, "the prompt defines no function 'g'"),
        ({**HUMANEVAL, "prompt": "def f(x:\n"}, "the prompt is no Python function to complete"),
        ({**MBPP, "test_list": []}, "the task has no tests: test_list"),
        ({**MBPP, "test_list": [5]}, "the task has no tests: test_list"),
        ({**LIVECODEBENCH, "public_test_cases": [], "private_test_cases": ""}, "the tests are missing: both"),
        ({**FUNCTIONAL, "metadata": "{}"}, "metadata with func_name"),
        ({**FUNCTIONAL, "metadata": "{"}, "metadata is not JSON"),
        (
            {**FUNCTIONAL, "public_test_cases": [{"input": "a b", "output": "1", "testtype": "functional"}]},
            "line 2, test 1: an argument or the result is not JSON",
        ),
    ],
)
def test_faults_name_file_and_line(tmp_path, row, message):
    with pytest.raises(ValueError, match=message) as error:
        load(tmp_path, OWN, row)
    assert "a.jsonl, line 2" in str(error.value)


def test_unknown_keys_of_the_mapping(tmp_path):
    with pytest.raises(ValueError, match="Unknown key 'promt': did you mean 'prompt'"):
        load(tmp_path, OWN, fields={"promt": "x"})


@needs_data
@pytest.mark.parametrize(("name", "count", "different"), [("humaneval", 164, 164), ("mbpp", 974, 973)])
def test_benchmarks_load_by_name(name, count, different, monkeypatch):
    monkeypatch.setenv("PONDER_DATA", str(DATA))
    tasks = jsonl_tasks(name)
    assert len(tasks) == count and len({task.id for task in tasks}) == different
    for task in tasks:
        assert task.verifier == task.domain == "code" and task.metadata["solution"]
        assert job_of(task).tests


@needs_data
def test_livecodebench_prompts_without_their_tests_are_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"livecodebench_v5\.jsonl, line 1: the tests are missing: .*559\.json"):
        jsonl_tasks(DATA / "livecodebench_v5.jsonl", verifier="code")


def test_reasoning_gyms_code_families():
    """Programs to be understood, not written: they come through the gym source, and their own scorers judge them."""
    for family, settings in (("bf", {"difficulty": 1}), ("codeio", {})):
        task = gym_tasks(family, settings, size=10, seed=1)[0]
        assert (task.domain, task.verifier) == ("code", "reasoning_gym") and task.reference
