"""Benchmarks of a run: their scores by stage in the report, in TensorBoard, and after a step back."""

import json
import shutil

import pytest

from ponder.evals.report import write_files
from ponder.evals.scores import scores
from ponder.evals.stage_end import SCORES as WRITTEN
from ponder.runs import benchmarks
from ponder.runs.benchmarks import benchmark_directory, cell, comparison, notes
from ponder.runs.console import run_tables
from ponder.runs.report import write_report
from ponder.runs.run import Run
from ponder.runs.summary import build_report
from tests.evals.making import evaluation, protocol, write
from tests.runs.synthetic import write_run
from tests.runs.test_runs_report import printed
from tests.runs.test_runs_run import tensorboard_scalars

BEFORE = {"a": ["wrong", "wrong"], "b": ["wrong", "correct"], "c": ["wrong", "error"]}
AFTER = {"a": ["correct", "wrong"], "b": ["correct", "correct"], "c": ["wrong", "truncated"]}


def add(run: Run, stage: str, step: int, statuses, **more):
    directory = benchmark_directory(run.path, stage, step)
    value = evaluation(statuses, **more)
    write_files(write(directory, value), value)
    run.show_benchmarks(directory)
    return scores(value)[0]


@pytest.fixture
def run(tmp_path):
    run = write_run(tmp_path / "tiny")
    add(run, "birth", 0, BEFORE)
    add(run, "math", 4, AFTER)
    return run


def test_the_report_has_the_scores_of_ponder_eval_by_stage(run):
    report = build_report(run)
    (bench,) = report["benchmarks"]
    assert (bench["name"], bench["protocol"], bench["average"]) == (
        "aime24",
        "qwq",
        "avg@2",
    ) and WRITTEN == benchmarks.SCORES
    before, after = bench["stages"]
    assert (before["stage"], before["value"], before["missing"], before["answers"]) == ("birth", 1 / 6, 1, 6)
    (score,) = scores(evaluation(AFTER))
    assert (after["title"], after["value"], after["interval"]) == ("math", 0.5, [score.avg.low, score.avg.high])
    assert cell(after).startswith("50.0 (") and cell(None) == "-"
    assert notes(report["benchmarks"]) == ["aime24, birth: 1 of 6 answers have no verdict; they are in no score."]
    compared = comparison(report["benchmarks"])
    assert compared == f"ponder eval diff {run.path}/evals/birth-000000 {run.path}/evals/math-000004"
    shown = printed(run_tables(report), 100)
    assert "aime24, avg@2 (qwq)" in shown and cell(after) in shown
    write_report(run)
    page = (run.path / "report.html").read_text()
    assert "<h2>Benchmarks</h2>" in page and cell(after) in page and compared in page
    assert len(run.evals()) == 5, "and the held-out evaluations are what they were"


def test_one_answer_to_few_problems_is_an_interval_alone(run):
    add(run, "cold_start", 4, {name: row[:1] for name, row in AFTER.items()}, asked=protocol("once"))
    (bench,) = [one for one in build_report(run)["benchmarks"] if one["name"] == "once"]
    assert cell(bench["stages"][0]).count("-") == 1 and "(" not in cell(bench["stages"][0])
    assert "one answer to each of 3 problems is too little for a score" in notes([bench])[0]
    assert comparison([bench]) is None
    assert "cold_start/bench/once" not in tensorboard_scalars(run)


def test_tensorboard_shows_them_also_after_a_step_back_that_drops_later_ones(run):
    assert tensorboard_scalars(run)["math/bench/aime24"] == [(4, 0.5)]
    shutil.rmtree(run.path / "checkpoints" / "math-000004")
    rewound = run.rewind(["cold_start", "math"], "math", 2)
    assert rewound.evals == 2 and not benchmark_directory(run.path, "math", 4).exists()
    scalars = tensorboard_scalars(run)
    assert "math/bench/aime24" not in scalars and scalars["birth/bench/aime24"] == [(0, pytest.approx(1 / 6))]


def test_one_that_is_under_way_is_not_shown_and_a_damaged_one_is_named(run):
    path = benchmark_directory(run.path, "math", 4) / "scores.json"
    path.unlink()
    assert [result.stage for result in run.benchmarks()] == ["birth"]
    path.write_text(json.dumps({"scores": [{}]}))
    with pytest.raises(ValueError, match=r"math-000004/scores\.json is damaged: .* ponder eval report "):
        run.benchmarks()


def test_what_was_trained_on_is_said_beside_the_scores(run):
    lineage = json.loads((run.path / "lineage.json").read_text())
    found = [{"bench": "aime24", "problems": 30, "same_text": 3}, {"bench": "amc23", "problems": 40, "same_text": 0}]
    (run.path / "lineage.json").write_text(json.dumps(lineage | {"contamination": {"found": found}}))
    said = "aime24: 3 of its 30 problems are trained on, so a score on it says little about others."
    assert build_report(run)["trained_on"] == [said]
    write_report(run)
    assert (run.path / "report.html").read_text().count(said) == 2
