"""Agreement with labelled data: every benchmark's references, and the labelled pairs."""

import json
import random
from pathlib import Path

import pytest

from ponder.tasks import Task, jsonl_tasks
from ponder.verifiers import Response, Verdict, Verification, reference_response
from ponder.verifiers.math import compare, extract_answer, reference_text

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="benchmark files are not at ../shared/data")

FLOOR = 0.985
MAX_FALSE_POSITIVES = 3


@pytest.mark.parametrize("name", ["gsm8k_test", "math500", "aime24", "aime25"])
def test_references_are_correct_and_need_no_worker(name, monkeypatch):
    monkeypatch.setenv("PONDER_DATA", str(DATA))
    tasks = jsonl_tasks(name)
    with Verification() as verification:
        verdicts = verification.verify_all([(task, reference_response(task)) for task in tasks])
        assert verification.pool.process_ids() == []
    correct = sum(verdict.status == "correct" for verdict in verdicts)
    print(f"{name}: {correct} of {len(tasks)} references judged correct")
    assert correct == len(tasks)


def test_worked_solutions_of_math500_are_correct(monkeypatch):
    monkeypatch.setenv("PONDER_DATA", str(DATA))
    tasks = jsonl_tasks("math500")
    rows = [json.loads(line) for line in (DATA / "math500.jsonl").open()]
    with Verification() as verification:
        futures = [
            verification.submit(task, Response("", row["solution"], True, False))
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
    rows = [json.loads(line) for line in (DATA / "agreement_dev" / "math_pairs.jsonl").open()]
    with Verification(workers=1, deadline_s=2.0) as verification:
        verdicts = verification.verify_all([pair(row) for row in rows])
    labelled = [(row, verdict) for row, verdict in zip(rows, verdicts, strict=True) if row["label"] != "any"]
    differing = [(row, verdict) for row, verdict in labelled if (verdict.status == "correct") != row["label"]]
    agreement = 1 - len(differing) / len(labelled)
    print(f"{len(labelled) - len(differing)} of {len(labelled)} labelled pairs agree: {agreement:.3f}")
    assert agreement >= FLOOR
    assert sum(verdict.status == "correct" for _, verdict in differing) <= MAX_FALSE_POSITIVES
    # An error is for a reference that is no answer; no comparison may take long.
    assert all(row["gold"] == "" for row, verdict in labelled if verdict.status == "error")
    assert all(verdict.status != "timeout" for verdict in verdicts)


def references(name: str, field: str) -> list[str]:
    rows = [json.loads(line) for line in (DATA / f"{name}.jsonl").open()]
    found = [extract_answer(row[field]) if field == "solution" else row[field] for row in rows]
    return [reference_text(answer) for answer in found if answer is not None]


EXPRESSIONS = [("math500", "answer"), ("olympiadbench_maths_en", "final_answer"), ("minerva_math", "solution")]


@pytest.mark.parametrize(("name", "field"), [*EXPRESSIONS, ("amc23", "answer")])
def test_every_reference_is_right_for_itself_and_respelled(name, field):
    for reference in references(name, field):
        for answer in (reference, f"${reference.strip('$')}$", reference.replace("\\frac", "\\dfrac")):
            if answer.count("$") in (0, 2):
                assert compare(answer, reference).status == "correct", answer


def test_other_references_are_wrong():
    """Of random pairs only those count as equal whose values are: a share of about one in five thousand."""
    everything = sorted({reference for name, field in EXPRESSIONS for reference in references(name, field)})
    generator = random.Random(0)
    equal = []
    for _ in range(5_000):
        reference, answer = generator.sample(everything, 2)
        verdict = compare(answer, reference)
        if isinstance(verdict, Verdict) and verdict.status == "correct":
            equal.append((reference, answer))
    assert len(equal) <= 5, equal
