"""Prompts against the context: all rows at hand are measured, counted and named before the first step."""

import json

import pytest

from ponder.recipe.load import parse_recipe
from ponder.training.birth import birth_texts, give_birth
from ponder.training.data import load_tasks
from ponder.training.prompts import check_prompts_fit, check_token_budget, load_fitting_tasks
from ponder.training.references import SelfCheckError
from ponder.training.stages.kinds import stages_of

ROWS = [{"prompt": "Say 4. " * (30 if n % 50 == 7 else 1) + f"{n}?", "answer": "4"} for n in range(200)]
LONG = [8, 58, 108, 158]  # lines


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def recipe(path, **fields):
    sources = {"mine": {"kind": "jsonl", "path": str(path), "prompt": "plain"}}
    stages = [{"name": "math", "kind": "rl", "steps": 1, "max_tokens": 40}]
    return parse_recipe({"name": "t", "sources": sources, "stages": stages, "held_out": {"problems": 9}} | fields)


@pytest.fixture(scope="module")
def renderer(path):
    mine = recipe(path)
    pool = load_tasks(mine)
    return give_birth(mine.model.birth, 0, birth_texts(pool, stages_of(mine), 50), "cpu")[1]


def test_those_without_room_for_an_answer_are_named_by_line(path, renderer):
    pool = load_tasks(recipe(path))
    with pytest.raises(SelfCheckError) as refused:
        check_prompts_fit(pool, [], renderer, longest_answer=180, context=220)
    said = str(refused.value)
    assert said.startswith("4 prompts are too long:")
    assert [
        int(line.split("line ")[1].split(":")[0]) for line in said.splitlines() if "tokens" in line and "line " in line
    ] == LONG
    assert "max_prompt_tokens: 40" in said and "Lower max_tokens to" in said
    lowered = int(said.split("max_tokens to ")[1].split()[0])
    check_prompts_fit(pool, [], renderer, longest_answer=lowered, context=220)
    with pytest.raises(SelfCheckError):
        check_prompts_fit(pool, [], renderer, longest_answer=lowered + 1, context=220)
    with pytest.raises(SelfCheckError, match=r"leaves 90 for a prompt\. Leave these rows out"):
        check_prompts_fit(pool, [], renderer, longest_answer=10, context=100)


def test_a_token_budget_that_some_do_not_fit_is_refused_with_one_that_all_do(path, renderer):
    pool = load_tasks(recipe(path))
    with pytest.raises(SelfCheckError) as refused:
        check_token_budget(pool, [], renderer, longest_answer=40, budget=200, processes=2)
    said = str(refused.value)
    assert said.startswith("4 prompts do not fit the engine:") and "line 8: " in said
    assert "engine.token_budget is 200, of which 2 sampling processes have 100 each" in said
    assert "with max_tokens 40 that leaves 60 for a prompt" in said
    enough = int(said.split("Set engine.token_budget to ")[1].split()[0])
    check_token_budget(pool, [], renderer, longest_answer=40, budget=enough, processes=2)
    with pytest.raises(SelfCheckError, match="2 prompts do not fit the engine"):
        check_token_budget(pool, [], renderer, longest_answer=40, budget=enough - 2, processes=2)
    with pytest.raises(SelfCheckError, match="200 prompts do not fit"):
        check_token_budget(pool, [], renderer, longest_answer=40, budget=64, processes=2)


def test_longer_ones_are_left_out_on_wish_and_said(path, renderer):
    said = []
    limited = recipe(path, max_prompt_tokens=40)
    pool = load_fitting_tasks(limited, load_tasks(limited), renderer, said.append)
    assert sum(map(len, pool.at_hand)) == 196 and "4 rows are left out" in said[0] and "line 58" in said[0]
    longest = max(len(renderer.render(t.messages, t.tools).ids) for t in [*pool.draw(0, 400), *pool.held_out])
    assert longest <= 40
    check_prompts_fit(pool, [], renderer, longest_answer=60, context=100)


def test_nothing_left_is_refused(path, renderer):
    limited = recipe(path, max_prompt_tokens=3)
    with pytest.raises(ValueError, match=r"sources\.mine: every row was left out"):
        load_fitting_tasks(limited, load_tasks(limited), renderer, lambda said: None)
