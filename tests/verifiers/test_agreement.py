"""Agreement with labelled data: every benchmark's references, and a sample of the labelled pairs."""

import json
from pathlib import Path

import pytest

from ponder.tasks import Task, jsonl_tasks
from ponder.verifiers import Judge, Response, reference_response

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="benchmark files are not at ../shared/data")

SAMPLE = 6  # every sixth of the 889 pairs; all of them agree to 0.984 and take minutes
FLOOR = 0.97


@pytest.mark.parametrize("name", ["gsm8k_test", "math500", "aime24", "aime25"])
def test_references_are_correct_and_need_no_worker(name, monkeypatch):
    monkeypatch.setenv("PONDER_DATA", str(DATA))
    tasks = jsonl_tasks(name)
    with Judge() as judge:
        verdicts = judge.judge([(task, reference_response(task)) for task in tasks])
        assert judge.pool.process_ids() == []
    correct = sum(verdict.status == "correct" for verdict in verdicts)
    print(f"{name}: {correct} of {len(tasks)} references judged correct")
    assert correct == len(tasks)


def test_worked_solutions_of_math500_are_correct(monkeypatch):
    monkeypatch.setenv("PONDER_DATA", str(DATA))
    tasks = jsonl_tasks("math500")
    rows = [json.loads(line) for line in (DATA / "math500.jsonl").open()]
    with Judge() as judge:
        futures = [
            judge.submit(task, Response("", row["solution"], True, False))
            for task, row in zip(tasks, rows, strict=True)
        ]
        assert sum(f.done() and f.result().status == "correct" for f in futures) >= 495


def pair(row: dict) -> tuple[Task, Response]:
    text = row["prediction"] if "prediction" in row else "".join(t * times for t, times in row["prediction_parts"])
    reasoning, _, content = (text or "").rpartition("</think>")
    open_ended = "<think>" in content
    response = Response(reasoning, "" if open_ended else content, thinking_closed=not open_ended, truncated=False)
    return Task(({"role": "user", "content": row["id"]},), "math", "math", row["gold"]), response


def test_agreement_with_labelled_pairs():
    rows = [json.loads(line) for line in (DATA / "agreement_dev" / "math_pairs.jsonl").open()][::SAMPLE]
    with Judge(workers=1, deadline_s=2.0) as judge:
        verdicts = judge.judge([pair(row) for row in rows])
    labelled = [(row, verdict) for row, verdict in zip(rows, verdicts, strict=True) if row["label"] != "any"]
    agreeing = sum((verdict.status == "correct") == row["label"] for row, verdict in labelled)
    print(f"{agreeing} of {len(labelled)} labelled pairs agree: {agreeing / len(labelled):.3f}")
    assert agreeing / len(labelled) >= FLOOR
    # Errors are for references that are no answer; nothing else may end without a score but hostile expressions.
    assert all(row["gold"] == "" for row, verdict in labelled if verdict.status == "error")
    assert all(row["cls"].startswith("hostile") for row, verdict in labelled if verdict.status == "timeout")
