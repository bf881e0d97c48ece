"""Code beside math: sources, the checks before training, and what is recorded of a programming task."""

import json
from concurrent.futures import Future

import pytest

from ponder.chat.parser import ParsedOutput
from ponder.chat.renderer import Prompt
from ponder.engine.protocol import Completion, rl_sampling
from ponder.evals.held_out import _sample
from ponder.ledger import Ledger
from ponder.recipe.load import parse_recipe
from ponder.sandbox import IsolationError
from ponder.tasks import Task, program_tasks
from ponder.training import rollouts
from ponder.training.data import load_tasks
from ponder.training.references import SelfCheckError, check_references
from ponder.training.rollouts import Rollout, collect
from ponder.verifiers import Verification
from ponder.verifiers.verdict import Verdict

SUMS = {"kind": "gym", "family": "chain_sum", "prompt": "plain"}
STAGE = {"name": "reason", "kind": "rl", "steps": 1}


def recipe(**sources):
    return parse_recipe({"name": "t", "sources": sources, "stages": [STAGE], "held_out": {"problems": 20}})


def coding(metadata=None, **reference) -> Task:
    tests = [{"function": "f", "args": [1], "expected": 2}]
    return Task(
        ({"role": "user", "content": "Q"},), "code", "code", {"tests": tests} | reference, metadata=metadata or {}
    )


def test_a_mixture_trains_on_both_and_holds_out_both():
    pool = load_tasks(recipe(math=SUMS, code={"kind": "programs", "max_steps": 2}))
    drawn = pool.draw(0, 100)
    assert 48 <= sum(task.domain == "code" for task in drawn) <= 52
    assert sum(task.domain == "code" for task in pool.held_out) == 10
    assert {task.id for task in drawn}.isdisjoint(task.id for task in pool.held_out)
    for task in drawn:
        assert task.verifier == ("code" if task.domain == "code" else "math")
        assert not task.question.endswith("fence."), "the tiny model is asked nothing but the question"


def test_code_files_are_asked_with_the_code_prompt(tmp_path):
    rows = [{"prompt": f"Write f{i}.", "tests": [{"function": "f", "expected": i}]} for i in range(400)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pool = load_tasks(recipe(a={"kind": "jsonl", "path": str(tmp_path / "a.jsonl"), "verifier": "code"}))
    assert all("```python fence" in task.question and task.domain == "a" for task in pool.draw(0, 5))
    (tmp_path / "a.jsonl").write_text(json.dumps(rows[0]) + '\n{"prompt": "Write g."}')
    with pytest.raises(ValueError, match=r"sources\.a: .*a\.jsonl, line 2: the row has no tests"):
        load_tasks(recipe(a={"kind": "jsonl", "path": str(tmp_path / "a.jsonl"), "verifier": "code"}))


def test_reference_solutions_go_through_the_sandbox():
    with Verification() as verification:
        check_references(verification, program_tasks()[:64])
        assert verification.grader("code").runs > 60
        check_references(verification, [coding()])  # it has no solution to run
        with pytest.raises(
            SelfCheckError, match=r"'code' says 'wrong' of a task's own reference answer \(wrong answer"
        ):
            check_references(verification, [*program_tasks()[:3], coding({"solution": "def f(x):\n return 3"})])


def test_the_sandbox_is_started_only_for_code(monkeypatch):
    with Verification() as verification:

        def refuse():
            raise IsolationError("no user namespaces here")

        monkeypatch.setattr(verification.grader("code"), "start", refuse)
        verification.prepare([Task(({"role": "user", "content": "Q"},), "math", "math", "1")])
        with pytest.raises(IsolationError):
            verification.prepare([coding()])


def test_limits_that_the_sandbox_will_not_give_stop_the_run():
    with Verification() as verification:
        verification.prepare([coding(limits={"timeout_s": 10, "memory_mb": 1024})])
        with pytest.raises(ValueError, match=r"limits\.memory_mb 2048: set sandbox\.memory_mb"):
            verification.prepare([coding(limits={"memory_mb": 2048})])


def test_records_describe_the_tests_and_never_hold_them(tmp_path):
    task = coding({"solution": "secret"}, tests=[{"function": "f", "args": ["x" * 10**6], "expected": 2}] * 50)
    ledger = Ledger.of_turn([1, 2], [5], [-0.5], "stop")
    parsed = ParsedOutput("", "1", (), True, 1)
    rollout = Rollout(task, 0, 0, ledger, parsed, Verdict("wrong", 0.0, "because"))

    class Renderer:
        def decode(self, ids):
            return "text"

    row, sample = rollout.to_row(Renderer()), _sample(rollout)
    for record in (json.dumps(row, default=lambda value: value.tolist()), json.dumps(vars(sample))):
        assert "50 tests: f(" in record and "secret" not in record
        assert len(record) < 3_000


def test_verification_overlaps_sampling(monkeypatch):
    """Every program has been handed over before the next answer is asked for, and none is waited for in between."""
    events, futures = [], []

    class SlowVerification:
        def submit(self, task, response, draw=None):
            events.append("submit")
            futures.append(Future())
            return futures[-1]

    class SlowEngine:
        def generate(self, requests):
            for request in requests:
                events.append("sample")
                yield Completion(request, [5], [-0.1], "stop")
            assert not any(future.done() for future in futures), "sampling never waits for a verdict"
            for future in futures:
                future.set_result(Verdict("correct", 1.0, "passes"))

    class Renderer:
        def render(self, messages, tools):
            return Prompt([1, 2], "", True)

    monkeypatch.setattr(rollouts, "parse_output", lambda ids, renderer, thinking: ParsedOutput("", "1", (), True, 1))
    collected = collect(SlowEngine(), Renderer(), SlowVerification(), [coding()], 3, rl_sampling(9, frozenset()), (0,))
    assert events == ["sample", "submit"] * 3
    assert [r.verdict.status for r in collected.rollouts] == ["correct"] * 3
