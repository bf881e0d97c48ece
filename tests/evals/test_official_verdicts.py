"""Scoring of stored answers, the way of an evaluation: load_problems, then Verification; against the official scorers'
verdicts on the labelled pairs, and on HumanEval's own solutions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ponder.evals.data import load_problems
from ponder.evals.loading import load_protocol
from ponder.evals.scores import scores
from ponder.evals.store import Evaluation
from ponder.tasks import Task
from ponder.verifiers import Response, Verification, reference_response
from tests.evals.making import evaluation, problem, protocol, sample

PAIRS = Path(__file__).parents[3] / "shared" / "data" / "agreement_dev"
OWN = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def verification():
    with Verification() as verification:
        yield verification


def pairs_as_suite(tmp_path: Path, name: str, verifier: str, fields: str, rows: list[dict]) -> list[Task]:
    """The labelled rows as a suite of one's own; a number before each question, since some are asked several times."""
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = tmp_path / f"{name}.yaml"
    suite.write_text(f"data: {{file: rows.jsonl, fields: {fields}}}\nverifier: {verifier}\n")
    tasks = load_problems(load_protocol(suite)).tasks
    assert len(tasks) == len(rows)
    return tasks


def labelled(name: str) -> list[dict]:
    if not (PAIRS / name).is_file():
        pytest.skip(f"{name} is not at ../shared/data/agreement_dev")
    return [json.loads(line) for line in (PAIRS / name).open(encoding="utf-8")]


def loosely(task: Task) -> Task:
    """Any of IFEval's eight variants of the answer will do."""
    return replace(task, reference=task.reference | {"mode": "loose"})


def test_ifeval_strict_and_loose(tmp_path, verification):
    rows = labelled("if_pairs.jsonl")
    asked = [row | {"prompt": f"{number}. {row['prompt']}"} for number, row in enumerate(rows)]
    tasks = pairs_as_suite(tmp_path, "ifeval_pairs", "instructions", "{}", asked)
    # The checker of one instruction compares with the prompt itself.
    tasks = [
        Task(({"role": "user", "content": row["prompt"]},), task.domain, task.verifier, task.reference)
        for task, row in zip(tasks, rows, strict=True)
    ]
    answers = [Response("", row["response"], True, False) for row in rows]
    for mode, judged in (("strict", tasks), ("loose", [loosely(task) for task in tasks])):
        verdicts = verification.verify_all(list(zip(judged, answers, strict=True)))
        agree = [
            [part.verdict.status == "correct" for part in verdict.parts] == row[mode]
            for verdict, row in zip(verdicts, rows, strict=True)
        ]
        print(f"IFEval, {mode}: {sum(agree)} of {len(rows)} answers are judged as the official checker does")
        assert all(agree)


def test_ifevals_four_numbers_are_the_official_ones(verification):
    """Of stored answers, strict verdicts and all, with the loose ones made when the scores are computed."""
    rows = labelled("if_pairs.jsonl")
    problems = [
        problem(f"p{n}", "ifeval", messages=({"role": "user", "content": row["prompt"]},),
                reference={name: row[name] for name in ("instruction_id_list", "kwargs")})
        for n, row in enumerate(rows)
    ]  # fmt: skip
    tasks = [Task(asked.messages, "general", "instructions", asked.reference) for asked in problems]
    answers = [Response("", row["response"], True, False) for row in rows]
    verdicts = verification.verify_all(list(zip(tasks, answers, strict=True)))
    samples = [
        sample(asked.id, 0, verdict.status, "ifeval", content=row["response"],
               parts=tuple(part.to_json() for part in verdict.parts))
        for asked, row, verdict in zip(problems, rows, verdicts, strict=True)
    ]  # fmt: skip
    of_one = evaluation({"p0": ["wrong"]}, asked=protocol("ifeval", 1, "instructions"))
    score = scores(Evaluation(of_one.manifest, problems, samples))[0]
    ours = (score.avg.value, score.instructions.value, score.prompts_loose.value, score.instructions_loose.value)
    given = sum(len(row["strict"]) for row in rows)
    official = tuple(
        number
        for mode in ("strict", "loose")
        for number in (sum(all(row[mode]) for row in rows) / len(rows), sum(sum(row[mode]) for row in rows) / given)
    )
    named = ("prompts strict", "instructions strict", "prompts loose", "instructions loose")
    print(
        "IFEval:",
        ", ".join(f"{n} {100 * a:.2f} and {100 * b:.2f}" for n, a, b in zip(named, ours, official, strict=True)),
    )
    assert ours == pytest.approx(official)


def test_bfcl(tmp_path, verification):
    rows = labelled("fc_pairs.jsonl")
    asked = [row | {"question": row["id"], "function": row["functions"]} for row in rows]
    tasks = pairs_as_suite(tmp_path, "bfcl_pairs", "function_calls", "{answer: possible_answer}", asked)
    answers = [Response("", "", True, False, tuple(row["calls"])) for row in rows]
    verdicts = verification.verify_all(list(zip(tasks, answers, strict=True)))
    agree = sum((v.status == "correct") == row["label"] for v, row in zip(verdicts, rows, strict=True))
    print(f"BFCL: {agree} of {len(rows)} calls are judged as its AST checker does")
    assert agree == len(rows)


def test_livecodebenchs_packed_tests_refuse_wrong_programs(verification):
    tasks = load_problems(load_protocol("livecodebench"), [OWN]).tasks
    wrong = [
        "print(3)",  # what the public test of the first one asks for, by heart
        "print(input().lower())",
        "class Solution:\n    def twice(self, n):\n        return abs(2 * n)",
    ]
    answers = [Response("", f"```python\n{code}\n```", True, False) for code in wrong]
    verdicts = verification.verify_all(list(zip(tasks, answers, strict=True)))
    assert [verdict.status for verdict in verdicts] == ["wrong"] * 3, verdicts


def test_humanevals_solutions_and_none_without_their_last_line(verification):
    shared = PAIRS.parent
    if not (shared / "humaneval.jsonl").is_file():
        pytest.skip("humaneval.jsonl is not at ../shared/data")
    tasks = load_problems(load_protocol("humaneval"), [shared]).tasks[::8]
    solutions = [reference_response(task) for task in tasks]
    assert {v.status for v in verification.verify_all(list(zip(tasks, solutions, strict=True)))} == {"correct"}
    emptied = [Response("", "```python\ndef f():\n    pass\n```", True, False) for _ in tasks]
    assert {v.status for v in verification.verify_all(list(zip(tasks, emptied, strict=True)))} == {"wrong"}
