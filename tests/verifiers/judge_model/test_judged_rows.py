"""Rows of a data set that a judge grades: from the recipe to the verdict."""

import json

import pytest

from ponder.recipe.load import parse_recipe
from ponder.training.data import load_tasks
from ponder.training.references import check_references
from ponder.training.stages.verifying import verification_for
from tests.verifiers.judge_model.asking import RUBRIC, judge_all, parts_of, said, saying

GRADES = json.dumps({"helpful": 5, "brief": 5})


def recipe_of(tmp_path, url: str, **source):
    rows = tmp_path / "letters.jsonl"
    written = [{"prompt": f"Write letter {n}.", "answer": f"{n}", "tone": "warm"} for n in range(40)]
    rows.write_text("".join(json.dumps(row) + "\n" for row in written))
    letters = {"kind": "jsonl", "path": str(rows), "verifier": {"judge": "critic", "rubric": RUBRIC}} | source
    stages = [{"name": "rl", "kind": "rl", "steps": 1}]
    judges = {"critic": {"url": url, "model": "m"}}
    held_out = {"problems": 2, "fraction": 0.3}
    return parse_recipe(
        {"name": "r", "judges": judges, "sources": {"letters": letters}, "held_out": held_out, "stages": stages}
    )


@pytest.mark.parametrize("mode", ["pointwise", "pairwise"])
def test_a_source_of_rows_is_judged_and_tried_on_one_before(fake_openai, tmp_path, mode):
    answer = GRADES if mode == "pointwise" else '{"better": "A"}'
    server = fake_openai(saying(lambda asked: answer))
    asked = {"judge": "critic", "rubric": RUBRIC, "mode": mode}
    recipe = recipe_of(tmp_path, server.url, verifier=asked)
    pool = load_tasks(recipe)
    with verification_for(recipe, []) as verification:
        verification.prepare(task for source in pool.at_hand for task in source)
        check_references(verification, [task for source in pool.at_hand for task in source])
        assert len(server.asked) == (1 if mode == "pointwise" else 2), "one answer is judged before a training"
        (task,) = pool.draw(0, 1)
        (verdict,) = judge_all(verification, [(task, said("Dear all."))])
    assert (task.verifier, task.domain, verdict.score) == ("judge", "letters", 0.5)
    parts = parts_of(server.asked[-1])
    assert parts["question"] == task.question and task.reference in parts.values() and "Dear all." in parts.values()


def test_a_part_of_a_reward_is_not_tried_on_many_references(fake_openai, tmp_path):
    server = fake_openai(saying(lambda asked: GRADES))
    part = {"sum": [{"weight": 1, "of": "task"}, {"weight": 1, "of": {"judge": "critic", "rubric": RUBRIC}}]}
    recipe = recipe_of(tmp_path, server.url, verifier="math", reward=part)
    with verification_for(recipe, []) as verification:
        tasks = [task for source in load_tasks(recipe).at_hand for task in source]
        verification.prepare(tasks)
        check_references(verification, tasks)
    assert len(tasks) == 40 and len(server.asked) == 1
