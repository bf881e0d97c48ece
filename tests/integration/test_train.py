"""The real command line, end to end: a run, its checkpoints and report; stopping, killing and resuming (law 5)."""

import json
import random
import shutil
import signal
import subprocess
import time

import pytest
import torch
import transformers
from safetensors.torch import load_file

from ponder.runs.run import Run
from tests.integration.micro import RECIPE, ponder, spawn, write_recipe


def weights(run) -> dict[str, torch.Tensor]:
    last = Run.open(run).latest_checkpoint()
    return {**load_file(last / "model.safetensors"), **load_file(last / "resume/optimizer.safetensors")}


def without_times(rows: list[dict]) -> list[dict]:
    timed = ("time", "tokens_per_s", "memory")
    return [{k: v for k, v in row.items() if not k.startswith(timed)} for row in rows]


def assert_same_run(one, other):
    """Bit for bit: weights, optimizer, metrics, rollouts and evaluations."""
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    first, second = Run.open(one), Run.open(other)
    assert without_times(first.metrics()) == without_times(second.metrics())
    assert [p.name for p in first.rollout_files()] == [p.name for p in second.rollout_files()]
    for step in range(1, 1 + len(first.rollout_files())):
        assert first.rollouts("math", step) == second.rollouts("math", step)
    for x, y in zip(first.evals(), second.evals(), strict=True):
        assert (x.stage, x.step, x.accuracy, x.samples) == (y.stage, y.step, y.accuracy, y.samples)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One uninterrupted run."""
    directory = tmp_path_factory.mktemp("whole")
    done = ponder("train", write_recipe(directory), "--run", directory / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "run", done.stdout


def test_a_run_answers_everything_about_itself(whole):
    run, output = whole
    assert "Talk to it" in output and "held-out accuracy" in output
    for name in ("recipe.yaml", "lineage.json", "metrics.jsonl", "report.json", "report.html", "curves.png"):
        assert (run / name).stat().st_size > 0
    assert list((run / "events").iterdir())
    rows = Run.open(run).metrics()
    assert [row["step"] for row in rows if row["stage"] == "math"] == list(range(1, 7))
    assert all(row["mismatch/max"] < 1e-4 for row in rows if "mismatch/max" in row), "law 1"
    wanted = {"reward/mean", "reward/sums", "pass_rate", "length/mean", "entropy", "clip_share", "grad_norm"}
    wanted |= {"mismatch/mean", "mismatch/kl", "groups/zero_variance_share", "tokens_per_s/sample", "time/learn_s"}
    assert wanted <= rows[-1].keys()
    assert len(Run.open(run).rollouts("math", 1)) == 96


def test_report_as_json(whole):
    report = json.loads(ponder("report", whole[0], "--json").stdout)
    assert [stage["name"] for stage in report["stages"]] == ["birth", "cold_start", "math"]
    for stage in report["stages"]:
        assert {"name", "accuracy", "interval", "by_domain", "steps", "seconds"} <= stage.keys()
        assert stage["interval"][0] <= stage["accuracy"] <= stage["interval"][1]


def test_every_checkpoint_is_a_hugging_face_model(whole):
    for checkpoint in Run.open(whole[0]).checkpoints():
        model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": "2 + 2 ="}], add_generation_prompt=True, return_tensors="pt"
        )
        ids = ids if isinstance(ids, torch.Tensor) else ids["input_ids"]
        assert tokenizer.decode(ids[0]).endswith("<think>\n")
        assert model.generate(ids, max_new_tokens=4, do_sample=False).shape[1] > ids.shape[1]
        assert model.generation_config.top_k == 40


def test_an_existing_run_is_never_overwritten(whole, tmp_path):
    before = weights(whole[0])
    done = ponder("train", write_recipe(tmp_path), "--run", whole[0])
    assert done.returncode == 2
    assert f"ponder resume {whole[0]}" in done.stderr and "--run NAME" in done.stderr
    assert all(torch.equal(v, before[k]) for k, v in weights(whole[0]).items())


def test_resuming_a_finished_run_changes_nothing(whole):
    before = weights(whole[0])
    done = ponder("resume", whole[0])
    assert done.returncode == 0, done.stderr
    assert all(torch.equal(v, before[k]) for k, v in weights(whole[0]).items())


def test_resuming_on_another_processor_says_that_bits_may_differ(whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    assert "processor is another" not in ponder("resume", run).stdout
    lineage = json.loads((run / "lineage.json").read_text())
    lineage["resumed"][-1]["processor"] = "Another Processor: avx2"
    (run / "lineage.json").write_text(json.dumps(lineage))
    done = ponder("resume", run)
    assert "than that of the run's last steps (Another Processor: avx2)" in " ".join(done.stdout.split())
    assert "processor is another" not in ponder("resume", run).stdout, "it has computed the last steps itself"


def test_with_worker_processes(tmp_path):
    """Sampling and learning over two processes each; that they sample the same tokens is shown in tests/engine."""
    run = tmp_path / "run"
    done = ponder("train", write_recipe(tmp_path), "--run", run, "--set", "engine.workers=2")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [row for row in Run.open(run).metrics() if row["stage"] == "math"]
    assert len(rows) == 6 and all(row["mismatch/max"] < 1e-4 for row in rows), "law 1 across processes"


def test_ctrl_c_saves_and_resume_equals_the_whole(whole, tmp_path):
    run = tmp_path / "run"
    process = spawn("train", write_recipe(tmp_path), "--run", run)
    wait_for(lambda: (run / "metrics.jsonl").exists(), process)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 130, output
    assert f"ponder resume {run}" in output.replace("\n", "")
    done = ponder("resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same_run(run, whole[0])


@pytest.mark.parametrize("after", [0, 1])
def test_ctrl_c_breaks_off_a_long_evaluation_and_resume_equals_the_whole(after, tmp_path):
    """The one before the first step, or the one after all steps, which is made again and nothing else."""
    sums = {"sums": RECIPE["sources"]["sums"] | {"settings": {"min_terms": 2, "max_terms": 2, "max_digits": 3}}}
    held_out = {"problems": 300, "max_tokens": 60, "at_start": not after}
    stages = [RECIPE["stages"][0] | {"steps": 4}]
    recipe = write_recipe(tmp_path, RECIPE | {"sources": sums, "stages": stages, "held_out": held_out})
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert ponder("train", recipe, "--run", whole).returncode == 0
    process = spawn("train", recipe, "--run", run)
    assert next(line for line in iter(process.stdout.readline, "") if "answering 300 held-out problems" in line)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 130 and "the evaluation begins anew, and nothing else" in output, output
    assert not list((run / "evals").glob("*")), "it was not made to its end"
    done = ponder("resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same_run(run, whole)


def test_kill_9_twenty_times_and_resume_equals_the_whole(whole, tmp_path):
    """A killed run loses nothing: at twenty random moments, some before the first checkpoint, some while saving."""
    rng = random.Random(0)
    run, recipe = tmp_path / "run", write_recipe(tmp_path)
    for _ in range(20):
        started = run.exists() and bool(Run.open(run).checkpoints()) if (run / "recipe.yaml").exists() else False
        process = spawn("resume", run) if started else spawn("train", recipe, "--run", fresh(run))
        # From the first sign of work, so that kills fall into the work whatever the speed of the machine.
        wait_for(lambda: (run / "recipe.yaml").exists(), process)
        try:
            process.wait(timeout=rng.uniform(0.0, 4.0))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
    done = ponder("resume", run) if Run.open(run).checkpoints() else ponder("train", recipe, "--run", fresh(run))
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same_run(run, whole[0])


def fresh(run):
    import shutil

    shutil.rmtree(run, ignore_errors=True)
    return run


def wait_for(condition, process, seconds: float = 60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)  # a poll, not a guess: the condition decides
