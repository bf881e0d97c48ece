"""Rows that rules judge: IFEval's, BFCL's and multiple choice."""

import json
from pathlib import Path

import pytest

from ponder.tasks import jsonl_tasks

DATA = Path(__file__).parents[3] / "shared" / "data"
has_data = pytest.mark.skipif(not DATA.is_dir(), reason="benchmark files are not at ../shared/data")

TOOL = {
    "name": "area",
    "description": "Area of a circle.",
    "parameters": {
        "type": "dict",
        "properties": {"radius": {"type": "float"}, "type": {"type": "string", "default": "dict"}},
        "required": ["radius"],
    },
}


def read(tmp_path, verifier, *rows, **more):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return jsonl_tasks(file, verifier=verifier, **more)


def test_instructions(tmp_path):
    row = {
        "prompt": "Write without commas.",
        "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
        "kwargs": [{"num_words": None}, {"num_words": 3, "relation": "at least", "keyword": None}],
    }
    (task,) = read(tmp_path, "instructions", row)
    assert task.question == "Write without commas."
    assert task.reference["kwargs"] == [{}, {"num_words": 3, "relation": "at least"}]
    assert (task.verifier, task.domain) == ("instructions", "instructions")


def test_function_calls(tmp_path):
    truth = [{"area": {"radius": [2.0]}}]
    turns = [[{"role": "user", "content": "Area of radius 2?"}]]
    calling, idle = read(
        tmp_path,
        "function_calls",
        {"question": turns, "function": [TOOL], "ground_truth": truth},
        {"question": "What is love?", "function": [TOOL], "ground_truth": []},
    )
    assert (calling.question, calling.reference, idle.reference) == ("Area of radius 2?", truth, [])
    (tool,) = calling.tools
    parameters = tool["function"]["parameters"]
    assert (tool["type"], parameters["type"]) == ("function", "object")
    # A parameter that is called "type" keeps its description.
    assert parameters["properties"] == {"radius": {"type": "number"}, "type": {"type": "string", "default": "dict"}}


def test_choice(tmp_path):
    letter, index, written = read(
        tmp_path,
        "choice",
        {"question": "1+1?", "answer": "b"},
        {"question": "1+1?", "answer": 1, "choices": ["1", "2"]},
        {"question": "2+2?", "Answer": "A", "options": "A) 4 B) 5"},
    )
    assert (letter.reference, index.reference, written.reference) == ("B", "B", "A")
    assert index.question.startswith("1+1?\nA. 1\nB. 2\nPlease show your choice")
    assert index.metadata == {"choices": ["1", "2"]}
    assert written.question.startswith("2+2?\nA) 4 B) 5\n")


def test_options_follow_the_last_message(tmp_path):
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
    (task,) = read(tmp_path, "choice", {"question": chat, "answer": 1, "choices": ["1", "2"]}, prompt="plain")
    assert [message["content"] for message in task.messages] == ["Be brief.", "1+1?\nA. 1\nB. 2"]


@pytest.mark.parametrize(
    ("verifier", "row", "message"),
    [
        ("instructions", {"prompt": "Q", "kwargs": [{}]}, "no field instruction_id_list"),
        ("instructions", {"prompt": "Q", "instruction_id_list": ["a"], "kwargs": [{}, {}]}, "two lists of one length"),
        ("function_calls", {"question": "Q"}, "no field function or functions or tools"),
        ("function_calls", {"question": "Q", "function": [TOOL], "groundtruth": []}, "no field 'ground_truth'"),
        ("choice", {"question": "Q", "answer": "A", "choices": {"text": ["1"]}}, "choices must be a list"),
        ("choice", {"question": "Q", "answer": True, "choices": ["1", "2"]}, "must be a letter"),
        ("function_calls", {"question": "Q", "function": [3]}, "list of objects"),
        ("function_calls", {"question": [[], []], "function": [TOOL], "ground_truth": []}, "chat messages that end"),
        ("choice", {"question": "Q", "answer": "AB"}, "must be a letter"),
        ("choice", {"question": "Q", "answer": 2, "choices": ["1", "2"]}, "must be a letter"),
        ("choice", {"answer": "A"}, "no field question or prompt"),
    ],
)
def test_rows_that_cannot_be_judged(tmp_path, verifier, row, message):
    with pytest.raises(ValueError, match=r"rows\.jsonl, line 1: .*" + message):
        read(tmp_path, verifier, row)


def test_fields_and_prompt_may_be_named(tmp_path):
    row = {"text": "1+1?", "key": "B"}
    (task,) = read(tmp_path, "choice", row, fields={"prompt": "text", "answer": "key"}, prompt="{question} Letter?")
    assert (task.question, task.reference) == ("1+1? Letter?", "B")
    with pytest.raises(ValueError, match="Unknown key 'answers'"):
        read(tmp_path, "choice", row, fields={"answers": "key"})


def gpqa(number: int) -> dict:
    wrong = {f"Incorrect Answer {n}": f"no {number}.{n}" for n in (1, 2, 3)}
    return {"Question": f"Which is {number}?", "Correct Answer": f" yes {number}\n", **wrong}


def test_the_right_answer_of_gpqa_stands_at_every_letter_and_always_at_the_same_one(tmp_path):
    rows = [gpqa(number) for number in range(200)]
    tasks = read(tmp_path, "choice", *rows)
    for number, task in enumerate(tasks):
        assert task.metadata["choices"]["ABCD".index(task.reference)] == f"yes {number}"
        assert f"{task.reference}. yes {number}\n" in task.question
    letters = [task.reference for task in tasks]
    assert all(25 < letters.count(letter) < 75 for letter in "ABCD"), letters
    assert [task.reference for task in read(tmp_path, "choice", *rows[::-1])] == letters[::-1]
    with pytest.raises(ValueError, match="line 1: two of the choices are the same"):
        read(tmp_path, "choice", gpqa(1) | {"Incorrect Answer 2": "no 1.1"})


@has_data
@pytest.mark.parametrize(
    ("path", "verifier", "count"),
    [
        ("ifeval", None, 541),
        ("mmlu_stem", None, 3018),
        (DATA / "sat_math.jsonl", "choice", 32),
        (DATA / "bfcl" / "parallel_multiple.jsonl", "function_calls", 100),
        (DATA / "bfcl" / "irrelevance.jsonl", "function_calls", 100),
    ],
)
def test_real_files(path, verifier, count, monkeypatch):
    monkeypatch.setenv("PONDER_DATA", str(DATA))
    tasks = jsonl_tasks(path, verifier=verifier)
    assert len(tasks) == count
    assert len({task.id for task in tasks}) > 0.95 * count
