"""What a recipe says at its start of benchmarks' problems that it trains on."""

import json
from pathlib import Path

import pytest

from ponder.recipe.load import parse_recipe
from ponder.training.benchmarks import load_benchmarks, tasks_of
from ponder.training.contamination import look
from ponder.training.data import load_tasks
from tests.integration.micro import RECIPE

QUESTIONS = [
    f"Natalia sold {n} clips to her friends in April, and then she sold half as many clips in May, before {name} took over. "
    f"How many did she sell altogether?"
    for n, name in ((48, "Weng"), (52, "Betty"), (64, "Julie"), (70, "James"))
]
OTHERS = [f"Of {n} apples {m} are red. How many are not?" for n, m in ((9, 4), (8, 3), (7, 2), (6, 1))]


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PONDER_DATA", str(tmp_path / "benchmarks"))
    write(tmp_path / "benchmarks" / "gsm8k_test.jsonl", QUESTIONS)


def write(path: Path, questions):
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        "".join(json.dumps({"question": q, "answer": f"so #### {n}"}) + "\n" for n, q in enumerate(questions))
    )


def looked(sources, **more):
    recipe = parse_recipe(RECIPE | {"sources": sources, "held_out": {"problems": 1}} | more)
    named = {one.bench.asked.protocol.name: tasks_of([one]) for one in load_benchmarks(recipe)}
    return look(recipe, load_tasks(recipe), named)


def of_file(path="rows.jsonl", part="train", **more):
    return {"kind": "files", "path": path, "fields": {"prompt": "question", "answer": "answer"}, "part": part} | more


SUMS = RECIPE["sources"]["sums"]


def test_the_test_file_is_trained_on_and_the_training_goes_on():
    found = looked({"sums": SUMS, "mine": of_file("benchmarks/gsm8k_test.jsonl")})
    (one,) = found.found
    assert (one.bench, one.problems, one.same_text, one.shared_words) == ("gsm8k", 4, 4, 0)
    said = found.warnings()[0]
    assert "gsm8k: 4 of its 4 problems are trained on, with the same text" in said and "Natalia sold 48 clips" in said
    assert "gsm8k_test.jsonl, line 1" in said and "says little about others" in found.warnings()[1]
    assert found.noted()["found"][0]["same_text"] == 4


def test_other_problems_of_the_same_kind_are_none(tmp_path):
    write(tmp_path / "rows.jsonl", OTHERS)
    found = looked({"sums": SUMS, "mine": of_file()})
    assert not found.warnings() and found.compared == {"gsm8k": 4} and found.rows == 4
    assert (
        "Compared with benchmarks: 4 rows that are trained on, with 4 problems of gsm8k: none of these"
        in found.remarks()[0]
    )


def test_what_shares_words_is_said_to_share_words(tmp_path):
    write(tmp_path / "rows.jsonl", [QUESTIONS[0].replace("altogether", "in all").replace("48", "49"), *OTHERS])
    (one,) = looked({"sums": SUMS, "mine": of_file()}).found
    assert (
        one.same_text == 0
        and one.shared_words >= 1
        and "share" in str(one)
        and "trained on, with the same" not in str(one)
    )


def test_a_source_that_is_held_out_is_not_trained_on():
    found = looked({"sums": SUMS, "mine": of_file("benchmarks/gsm8k_test.jsonl", part="held_out")})
    assert not found.found and found.rows == 0


def test_of_a_split_only_what_is_trained_on_counts(tmp_path):
    write(tmp_path / "rows.jsonl", QUESTIONS)
    recipe = {"sums": SUMS | {"part": "held_out"}, "mine": of_file(part="split")}
    found = looked(recipe, held_out={"problems": 2, "fraction": 0.5})
    parsed = parse_recipe(RECIPE | {"sources": recipe, "held_out": {"problems": 2, "fraction": 0.5}})
    pool = load_tasks(parsed)
    trained = {task.id for task in pool.trained[0]}
    assert 0 < len(trained) < 4 and found.rows == len(trained) == found.found[0].same_text


def test_demonstrations_are_looked_at_too(tmp_path):
    chat = {"messages": [{"role": "user", "content": QUESTIONS[2]}, {"role": "assistant", "content": "112"}]}
    (tmp_path / "chats.jsonl").write_text(json.dumps(chat) + "\n")
    stage = RECIPE["stages"][0] | {"demonstrations": {"path": "chats.jsonl"}}
    found = looked({"sums": SUMS}, stages=[stage])
    assert found.found[0].same_text == 1 and "chats.jsonl, line 1" in str(found.found[0])


def test_generated_tasks_are_compared_with_the_recipes_own_benchmarks_alone(tmp_path):
    plain = looked({"sums": SUMS})
    assert plain.compared == {} and "Tasks of sums are made as they are asked for" in plain.remarks()[-1]
    (tmp_path / "suite.yaml").write_text(
        "data: {file: own.jsonl, fields: {prompt: question}}\nverifier: math\nprompt: plain\n"
    )
    task = load_tasks(parse_recipe(RECIPE)).draw(0, 1)[0]
    write(tmp_path / "own.jsonl", [task.question, "Something else?"])
    found = looked({"sums": SUMS}, benchmarks=["suite.yaml"])
    assert found.compared == {"suite": 2} and found.found[0].same_text == 1 and found.drawn == 1000


def test_mbpp_counts_by_its_test_ids(tmp_path):
    rows = [
        {
            "task_id": i,
            "text": f"Write a function to {what}.",
            "code": "def f(): pass",
            "test_list": ["assert f() == 1"],
        }
        for i, what in (
            (5, "count the vowels of a text"),
            (20, "find the woodball number"),
            (700, "merge two sorted lists"),
        )
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "benchmarks" / "mbpp.jsonl").write_text(lines)
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(rows[i]) + "\n" for i in (0, 2)))
    source = {"kind": "files", "path": "train.jsonl", "verifier": "code", "part": "train"}
    assert not looked({"sums": SUMS, "mine": source}).found
    (one,) = looked({"sums": SUMS, "mine": source | {"path": "mbpp"}}).found
    assert (one.bench, one.same_text, one.problems) == ("mbpp", 1, 1) and "woodball" in one.example


def test_a_benchmark_that_cannot_be_read_is_said_not_to_be_compared(tmp_path):
    write(tmp_path / "rows.jsonl", OTHERS)
    (tmp_path / "benchmarks" / "gsm8k_test.jsonl").write_text('{"question": "?"}\n')
    found = looked({"sums": SUMS, "mine": of_file()})
    assert "not compared with what is trained on: gsm8k (" in found.remarks()[0] and not found.compared
