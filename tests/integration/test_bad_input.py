"""What users get wrong, through the real command line: exit code 2, one clear message, nothing lost."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from ponder.runs.run import Run
from tests.integration.micro import RECIPE, ponder, write_recipe
from tests.model.families import make_checkpoint


def refused(done, *fragments):
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for fragment in fragments:
        assert fragment in done.stderr


def with_source(tmp_path, **source):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE | {"sources": {"mine": source}, "stages": RECIPE["stages"][1:]}))
    return path


def test_recipe_that_is_not_there():
    refused(ponder("train", "recipes/tinny.yaml"), "no recipe at recipes/tinny.yaml", "did you mean recipes/tiny.yaml?")


def test_misspelt_key_and_nothing_is_created(tmp_path):
    recipe = write_recipe(tmp_path)
    done = ponder("train", recipe, "--run", tmp_path / "run", "--set", "stages.math.step=3")
    refused(done, "stages.math.step", "did you mean `steps`?")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("", ["problems.jsonl", "holds no task"]),
        ('{"prompt": "1 + 1", "answer": "2"}\n{"prompt": \n', ["problems.jsonl, line 2"]),
        ('{"question": "1 + 1", "answer": "2"}\n', ["problems.jsonl, line 1", "no field 'prompt'", "question"]),
    ],
)
def test_malformed_problems_are_named_by_line(tmp_path, text, fragments):
    (tmp_path / "problems.jsonl").write_text(text)
    recipe = with_source(tmp_path, kind="jsonl", path=str(tmp_path / "problems.jsonl"))
    refused(ponder("train", recipe, "--run", tmp_path / "run"), "sources.mine", *fragments)


def test_bad_references_are_listed_and_nothing_is_left_behind(tmp_path):
    rows = [
        {"question": f"{n}?", "choices": ["a", "b"], "answer": "C" if n in (40, 90) else "B"} for n in range(1, 121)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = with_source(tmp_path, kind="jsonl", path=str(tmp_path / "rows.jsonl"), verifier="choice")
    done = ponder("train", recipe, "--run", tmp_path / "run")
    refused(done, "2 references cannot be used", "rows.jsonl, line 40: ", "rows.jsonl, line 90: ", "only 2 choices")
    assert not (tmp_path / "run").exists()


def test_unknown_gym_family(tmp_path):
    recipe = with_source(tmp_path, kind="gym", family="chain_sums")
    refused(ponder("train", recipe, "--run", tmp_path / "run"), "sources.mine", "chain_sum")


def test_task_in_both_parts_stops_the_run(tmp_path):
    row = '{"prompt": "What is 1 + 1?", "answer": "2"}\n'
    (tmp_path / "a.jsonl").write_text(row + '{"prompt": "What is 2 + 2?", "answer": "4"}\n')
    (tmp_path / "b.jsonl").write_text(row)
    sources = {
        "a": {"kind": "jsonl", "path": str(tmp_path / "a.jsonl"), "part": "train"},
        "b": {"kind": "jsonl", "path": str(tmp_path / "b.jsonl"), "part": "held_out"},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE | {"sources": sources, "stages": RECIPE["stages"][1:]}))
    refused(ponder("train", path, "--run", tmp_path / "run"), "in both the training and the held-out part", "1 + 1")


def test_checkpoint_without_template_or_tokenizer(tmp_path):
    make_checkpoint("qwen2", tmp_path / "model")
    recipe = write_recipe(tmp_path)
    done = ponder("train", recipe, "--run", tmp_path / "run", "--set", f"model.path={tmp_path / 'model'}")
    refused(done, "no tokenizer.json")
    refused(ponder("generate", tmp_path / "model", "hello"), "no tokenizer.json")
    refused(ponder("chat", tmp_path / "nowhere"), "neither a checkpoint")


def test_prompt_longer_than_the_context(tmp_path):
    rows = [{"prompt": "What is " + "1 + " * 200 + f"{i}?", "answer": str(200 + i)} for i in range(30)]
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = with_source(tmp_path, kind="jsonl", path=str(tmp_path / "long.jsonl"))
    done = ponder("train", recipe, "--run", tmp_path / "run", "--set", "held_out.problems=2")
    refused(done, "30 prompts are too long", "context of 128", "max_prompt_tokens: 104")
    assert not (tmp_path / "run").exists()


def test_a_token_budget_that_nothing_fits(tmp_path):
    done = ponder("train", write_recipe(tmp_path), "--run", tmp_path / "run", "--set", "engine.token_budget=64")
    refused(
        done,
        "prompts do not fit the engine",
        "engine.token_budget is 64: with max_tokens 24",
        "Set engine.token_budget",
    )
    assert not (tmp_path / "run").exists()


def test_a_run_that_cannot_learn_does_not_start(tmp_path):
    """Without a cold start a newborn never answers: the self-check says so, and names the remedy."""
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE | {"stages": RECIPE["stages"][1:]}))
    done = ponder("train", path, "--run", tmp_path / "run")
    refused(done, "training cannot learn", "in none of 12 groups do the rewards differ", "Mostly")
    assert "cold-start stage" in done.stderr or "raise max_tokens" in done.stderr
    assert not (tmp_path / "run").exists(), "the next try finds nothing in its way"


def test_references_that_their_verifier_rejects_stop_the_run(tmp_path):
    rows = [{"prompt": f"What is {i} + {i}?", "answer": "\\boxed{}"} for i in range(40)]
    (tmp_path / "bad.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = with_source(tmp_path, kind="jsonl", path=str(tmp_path / "bad.jsonl"))
    done = ponder("train", recipe, "--run", tmp_path / "run", "--set", "held_out.problems=4")
    refused(done, "40 references cannot be used", "bad.jsonl", "Mend the source's field mapping")


def test_full_disk_loses_nothing(tmp_path):
    """The disk fills up in the middle of training: a clear error, and the run resumes once there is room."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        done = ponder("train", write_recipe(tmp_path), "--run", disk / "run")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "disk" in done.stderr.lower() or "space" in done.stderr.lower()
        assert "Traceback" not in done.stderr
        assert Run.open(disk / "run").latest_checkpoint() is not None
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        resumed = ponder("resume", disk / "run")
        assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("size", ["100k", "4k"], ids=["no room for a first checkpoint", "for nothing"])
def test_full_disk_at_the_start_leaves_nothing_behind(tmp_path, size):
    """There is nothing to resume: what is said, and what is done, is to start again."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        done = ponder("train", write_recipe(tmp_path), "--run", disk / "run")
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stdout + done.stderr
        assert "Nothing had been saved before: make room" in done.stderr and "resume" not in done.stderr
        assert not (disk / "run").exists()
    finally:
        subprocess.run(["umount", disk], check=True)


def test_what_the_machine_refuses_is_said_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    done = ponder("train", write_recipe(tmp_path), "--run", tmp_path / "file" / "run")
    assert done.returncode != 0 and done.stderr.strip() == f"ponder: {tmp_path}/file/run: not a directory"


def test_two_trainers_never_share_a_run(tmp_path):
    run = Run.create(tmp_path / "run", "name: x\n", {"resumed": []})
    try:
        done = ponder("resume", tmp_path / "run")
        assert done.returncode == 2 and "Traceback" not in done.stderr
    finally:
        run.close()


def test_broken_output_pipe_is_no_traceback():
    command = f"{sys.executable} -m ponder.cli.main model describe qwq-32b --json | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stdout.strip() == "{" and "Traceback" not in done.stderr
