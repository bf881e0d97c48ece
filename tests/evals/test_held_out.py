"""Held-out evaluation: avg@k, pass@k and the mean score, over whatever collects the attempts; the same as `ponder eval` says."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.evals.estimates import mean_of_problems
from ponder.evals.held_out import evaluate, held_out_sampling
from ponder.evals.scores import scores
from ponder.ledger import Ledger
from ponder.recipe.schema import HeldOut
from ponder.runs.results import EvalResult
from ponder.tasks import Task
from ponder.verifiers.verdict import Verdict
from tests.evals.making import SCORE_OF, evaluation

VERDICTS = {
    "a": [Verdict("correct", 1.0, ""), Verdict("wrong", 0.5, "")],
    "b": [Verdict("wrong", 0.25, ""), Verdict("error", None, "")],
    "c": [Verdict("correct", 1.0, ""), Verdict("correct", 1.0, "")],
}


def result(samples: int, verdicts=VERDICTS) -> EvalResult:
    """`samples` answers to each task, all but the first cut off."""
    tasks = [Task(({"role": "user", "content": name},), "sums", "math", "1") for name in verdicts]

    def collect(tasks, samples, params):
        return [
            SimpleNamespace(
                task=task,
                ledger=Ledger.of_turn([1], [2] * (n + 1), [-0.1] * (n + 1), "length" if n else "stop"),
                parsed=SimpleNamespace(reasoning="", content="x"),
                verdict=verdict,
            )
            for task in tasks
            for n, verdict in enumerate(verdicts[task.question][:samples])
        ]

    return evaluate(collect, tasks, samples, held_out_sampling(HeldOut(), 30, 128, frozenset()), "math", 3, 1.5)[0]


def test_with_one_answer_each():
    one = result(1)
    assert one.accuracy == one.pass_at_k == pytest.approx(2 / 3) and one.count == 3 and one.missing == 0
    assert one.mean_score == pytest.approx(2.25 / 3) and one.truncated_share == 0 and one.mean_tokens == 1
    assert one.sampling["max_tokens"] == 30


def test_with_several_answers_each():
    two = result(2)
    assert two.accuracy == pytest.approx((0.5 + 0 + 1) / 3), "avg@2"
    assert two.count == 6 and two.truncated_share == 0.5 and two.missing == 1 and two.samples_per_problem == 2
    assert two.mean_score == pytest.approx((0.75 + 0.25 + 1) / 3), "over problems, and an error is no 0"
    assert two.bounds == pytest.approx((0.5, (0.5 + 0.5 + 1) / 3)), "b's lost answer may have been right"
    assert two.pass_at_k is None, "of b only one answer is known"
    wide = two.interval[1] - two.interval[0]
    assert wide > 0.6, "three problems, not six observations"
    assert EvalResult.from_dict(two.to_dict()) == two


def test_a_problem_without_a_verdict_is_in_no_mean():
    lost = result(1, VERDICTS | {"b": [Verdict("timeout", None, "")]})
    assert (lost.accuracy, lost.missing, lost.count) == (1.0, 1, 3) and lost.bounds == pytest.approx((2 / 3, 1.0))
    assert list(lost.interval) == pytest.approx([mean_of_problems([1.0, 1.0], 2).low, 1.0])
    nothing = result(1, {"b": [Verdict("error", None, "")]})
    assert nothing.accuracy is None and nothing.interval == (0.0, 1.0) and nothing.mean_score is None
    assert nothing.by_domain["sums"].accuracy is None and "eval/accuracy" not in nothing.metrics()
    assert EvalResult.from_dict(nothing.to_dict()) == nothing


@given(
    st.integers(1, 4).flatmap(
        lambda k: st.lists(st.lists(st.sampled_from(sorted(SCORE_OF)), min_size=k, max_size=k), min_size=1, max_size=8)
    )
)
def test_the_same_answers_give_the_same_numbers_as_ponder_eval(statuses):
    rows = {f"p{number}": row for number, row in enumerate(statuses)}
    k = len(statuses[0])
    mine = result(k, {name: [Verdict(s, SCORE_OF[s], "") for s in row] for name, row in rows.items()})
    (theirs,) = scores(evaluation(rows))
    estimate = theirs.avg
    assert mine.accuracy == (estimate and estimate.value)
    assert mine.interval == ((estimate.low, estimate.high) if estimate else (0.0, 1.0))
    assert mine.missing == theirs.missing and mine.bounds == theirs.bounds and mine.mean_score == theirs.mean_score
    if k in theirs.pass_at:
        assert mine.pass_at_k == theirs.pass_at[k].value


def test_results_of_older_runs_still_read():
    row = result(1).to_dict()
    for name in ("mean_score", "samples_per_problem", "pass_at_k", "missing", "bounds"):
        del row[name]
    read = EvalResult.from_dict(row)
    assert read.mean_score is None and read.missing is None
