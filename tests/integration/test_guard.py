"""The guard against forgetting in real runs: what a second stage of RL destroys of the first one's domain is noticed, and undone."""

import json

import pytest
from safetensors.torch import load_file

from ponder.runs.run import Run
from ponder.training.checkpoint import STATE_FILE
from tests.integration.micro import RECIPE, ponder, write_recipe

# Even digits are right in one domain, odd ones in the other: one cannot rise unless the other falls.
JUDGE = "def even(response): return response.strip() in list('02468')\ndef odd(response): return response.strip() in list('13579')\n"
RL = RECIPE["stages"][1] | {
    "steps": 8, "prompts_per_step": 4, "samples_per_prompt": 8, "max_tokens": 8, "refill_prompts": 0, "eval_every": 4,
    "eval_problems": 60, "save_every": 50, "optimizer": {"lr": 3e-3},
}  # fmt: skip


def train(directory, **second):
    rows = {"even": [], "odd": []}
    for name, found in rows.items():
        found += [{"question": f"Say a digit, {name} {number}.", "answer": "1"} for number in range(60)]
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    (directory / "judge.py").write_text(JUDGE)
    chats = [
        {"prompt": row["question"], "completion": str(at % 10), "reasoning": "hm"}
        for found in rows.values()
        for at, row in enumerate(found)
    ]
    (directory / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chats))
    source = {"kind": "files", "prompt": "plain", "fields": {"prompt": "question", "answer": "answer"}}
    sources = {
        name: source | {"path": f"{name}.jsonl", "verifier": {"python": f"judge.py:{name}"}} for name in ("even", "odd")
    }
    cold = RECIPE["stages"][0] | {"demonstrations": {"path": "chats.jsonl"}, "steps": 60}
    stages = [
        cold,
        RL | {"name": "first", "mixture": {"even": 1}},
        RL | {"name": "second", "mixture": {"odd": 1}} | second,
    ]
    held_out = {"problems": 40, "fraction": 0.5}
    recipe = RECIPE | {"sources": sources, "held_out": held_out, "stages": stages}
    return ponder("train", write_recipe(directory, recipe), "--run", "run", cwd=directory)


def accuracy(run: Run, stage: str, domain: str) -> float:
    return [result for result in run.evals() if result.stage == stage][-1].by_domain[domain].accuracy


def weights(run: Run, stage: str):
    return load_file(next(c for c in run.checkpoints() if c.name.startswith(stage)) / "model.safetensors")


def test_a_stage_that_destroys_an_earlier_domain_ends_with_the_weights_before(tmp_path):
    done = train(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    run = Run.open(tmp_path / "run")
    assert accuracy(run, "first", "even") > 0.8, "the first stage has brought something"
    said = " ".join(done.stdout.split())
    assert "second step 4: even fell by" in said and "The stage ends with the weights of first step 8" in said
    assert accuracy(run, "second", "even") == accuracy(run, "first", "even"), "which is evaluated again"
    first, second = weights(run, "first"), weights(run, "second")
    assert all((first[name] == second[name]).all() for name in first)
    state = json.loads((run.latest_checkpoint() / STATE_FILE).read_text())
    assert state["done"] and state["step"] == 4 and "even fell by" in state["rolled_back"]
    again = ponder("resume", "run", cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len([r for r in Run.open(tmp_path / "run").metrics() if r["stage"] == "second"]) == 4, "it had ended"


@pytest.mark.parametrize("guard", [None, {"stop": False}])
def test_a_stage_may_be_allowed_to(tmp_path, guard):
    done = train(tmp_path, guard=guard)
    assert done.returncode == 0, done.stdout + done.stderr
    run = Run.open(tmp_path / "run")
    assert accuracy(run, "second", "even") < accuracy(run, "first", "even") - 0.3
    assert accuracy(run, "second", "odd") > 0.5
    said = " ".join(done.stdout.split())
    assert ("It goes on, since stages.second.guard.stop is false" in said) is (guard is not None)
