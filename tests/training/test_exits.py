"""What ends a stage early, and what its evaluations are measured by."""

import pytest

from ponder.recipe.stages import RlStage
from ponder.runs.results import EvalResult
from ponder.training.exits import measured, reached_exit
from tests.runs.synthetic import eval_result


def stage(**settings) -> RlStage:
    return RlStage(**{"name": "math", "steps": 9, "eval_every": 1} | settings)


def evaluation(scores: list[float | None]) -> EvalResult:
    """Of functions that give parts of a score: what is less than 1 is not correct."""
    given = [score for score in scores if score is not None]
    result = eval_result("math", 1, correct=sum(score == 1 for score in given), count=len(scores))
    for sample, score in zip(result["samples"], scores, strict=True):
        sample["score"] = score
    return EvalResult.from_dict(result | {"mean_score": sum(given) / len(given) if given else None})


@pytest.mark.parametrize(
    ("measure", "scores", "value", "name"),
    [
        (None, [0.4, 0.6, 0.5, None], 0.5, "held-out mean score"),
        (None, [1, 0, 0, None], 0.25, "held-out accuracy"),
        (None, [None, None], 0, "held-out accuracy"),
        ("accuracy", [0.4, 1], 0.5, "held-out accuracy"),
        ("score", [1, 0, None], 0.5, "held-out mean score"),
    ],
)
def test_the_mean_score_counts_where_parts_of_it_are_given(measure, scores, value, name):
    found = measured(stage(measure=measure), evaluation(scores))
    assert (found.value, found.name) == (value, name)


def test_soft_scores_reach_a_target_and_go_on_rising():
    rising = [measured(stage(), evaluation([x, x + 0.1])).value for x in (0.1, 0.2, 0.3, 0.4)]
    assert rising == pytest.approx([0.15, 0.25, 0.35, 0.45])
    assert reached_exit(stage(plateau={"evals": 2}), rising) is None, "accuracy is 0 all the time"
    ended = reached_exit(stage(target=0.4), rising, "held-out mean score")
    assert ended == "held-out mean score 0.450 has reached the target of 0.4"
