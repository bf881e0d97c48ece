"""Benchmarks that a recipe names: asked by the run's own engine at the ends of stages, in the form of `ponder eval`."""

import json
import os
import signal
import time

import pytest

from ponder.evals.diff import diff
from ponder.evals.scores import scores
from ponder.evals.store import read
from ponder.runs.run import Run
from tests.integration.micro import RECIPE, ponder, spawn, write_recipe

ROWS = [{"question": f"{n} + {n} =", "answer": str(2 * n)} for n in range(1, 4)]
SUITE = """
data: {file: sums.jsonl, fields: {prompt: question, answer: answer}}
verifier: math
prompt: plain
sampling: {samples: 4, temperature: 1.0, max_tokens: 24}
"""


def with_suite(directory, **settings):
    (directory / "sums.yaml").write_text(SUITE)
    (directory / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return RECIPE | {"benchmarks": [{"name": "sums.yaml"} | settings]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with benchmarks at its start and after each stage."""
    directory = tmp_path_factory.mktemp("benchmarks")
    write_recipe(directory, with_suite(directory))
    done = ponder("train", "micro.yaml", "--run", "run", cwd=directory)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory, done.stdout


def places(run):
    return sorted(path.name for path in (run / "evals").iterdir() if path.is_dir())


def test_each_place_has_an_evaluation_that_reports_and_diffs(trained):
    directory, said = trained
    run = directory / "run"
    assert places(run) == ["birth-000000", "cold_start-000060", "math-000006"]
    for place in places(run):
        found = read(run / "evals" / place)
        assert len(found.samples) == 12 and not any(sample.failure for sample in found.samples)
        assert found.manifest.model["at"] == f"checkpoints/{place}" and found.manifest.seed == 3
        assert (run / "evals" / place / "report.html").exists()
    assert diff(read(run / "evals" / "birth-000000"), read(run / "evals" / "math-000006"))[0].problems == 3
    done = ponder("eval", "diff", "run/evals/birth-000000", "run/evals/math-000006", cwd=directory)
    assert done.returncode == 0 and "permutation" in done.stdout, done.stdout + done.stderr
    before = (run / "evals" / "math-000006" / "scores.json").read_bytes()
    done = ponder("eval", "report", "run/evals/math-000006", cwd=directory)
    assert done.returncode == 0 and (run / "evals" / "math-000006" / "scores.json").read_bytes() == before
    assert "benchmarks.sums.yaml: sums, protocol own: 3 problems, 12 answers" in said
    assert "cold start step 60: sums avg@4 " in said


def test_the_answers_are_those_of_ponder_eval(trained):
    """Same weights, same seed: another engine, alone with the checkpoint, says the same."""
    directory, _ = trained
    done = ponder(
        *("eval", "run/checkpoints/math-000006", "--bench", "sums.yaml", "--to", "alone", "--seed", 3), cwd=directory
    )
    assert done.returncode == 0, done.stdout + done.stderr
    alone, within = read(directory / "alone"), read(directory / "run" / "evals" / "math-000006")
    assert alone.samples == within.samples and alone.manifest.benchmarks == within.manifest.benchmarks
    assert alone.manifest.model["weights"] == within.manifest.model["weights"]


def test_report_and_summary_show_them_by_stage(trained):
    directory, said = trained
    done = ponder("report", "run", "--json", cwd=directory)
    (bench,) = json.loads(done.stdout)["benchmarks"]
    assert (bench["name"], bench["protocol"], bench["average"]) == ("sums", "own", "avg@4")
    assert [stage["title"] for stage in bench["stages"]] == ["birth", "cold start", "math"]
    for stage in bench["stages"]:
        (score,) = scores(read(directory / stage["directory"]))
        assert (stage["value"], stage["interval"]) == (score.avg.value, [score.avg.low, score.avg.high])
    page = (directory / "run" / "report.html").read_text()
    assert "<h2>Benchmarks</h2>" in page and "ponder eval diff run/evals/birth-000000 run/evals/math-000006" in page
    assert "sums, avg@4 (own)" in said


def test_what_nothing_is_left_of_is_not_asked_again_and_what_is_added_is(trained, tmp_path):
    directory, _ = trained
    run = directory / "run"
    before = (run / "evals" / "math-000006" / "samples.jsonl").read_bytes()
    done = ponder("resume", "run", cwd=directory)
    assert done.returncode == 0 and "12 answers ..." not in done.stdout, done.stdout + done.stderr
    assert (run / "evals" / "math-000006" / "samples.jsonl").read_bytes() == before
    # Another way of asking, from another directory: what was there is kept aside.
    override = "--set=benchmarks=[{name: sums.yaml, rows: 2, samples: 1}]"
    done = ponder("resume", run, override, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert places(run)[-2:] == ["math-000006", "math-000006.before-1"]
    assert len(read(run / "evals" / "math-000006").samples) == 2
    assert (run / "evals" / "math-000006.before-1" / "samples.jsonl").read_bytes() == before
    names = [b["name"] for b in json.loads(ponder("report", run, "--json").stdout)["benchmarks"]]
    assert names == ["sums", "sums (samples 1, 2 of 3 problems)"]


def stopped_at(path, size, number, *command):
    """What the command said last, or all of what it said where it was killed: the signal comes when the file has the size."""
    process = spawn(*command, cwd=path.parents[3])
    deadline = time.monotonic() + 120
    while not (path.exists() and path.stat().st_size > size):
        assert process.poll() is None and time.monotonic() < deadline, process.stdout.read()
        time.sleep(0.01)
    os.kill(process.pid, number)
    said = process.communicate()[0]
    assert process.returncode == (130 if number == signal.SIGINT else -number), said
    return said.strip().splitlines()[-1] if number == signal.SIGINT else said


def test_a_stop_and_a_kill_while_benchmarks_are_asked_lose_what_was_in_flight_alone(tmp_path):
    rows = "".join(
        json.dumps(row) + "\n" for row in [{"question": f"{n} + 1 =", "answer": str(n + 1)} for n in range(150)]
    )
    recipe = with_suite(tmp_path, at_start=False, samples=4)
    recipe["stages"] = [RECIPE["stages"][0] | {"steps": 20}]
    (tmp_path / "sums.jsonl").write_text(rows)
    write_recipe(tmp_path, recipe)
    path = tmp_path / "run" / "evals" / "cold_start-000020" / "samples.jsonl"
    first = stopped_at(path, 10_000, signal.SIGINT, "train", "micro.yaml", "--run", "run")
    second = stopped_at(path, 30_000, signal.SIGKILL, "resume", "run")
    kept = path.read_bytes()
    kept = kept[: kept.rfind(b"\n") + 1]
    assert first.startswith("Stopped. the answers so far are kept; go on with: ponder resume run"), first
    assert 0 < kept.count(b"\n") < 600 and "answers, " in second
    done = ponder("resume", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"600 answers, {kept.count(chr(10).encode()):,} of them are there" in done.stdout
    assert path.read_bytes().startswith(kept) and path.read_bytes().count(b"\n") == 600, "nothing is asked twice"
    (score,) = scores(read(path.parent))
    assert score.missing == 0 and score.answers == 600
    run = Run.open(tmp_path / "run")
    assert places(run.path) == ["cold_start-000020"]


def test_what_cannot_be_asked_is_refused_before_any_work(tmp_path):
    write_recipe(tmp_path, with_suite(tmp_path))
    (tmp_path / "sums.jsonl").unlink()
    for option in ("--dry-run", "--run=run"):
        done = ponder("train", "micro.yaml", option, cwd=tmp_path)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "benchmarks.sums.yaml: sums: no " in done.stderr and "benchmarks.sums.yaml.data: [DIR]" in done.stderr
    write_recipe(tmp_path, with_suite(tmp_path, max_tokens=120))
    done = ponder("train", "micro.yaml", "--run", "run", cwd=tmp_path)
    assert done.returncode == 2 and "Set benchmarks.sums.yaml.max_tokens: 1" in done.stderr, done.stdout + done.stderr
    assert not (tmp_path / "run").exists()
