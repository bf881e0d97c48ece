"""When a stage ends before its last step: what its evaluations on the way have to say."""

from collections.abc import Sequence
from dataclasses import dataclass

from ponder.recipe.stages import LearningStage
from ponder.runs.results import EvalResult


@dataclass(frozen=True)
class Measured:
    """An evaluation as a stage's exits see it. Without parts of a score the two are the same, so a stage may change from one to
    the other as parts come up."""

    value: float
    name: str


def measured(stage: LearningStage, result: EvalResult) -> Measured:
    """The mean score where the stage asks for it, or where it leaves it open and parts of a score were given (functions
    that give 0.4, tests of which some pass): there accuracy may stay at 0 however much is learned. Else accuracy. The evaluation
    has an answer with a verdict."""
    by_score = result.partly if stage.measure is None else stage.measure == "score"
    if by_score and result.mean_score is not None:
        return Measured(result.mean_score, "held-out mean score")
    assert result.accuracy is not None
    return Measured(result.accuracy, "held-out accuracy")


def reached_exit(stage: LearningStage, values: Sequence[float], name: str = "held-out accuracy") -> str | None:
    """Why the stage ends after evaluations that measured these values (of `name`), the newest last; None where it goes on."""
    value = values[-1]
    if stage.target is not None and value >= stage.target:
        return f"{name} {value:.3f} has reached the target of {stage.target:g}"
    if stage.plateau is not None and has_plateaued(values, stage.plateau.evals, stage.plateau.min_gain):
        return f"{name} has stopped rising ({value:.3f})"
    return None


def has_plateaued(values: Sequence[float], evals: int, min_gain: float) -> bool:
    """No evaluation among the last `evals` beats the best before them by `min_gain`."""
    if len(values) <= evals:
        return False
    return max(values[-evals:]) < max(values[:-evals]) + min_gain
