"""A run that is made longer, one that is refused at its first step, one prompt alone, and the best checkpoint."""

import json
import shutil

import pytest

from ponder.runs.run import Run, place_of
from tests.integration.micro import RECIPE, ponder, write_recipe
from tests.integration.test_train import without_times

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
    assert all(len(row["learner_logprobs"]) == len(row["entropy"]) == len(row["response_ids"]) for row in learned)
    gaps = [abs(a - b) for row in learned for a, b in zip(row["learner_logprobs"], row["logprobs"], strict=True)]
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
    assert len({tuple(row["logprobs"]) for row in first}) > 4, "copies would repeat the 8 of the first place"
    rates = [row["pass_rate"] for row in run.metrics() if row["stage"] == "math"]
    assert sum(rates[-2:]) > sum(rates[:2])
