"""A run that is made longer, one that is refused at its first step, one prompt alone, and the best checkpoint."""

import json
import shutil

import pytest

from ponder.runs.run import Run, place_of
from tests.integration.micro import RECIPE, ponder, spawn, write_recipe
from tests.integration.test_train import wait_for, without_times

COLD, MATH = RECIPE["stages"]
SHORT = RECIPE | {"stages": [COLD | {"steps": 60}, MATH | {"steps": 2, "eval_every": 1, "keep_best": True}]}


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    directory = tmp_path_factory.mktemp("short")
    done = ponder("train", write_recipe(directory, SHORT), "--run", directory / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "run"


def test_a_finished_run_is_made_longer(short, tmp_path):
    """As long as one that was asked for so many steps at once, with the same numbers."""
    run = tmp_path / "run"
    shutil.copytree(short, run)
    refused = ponder("resume", run, "--set", "stages.cold_start.steps=70")
    assert refused.returncode == 2 and "stage cold_start has ended" in refused.stderr
    done = ponder("resume", run, "--set", "stages.math.steps=4", "--set", "engine.max_rows=64")
    assert done.returncode == 0, done.stdout + done.stderr
    longer = SHORT | {"stages": [SHORT["stages"][0], SHORT["stages"][1] | {"steps": 4}]}
    whole = ponder("train", write_recipe(tmp_path, longer), "--run", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert without_times(Run.open(run).metrics()) == without_times(Run.open(tmp_path / "whole").metrics())
    noted = json.loads((run / "lineage.json").read_text())["resumed"][-1]["changed"]
    assert noted["stages.math.steps"] == [2, 4]


def test_rollouts_keep_what_looking_needs(short):
    rows = Run.open(short).rollouts("math", 2)
    learned = [row for row in rows if row["advantage"] is not None]
    teaching = {row["group"] for row in learned if row["advantage"]}
    computed = [row for row in learned if row["learner_logprobs"] is not None]
    assert computed and {row["group"] for row in computed} == (teaching or {learned[0]["group"]})
    assert all(len(row["learner_logprobs"]) == len(row["entropy"]) == len(row["response_ids"]) for row in computed)
    gaps = [abs(a - b) for row in computed for a, b in zip(row["learner_logprobs"], row["logprobs"], strict=True)]
    assert max(gaps) < 1e-4, "law 1, token by token"
    assert {row["weights_version"] for row in rows} == {1} and {row["stop_reason"] for row in rows} <= {
        "stop",
        "length",
    }
    assert all(json.loads(row["reward_parts"]) == {"score": row["reward"]} for row in learned)


def test_the_best_checkpoint_is_kept(tmp_path):
    stages = [COLD, MATH | {"steps": 6, "eval_every": 1, "keep_best": True, "keep_checkpoints": 1, "save_every": 6}]
    done = ponder("train", write_recipe(tmp_path, RECIPE | {"stages": stages}), "--run", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    run = Run.open(tmp_path / "run")
    on_the_way = [e for e in run.evals() if e.stage == "math" and e.step < 6]
    best = max(on_the_way, key=lambda e: (e.accuracy, -e.step)).step
    assert [step for stage, step in map(place_of, run.checkpoints()) if stage == "math"] == sorted({best, 6})


def test_what_is_refused_at_the_first_step_leaves_no_directory(tmp_path):
    newborn = RECIPE | {"stages": [MATH]}
    for _ in range(2):  # the second try finds nothing in its way
        done = ponder("train", write_recipe(tmp_path, newborn), "--run", tmp_path / "run")
        assert done.returncode == 2 and "training cannot learn" in done.stderr, done.stdout + done.stderr
        assert not (tmp_path / "run").exists()


def test_a_later_stage_that_is_refused_keeps_what_was_learned(tmp_path):
    stages = [COLD | {"steps": 2}, MATH | {"max_tokens": 2}]
    done = ponder("train", write_recipe(tmp_path, RECIPE | {"stages": stages}), "--run", tmp_path / "run")
    assert done.returncode == 2 and "What has not begun may still be changed" in done.stderr, done.stderr
    assert [stage for stage, _ in map(place_of, Run.open(tmp_path / "run").checkpoints())] == ["birth", "cold_start"]


def test_one_shot_rlvr(tmp_path):
    """One prompt, asked as often as a step has places: all answers are samples of their own, and it is learned."""
    row = {"prompt": "State the value of 2 + 3 =", "answer": "5"}
    (tmp_path / "one.jsonl").write_text(json.dumps(row))
    sources = RECIPE["sources"] | {
        "one": {"kind": "jsonl", "path": str(tmp_path / "one.jsonl"), "part": "train", "prompt": "plain"}
    }
    sources["sums"] = sources["sums"] | {"part": "held_out"}
    stages = [
        COLD | {"steps": 80, "demonstrations": {"path": str(tmp_path / "chats.jsonl")}},
        MATH | {"steps": 8, "prompts_per_step": 3, "micro_batch_tokens": 128, "eval_every": 0, "refill_prompts": 0},
    ]
    chats = [
        {"messages": [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": f"\\boxed{{{n}}}"}]}
        for n in range(3, 8)
    ]
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    made = RECIPE | {"sources": sources, "stages": stages}
    done = ponder("train", write_recipe(tmp_path, made), "--run", tmp_path / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    run = Run.open(tmp_path / "run")
    first = run.rollouts("math", 1)
    assert len(first) == 24 and {row["task_id"] for row in first} == {first[0]["task_id"]}
    by_group = [[row["logprobs"] for row in first if row["group"] == g] for g in range(3)]
    assert by_group[0] != by_group[1] != by_group[2] != by_group[0], "no group is a copy of another"
    rates = [row["pass_rate"] for row in run.metrics() if row["stage"] == "math"]
    assert sum(rates[-2:]) > sum(rates[:2])


def test_a_longer_run_that_is_killed_before_it_saves_stays_longer(short, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(short, run)
    settings = (
        "--set",
        "stages.math.steps=400",
        "--set",
        "stages.math.save_every=1000",
        "--set",
        "stages.math.eval_every=0",
        "--set",
        "stages.math.keep_best=false",
    )
    process = spawn("resume", run, *settings)
    wait_for(lambda: Run.open(run).metrics()[-1]["step"] > 3, process)
    process.kill()
    process.communicate()
    assert Run.open(run).latest_checkpoint().name == "math-000002"
    done = ponder("resume", run, "--set", "stages.math.steps=3")
    assert done.returncode == 0 and Run.open(run).latest_checkpoint().name == "math-000003", done.stdout + done.stderr


def test_a_stage_may_end_where_it_stands(tmp_path):
    stages = [COLD | {"steps": 400, "save_every": 10}]
    process = spawn("train", write_recipe(tmp_path, RECIPE | {"stages": stages}), "--run", tmp_path / "run")
    run = tmp_path / "run"
    wait_for(
        lambda: run.exists() and len(Run.open(run).checkpoints()) > 1 if (run / "recipe.yaml").exists() else False,
        process,
    )
    process.kill()
    process.communicate()
    step = place_of(Run.open(run).latest_checkpoint())[1]
    done = ponder("resume", run, "--set", f"stages.cold_start.steps={step}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert place_of(Run.open(run).latest_checkpoint()) == ("cold_start", step)
    assert (run / "report.json").exists()


def test_a_refused_run_leaves_a_directory_that_was_there(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    done = ponder("train", write_recipe(tmp_path, RECIPE | {"stages": [MATH]}), "--run", tmp_path / "link")
    assert done.returncode == 2 and "training cannot learn" in done.stderr, done.stderr
    assert list((tmp_path / "real").iterdir()) == [] and (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("truncated", ["mask", "wrong"])
def test_several_updates_a_step_with_importance_sampling(tmp_path, truncated):
    """Also where every answer is cut off and masked: the step is recorded, and teaches nothing."""
    objective = {"name": "grpo", "kl": 0.01, "kl_estimator": "unbiased", "tis_cap": 2, "dual_clip": 3}
    math = MATH | {"steps": 2, "updates_per_step": 3, "objective": objective, "truncated": truncated, "eval_every": 0}
    recipe = RECIPE | {"stages": [COLD | {"steps": 60}, math]}
    done = ponder("train", write_recipe(tmp_path, recipe), "--run", tmp_path / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [row for row in Run.open(tmp_path / "run").metrics() if row["stage"] == "math"]
    assert all(row["mismatch/max"] < 1e-4 for row in rows), "what the policy learned in between is no mismatch"
    assert rows[0]["ratio/max"] > 1 and rows[0]["kl"] > 0 and rows[0]["tis/weight_mean"] == pytest.approx(1, abs=1e-4)
