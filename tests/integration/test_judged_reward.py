"""Models that grade in real runs and in `ponder verify`: they train, they pause a run, and a resume asks nothing twice."""

import json
import random
import shutil
from pathlib import Path

import yaml

from ponder.runs.run import Run
from tests.integration.micro import RECIPE, ponder, write_recipe
from tests.verifiers.judge_model.asking import asked_items, parts_of, saying

COLD, RL = RECIPE["stages"]
RUBRIC = [{"name": name, "question": f"Is it {name}?"} for name in ("right", "brief", "clear", "kind")]
JUDGED = {"judge": "critic", "rubric": RUBRIC, "drop": 0.5}
TRIAL = "I do not know."


def recipe(directory: Path, url: str) -> Path:
    sums = RECIPE["sources"]["sums"] | {"reward": {"sum": [{"weight": 3, "of": "task"}, {"weight": 1, "of": JUDGED}]}}
    rl = RL | {"steps": 2, "prompts_per_step": 3, "samples_per_prompt": 4, "refill_prompts": 0, "eval_every": 0}
    stages = [COLD | {"steps": 20}, rl | {"save_every": 1, "error_budget": 0.0}]
    held_out = {"problems": 2, "fraction": 0.3, "at_start": False}
    judges = {"critic": {"url": url, "model": "m"}}
    return write_recipe(
        directory, RECIPE | {"sources": {"sums": sums}, "stages": stages, "held_out": held_out, "judges": judges}
    )


def graded_at_random(asked) -> str:
    """Another grade for each request, also for equal ones."""
    return json.dumps({name: random.randint(0, 10) for name in asked_items(asked)})


def told_by_trials_alone(asked) -> str:
    return graded_at_random(asked) if parts_of(asked)["answer"] == TRIAL else "out of order"


def recorded(run: Path) -> list:
    kept = ("task_id", "response_ids", "score", "reason", "parts", "reward", "advantage")
    return [[str(row[name]) for name in kept] for step in (1, 2) for row in Run.open(run).rollouts("math", step)]


def test_a_judge_trains_pauses_a_run_where_it_fails_and_is_not_asked_twice(fake_openai, tmp_path):
    broken, good = fake_openai(saying(told_by_trials_alone)), fake_openai(saying(graded_at_random))
    run = tmp_path / "run"
    done = ponder("train", recipe(tmp_path, broken.url), "--run", run)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Paused. math step 1: the verifier critic failed on" in " ".join(done.stdout.split())
    assert "critic: it does not end with a JSON object: 'out of order'" in Run.open(run).failures()[0]["reason"]

    done = ponder("resume", run, "--set", f"judges.critic.url={good.url}", "--set", "judges.critic.model=better")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [row for row in Run.open(run).metrics() if row["stage"] == "math"]
    assert [row["step"] for row in rows] == [1, 2]
    assert all(row["verifier/critic/verdicts"] > 0 and row["verifier/critic/error"] == 0.0 for row in rows)
    assert all(0.0 < row["part/critic"] < 1.0 for row in rows)
    asked = [tuple(asked_items(one)) for one in good.asked if parts_of(one)["answer"] != TRIAL]
    assert {len(items) for items in asked} >= {4}, "held-out answers are judged by all items"
    assert 2 <= len(set(asked)) <= 3, "each step by its own"
    assert len(good.asked) <= 2 * 12 + 2 + 1, "two steps, two held out, a trial"

    # The steps once more, from where they began: what was answered is on disk, and nothing else differs.
    again = tmp_path / "again"
    shutil.copytree(run, again)
    for checkpoint in Run.open(again).checkpoints():
        if checkpoint.name.startswith("math"):
            shutil.rmtree(checkpoint)
    before = len(good.asked)
    done = ponder("resume", again)
    assert done.returncode == 0, done.stdout + done.stderr
    assert recorded(again) == recorded(run)
    assert {parts_of(one)["answer"] for one in good.asked[before:]} == {TRIAL}


def test_a_judge_that_cannot_judge_is_refused_before_anything_begins(fake_openai, tmp_path):
    server = fake_openai(saying(lambda asked: "I would rather not."))
    done = ponder("train", recipe(tmp_path, server.url), "--run", tmp_path / "run")
    assert done.returncode not in (0, 3) and not (tmp_path / "run").exists()
    said = " ".join(done.stderr.split())
    assert "judges.critic: it must judge before anything begins" in said and "I would rather not." in said


def test_a_file_is_judged_by_a_judge_and_its_answers_are_kept(fake_openai, tmp_path):
    def grade(asked) -> str:
        assert parts_of(asked)["question"] == "Say hello."
        return json.dumps(dict.fromkeys(asked_items(asked), 10 if parts_of(asked)["answer"] == "Hello." else 5))

    server = fake_openai(saying(grade))
    judge, rows = tmp_path / "critic.yaml", tmp_path / "answers.jsonl"
    judge.write_text(yaml.safe_dump({"url": server.url, "model": "m", "rubric": RUBRIC}))
    answers = [{"prompt": "Say hello.", "response": text} for text in ("Hello.", "Oh, hello there.")]
    rows.write_text("".join(json.dumps(row) + "\n" for row in answers))
    for _ in range(2):
        done = ponder("verify", rows, "--verifier", judge, "--answers", tmp_path / "kept.jsonl", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        verdicts = [json.loads(line) for line in done.stdout.splitlines()]
        assert [(v["status"], v["score"]) for v in verdicts] == [("correct", 1.0), ("wrong", 0.5)]
        assert [part["name"] for part in verdicts[0]["parts"]] == ["right", "brief", "clear", "kind"]
    assert len(server.asked) == 3, "two answers and the trial"

    judge.write_text(yaml.safe_dump({"url": server.url, "rubrik": RUBRIC}))
    done = ponder("verify", rows, "--verifier", judge)
    said = " ".join(done.stderr.split())
    assert done.returncode not in (0, 1) and "rubrik: there is no such field; did you mean `rubric`?" in said, said
