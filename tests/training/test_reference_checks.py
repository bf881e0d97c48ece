"""Before a training: every reference of the files at hand is looked at, and those that cannot be used are named."""

import json
import time
from itertools import chain
from pathlib import Path

import pytest

from ponder.recipe.load import parse_recipe
from ponder.tasks import Task
from ponder.training.data import load_tasks
from ponder.training.references import SelfCheckError, check_references
from ponder.training.selfcheck import check_tasks
from ponder.training.stages.kinds import stages_of
from ponder.verifiers import Verification

DATA = Path(__file__).parents[3] / "shared" / "data"
STAGE = {"name": "reason", "kind": "rl", "steps": 1, "prompts_per_step": 4}


def recipe(**source):
    return parse_recipe({"name": "t", "sources": {"mine": source}, "stages": [STAGE], "held_out": {"problems": 4}})


def write(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def choices(count: int, bad: set[int]) -> list[dict]:
    """Rows of which the bad ones name an option that there is not."""
    return [
        {"question": f"What is {n}?", "choices": ["one", "two", f"{n}"], "answer": "F" if n in bad else "C"}
        for n in range(1, count + 1)
    ]


@pytest.fixture(scope="module")
def verification():
    with Verification() as verification:
        yield verification


def test_one_bad_reference_among_hundreds_is_found_and_named_by_line(tmp_path, verification):
    path = write(tmp_path / "rows.jsonl", choices(700, {613}))
    mine = recipe(kind="jsonl", path=path, verifier="choice")
    with pytest.raises(SelfCheckError, match=r"^[^\n]*rows\.jsonl, line 613: .*lists only 3 choices"):
        check_tasks(stages_of(mine), load_tasks(mine), verification)


def test_all_are_counted_and_those_alike_are_one_line(tmp_path, verification):
    bad = set(range(5, 305, 10))
    mine = recipe(kind="jsonl", path=write(tmp_path / "rows.jsonl", choices(300, bad)), verifier="choice")
    with pytest.raises(SelfCheckError) as refused:
        check_tasks(stages_of(mine), load_tasks(mine), verification)
    lines = str(refused.value).splitlines()
    assert lines[0] == "30 references cannot be used:"
    assert "rows.jsonl, lines 5, 15, 25, 35 and 26 more: " in lines[1] and "lists only 3 choices" in lines[1]
    assert lines[2].startswith("Mend the source's field mapping")


def test_equal_references_with_other_choices_are_looked_at_apart(tmp_path, verification):
    rows = choices(200, set())
    rows[30] = {"question": "Is it?", "choices": ["yes", "no"], "answer": "C"}
    mine = recipe(kind="jsonl", path=write(tmp_path / "rows.jsonl", rows), verifier="choice")
    with pytest.raises(SelfCheckError, match=r"line 31: .*lists only 2 choices"):
        check_tasks(stages_of(mine), load_tasks(mine), verification)


def test_what_no_response_states_must_still_be_judged(tmp_path, verification):
    rows = [{"prompt": f"Say {n}.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]} for n in range(90)]
    rows[70] |= {"instruction_id_list": ["punctuation:no_coma"]}
    mine = recipe(kind="jsonl", path=write(tmp_path / "rows.jsonl", rows), verifier="instructions")
    with pytest.raises(SelfCheckError, match=r"line 71: no answer can be judged: .*no_coma"):
        check_tasks(stages_of(mine), load_tasks(mine), verification)


def test_calls_of_functions_that_there_are_not(tmp_path, verification):
    tool = {"name": "area", "parameters": {"type": "object", "properties": {"r": {"type": "number"}}}}
    rows = [
        {"question": f"Area of {n}?", "function": [tool], "ground_truth": [{"area": {"r": [n]}}]} for n in range(90)
    ]
    rows[80]["ground_truth"] = [{"volume": {"r": [1]}}]
    mine = recipe(kind="jsonl", path=write(tmp_path / "rows.jsonl", rows), verifier="function_calls")
    with pytest.raises(SelfCheckError, match=r"line 81: .*'volume', which is not among the tools"):
        check_tasks(stages_of(mine), load_tasks(mine), verification)


def test_limits_of_all_programming_tasks_are_looked_at(tmp_path, verification):
    rows = [{"prompt": f"Write f{n}.", "tests": [{"function": "f", "expected": n}]} for n in range(90)]
    rows[80]["limits"] = {"memory_mb": 4096}
    mine = recipe(kind="jsonl", path=write(tmp_path / "rows.jsonl", rows), verifier="code")
    with pytest.raises(ValueError, match=r"line 81: .*limits\.memory_mb 4096"):
        check_tasks(stages_of(mine), load_tasks(mine), verification)


def test_tasks_that_are_made_are_looked_at_as_they_come(verification):
    mine = recipe(kind="gym", family="chain_sum", size=10**9)
    pool = load_tasks(mine)
    assert list(pool.at_hand) == []
    check_tasks(stages_of(mine), pool, verification)
    made = Task(({"role": "user", "content": "Which?"},), "d", "choice", "CD", source="made")
    with pytest.raises(SelfCheckError, match=r"^made, 'Which\?': no answer can be judged"):
        check_references(verification, [made])


def test_rows_that_lack_something_are_all_named(tmp_path):
    rows = [{"prompt": f"{n}?", "answer": "" if n % 10 == 0 else "1"} for n in range(1, 251)]
    with pytest.raises(ValueError, match=r"25 rows of .*rows\.jsonl cannot be read:") as refused:
        load_tasks(recipe(kind="jsonl", path=write(tmp_path / "rows.jsonl", rows)))
    lines = str(refused.value).splitlines()
    assert len(lines) == 2 and "lines 10, 20, 30, 40 and 21 more: field 'answer' is empty" in lines[1]


@pytest.mark.skipif(not (DATA / "gsm8k_train.jsonl").is_file(), reason="gsm8k_train.jsonl is not at ../shared/data")
def test_thousands_of_references_take_well_under_two_seconds(verification):
    fields = {"prompt": "question", "answer": "answer"}
    tasks = list(chain(*load_tasks(recipe(kind="jsonl", path=str(DATA / "gsm8k_train.jsonl"), fields=fields)).at_hand))
    assert len(tasks) == 7_473
    started = time.process_time()
    check_references(verification, tasks)
    assert time.process_time() - started < 1.5


def test_the_call_form_of_a_source_travels_with_its_tasks(tmp_path):
    tool = {"name": "area", "parameters": {"type": "object", "properties": {"r": {"type": "number"}}}}
    rows = [
        {"question": f"Area of {n}?", "function": [tool], "ground_truth": [{"area": {"r": [n]}}]} for n in range(90)
    ]
    path = write(tmp_path / "rows.jsonl", rows)
    for form, expected in (("auto", {}), ("mistral", {"call_form": "mistral"})):
        pool = load_tasks(recipe(kind="jsonl", path=path, verifier="function_calls", call_form=form))
        assert [task.metadata for task in pool.draw(0, 3)] == [expected] * 3
