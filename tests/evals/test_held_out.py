"""Held-out evaluation: avg@k, pass@k and the mean score, over whatever collects the attempts."""

from types import SimpleNamespace

import pytest

from ponder.evals.held_out import evaluate, held_out_sampling
from ponder.ledger import Ledger
from ponder.recipe.schema import HeldOut
from ponder.runs.results import EvalResult
from ponder.tasks import Task
from ponder.verifiers.verdict import Verdict

VERDICTS = {
    "a": [Verdict("correct", 1.0, ""), Verdict("wrong", 0.5, "")],
    "b": [Verdict("wrong", 0.25, ""), Verdict("error", None, "")],
    "c": [Verdict("correct", 1.0, ""), Verdict("correct", 1.0, "")],
}
TASKS = [Task(({"role": "user", "content": name},), "sums", "math", "1") for name in VERDICTS]


def collect(tasks, samples, params):
    """Two answers to each task, the second one cut off."""
    return [
        SimpleNamespace(
            task=task,
            ledger=Ledger.of_turn([1], [2] * (n + 1), [-0.1] * (n + 1), "length" if n else "stop"),
            parsed=SimpleNamespace(reasoning="", content="x"),
            verdict=verdict,
        )
        for task in tasks
        for n, verdict in enumerate(VERDICTS[task.question][:samples])
    ]


def result(samples: int) -> EvalResult:
    params = held_out_sampling(HeldOut(), 30, 128, frozenset())
    return evaluate(collect, TASKS, samples, params, "math", 3, 1.5)[0]


def test_with_one_answer_each():
    one = result(1)
    assert one.accuracy == one.pass_at_k == pytest.approx(2 / 3) and one.count == 3
    assert one.mean_score == pytest.approx(2.25 / 3) and one.truncated_share == 0 and one.mean_tokens == 1
    assert one.sampling["max_tokens"] == 30


def test_with_several_answers_each():
    two = result(2)
    assert two.accuracy == pytest.approx((0.5 + 0 + 1) / 3), "avg@2"
    assert two.pass_at_k == pytest.approx(2 / 3) and two.samples_per_problem == 2
    assert two.count == 6 and two.truncated_share == 0.5 and two.failed == 1
    assert two.mean_score == pytest.approx((1 + 0.5 + 0.25 + 1 + 1) / 5), "an error is no 0"
    wide = two.interval[1] - two.interval[0]
    assert wide > 0.6, "three problems, not six observations"
    assert EvalResult.from_dict(two.to_dict()) == two


def test_results_of_older_runs_still_read():
    row = result(1).to_dict()
    for name in ("mean_score", "samples_per_problem", "pass_at_k"):
        del row[name]
    assert EvalResult.from_dict(row).mean_score is None
