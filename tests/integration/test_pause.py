"""A verifier that truly fails: the run pauses, says why and how to go on, and the command that it names does go on."""

import json
import shutil

import pytest

from ponder.runs.run import Run
from tests.integration.micro import RECIPE, ponder, spawn, write_recipe
from tests.integration.test_train import assert_same_run, wait_for

ROWS = [(a, 60 + a) for a in range(10, 40)]
DAMAGED = [{"prompt": f"Add {a} + {b} =", "answer": [""]} for a, b in ROWS]  # passes as a row; no answer is in it
SOUND = [{"prompt": f"Add {a} + {b} =", "answer": str(a + b)} for a, b in ROWS]
# One prompt in 26 is of the second source; the first of them comes in the second step of RL.
TWO_SOURCES = RECIPE | {
    "sources": RECIPE["sources"]
    | {"mine": {"kind": "jsonl", "path": "tasks.jsonl", "part": "train", "weight": 0.04, "prompt": "plain"}}
}


def train(directory, rows: list[dict], *overrides: str):
    """Train the recipe in a directory of its own, where its tasks lie; the run is `run` in there.

    No training begins with references that cannot be used, so the file is damaged while it is interrupted.
    """
    directory.mkdir(exist_ok=True)
    settings = [part for override in overrides for part in ("--set", override)]
    arguments = ("train", write_recipe(directory, TWO_SOURCES), "--run", "run", *settings)
    write_rows(directory, SOUND)
    if rows is SOUND:
        return ponder(*arguments, cwd=directory)
    process = spawn(*arguments, cwd=directory)
    run = directory / "run"
    wait_for(lambda: (run / "recipe.yaml").exists() and Run.open(run).checkpoints(), process)
    process.kill()
    process.communicate()
    write_rows(directory, rows)
    return ponder("resume", "run", cwd=directory)


def write_rows(directory, rows: list[dict]) -> None:
    (directory / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def paused(tmp_path_factory):
    """A run that has paused itself. Tests go on from copies of its directory."""
    directory = tmp_path_factory.mktemp("paused")
    return directory, train(directory, DAMAGED)


def copy_of(paused, tmp_path):
    shutil.copytree(paused[0], tmp_path / "copy")
    return tmp_path / "copy"


def test_the_run_is_saved_and_says_what_happened(paused):
    directory, done = paused
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert Run.open(directory / "run").lineage["rows"] == {"mine": 30}, "of sources that are at hand whole"
    said = " ".join(done.stdout.split())
    assert "Paused. math step 2: the verifier math failed on 8 of its last" in said
    assert "more than stages.math.error_budget (0.01) allows" in said
    assert "needs a reference answer" in said and "Add" in said, "a sample is shown"
    run = Run.open(directory / "run")
    assert run.latest_checkpoint().name == "math-000001", "save_every is 2, and the step before is saved nevertheless"
    assert [row["step"] for row in run.metrics() if row["stage"] == "math"] == [1], "nothing of the step is recorded"
    assert (run.lineage["paused"]["stage"], run.lineage["paused"]["step"]) == ("math", 1)
    failures = run.failures()
    assert len(failures) == 8
    for row in failures:
        assert (row["stage"], row["step"], row["during"]) == ("math", 2, "training")
        assert (row["verifier"], row["status"]) == ("math", "error") and row["question"].startswith("Add")
        assert row["answer"] and row["task_id"] and row["reference"] == '[""]'


def test_the_report_shows_that_and_why_it_paused(paused, tmp_path):
    copy = copy_of(paused, tmp_path)
    done = ponder("report", "run", cwd=copy)
    assert done.returncode == 0 and "Paused. math step 2" in done.stdout and "ponder resume run" in done.stdout
    page = (copy / "run" / "report.html").read_text()
    assert "This run has paused itself. math step 2" in page and "Where verifiers failed" in page


def test_the_raised_budget_that_it_names_goes_on(paused, tmp_path):
    """As a run that tolerated as much from the start: the same weights, metrics, rollouts, evaluations, failures."""
    copy = copy_of(paused, tmp_path)
    again = ponder("resume", "run", cwd=copy)
    assert again.returncode == 3, "nothing has changed, so it pauses again"
    command = next(line for line in paused[1].stdout.splitlines() if "--set stages.math.error_budget=" in line)
    raised = command.partition("ponder resume run --set ")[2]
    done = ponder("resume", "run", "--set", raised, cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert train(tmp_path / "tolerant", DAMAGED, raised).returncode == 0
    assert_same_run(copy / "run", tmp_path / "tolerant" / "run")
    resumed, tolerant = Run.open(copy / "run"), Run.open(tmp_path / "tolerant" / "run")
    assert len(resumed.failures()) > 8 and resumed.failures() == tolerant.failures()
    assert resumed.recipe_text == tolerant.recipe_text, "what was changed holds for later resumptions too"
    rows = {row["step"]: row for row in resumed.metrics() if row["stage"] == "math"}
    assert rows[1]["verifier/math/error"] == 0 and rows[2]["verifier/math/timeout"] == 0
    assert rows[2]["verifier/math/error"] == 8 / rows[2]["verifier/math/verdicts"]
    both = (
        f"failed on 8 of its last {rows[1]['verifier/math/verdicts'] + rows[2]['verifier/math/verdicts']:.0f} answers"
    )
    assert both in paused[1].stdout and both in again.stdout, "the window goes with the checkpoint"
    assert rows[2]["refill/prompts"] > 0, "groups that teach nothing, such as one whose verdicts failed, are replaced"
    assert rows[2]["verifier/math/verdicts"] == 8 * (12 + rows[2]["refill/prompts"]), "and counted all the same"
    entry = resumed.lineage["resumed"][-1]
    assert entry["changed"] == {"stages.math.error_budget": [0.01, float(raised.partition("=")[2])]}
    assert resumed.lineage["resumed"][1]["paused"]["step"] == 1 and "paused" not in resumed.lineage
    assert "Where verifiers failed" in (copy / "run" / "report.html").read_text()


def test_mended_it_goes_on_as_if_nothing_had_been(paused, tmp_path):
    copy = copy_of(paused, tmp_path)
    write_rows(copy, SOUND)
    done = ponder("resume", "run", cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tasks.jsonl has changed (sha256" in done.stdout and "put the old files back" in done.stdout
    resumptions = Run.open(copy / "run").lineage["resumed"]
    before, after = (entry["changed"]["data_files/tasks.jsonl"] for entry in resumptions)
    assert before == after[::-1], "damaged after the start, mended since"
    assert train(tmp_path / "sound", SOUND).returncode == 0
    assert_same_run(copy / "run", tmp_path / "sound" / "run")
    assert Run.open(copy / "run").failures() == []


def test_from_another_directory_its_files_are_found(paused, tmp_path):
    copy = copy_of(paused, tmp_path)
    done = ponder("resume", copy / "run", cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"read from where the run was started: {paused[0]}" in done.stdout and "has changed" not in done.stdout


def test_what_was_learned_from_cannot_be_changed(paused, tmp_path):
    copy = copy_of(paused, tmp_path)
    before = (copy / "run" / "lineage.json").read_text()
    for override in ("stages.math.samples_per_prompt=4", "seed=4"):
        done = ponder("resume", "run", "--set", override, cwd=copy)
        said = done.stderr
        assert (
            done.returncode == 2
            and override.partition("=")[0] in said
            and "what has been learned depends on it" in said
        )
    assert (copy / "run" / "lineage.json").read_text() == before


def test_a_gradient_that_is_not_finite_pauses_too(tmp_path):
    cold_start = RECIPE["stages"][0] | {"steps": 4, "optimizer": {"lr": 1e8}}
    recipe = RECIPE | {"stages": [cold_start], "held_out": RECIPE["held_out"] | {"max_tokens": 24}}
    done = ponder("train", write_recipe(tmp_path, recipe), "--run", tmp_path / "run")
    assert done.returncode == 3, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "Traceback" not in done.stderr and "nothing was updated" in said
    assert f"ponder resume {tmp_path}/run --set stages.cold_start.optimizer.lr=5e+07" in said
    done = ponder("resume", tmp_path / "run", "--set", "stages.cold_start.optimizer.lr=0.01")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_model_that_is_not_finite_after_an_update_pauses_too(tmp_path):
    """Such a model would neither be sampled from nor be worth a checkpoint: it is the last one before it that is kept."""
    cold_start = RECIPE["stages"][0] | {"steps": 1, "optimizer": {"lr": 1e30, "warmup_steps": 0}}
    recipe = RECIPE | {"stages": [cold_start], "held_out": RECIPE["held_out"] | {"max_tokens": 24}}
    done = ponder("train", write_recipe(tmp_path, recipe), "--run", tmp_path / "run")
    assert done.returncode == 3, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "Traceback" not in done.stderr and "Paused. cold_start step 1: logits of the model are not finite" in said
    assert f"ponder resume {tmp_path}/run --set stages.cold_start.optimizer.lr=5e+29" in said
    assert [c.name for c in Run.open(tmp_path / "run").checkpoints()] == ["birth-000000"]
    done = ponder("resume", tmp_path / "run", "--set", "stages.cold_start.optimizer.lr=0.01")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_evaluation_that_cannot_be_judged_ends_no_stage(tmp_path):
    """Its figures are said to be what they are, and neither target nor plateau looks at them."""
    # The verifier of reasoning-gym knows only its own tasks: it fails on whatever is not the reference itself.
    rows = [{"prompt": f"Add {a} + {b} =", "answer": str(a + b), "judge": "reasoning_gym"} for a, b in ROWS]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    mine = {
        "kind": "jsonl",
        "path": "tasks.jsonl",
        "fields": {"verifier": "judge"},
        "part": "held_out",
        "prompt": "plain",
    }
    cold_start = RECIPE["stages"][0] | {"steps": 80, "eval_every": 20, "plateau": {"evals": 1}}
    recipe = RECIPE | {
        "sources": {"sums": RECIPE["sources"]["sums"] | {"part": "train"}, "mine": mine},
        "stages": [cold_start],
        "held_out": {"problems": 8, "max_tokens": 24},
    }
    done = ponder("train", write_recipe(tmp_path, recipe), "--run", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    run = Run.open(tmp_path / "run")
    last = run.evals()[-1]
    assert last.step == 80 and last.failed >= 3
    assert f"on {last.failed} of {last.count} answers the verifier failed: they are missing" in done.stdout
    assert "does not count for target and plateau" in done.stdout
    assert {(r["stage"], r["step"]) for r in run.failures()} >= {("cold_start", 40), ("cold_start", 80)}
    assert all(row["during"] == "evaluation" and row["verifier"] == "reasoning_gym" for row in run.failures())


def test_a_resume_that_is_refused_changes_nothing(paused, tmp_path):
    directory = copy_of(paused, tmp_path)
    (directory / "tasks.jsonl").write_text("no JSON")
    files = [directory / "run" / name for name in ("lineage.json", "recipe.yaml", "verifier_errors.jsonl")]
    before = [file.read_bytes() for file in files]
    done = ponder("resume", "run", "--set", "stages.math.error_budget=0.3", cwd=directory)
    assert (done.returncode, "tasks.jsonl, line 1, column 1: not JSON" in done.stderr) == (2, True), done.stderr
    assert [file.read_bytes() for file in files] == before
