"""When a stage ends before its last step: what its evaluations on the way have to say."""

from collections.abc import Sequence

from ponder.recipe.stages import StageBase


def reached_exit(stage: StageBase, accuracies: Sequence[float]) -> str | None:
    """Why the stage ends after these evaluations, the newest last; None where it goes on."""
    accuracy = accuracies[-1]
    if stage.target is not None and accuracy >= stage.target:
        return f"held-out accuracy {accuracy:.3f} has reached the target of {stage.target:g}"
    if stage.plateau is not None and has_plateaued(accuracies, stage.plateau.evals, stage.plateau.min_gain):
        return f"held-out accuracy has stopped rising ({accuracy:.3f})"
    return None


def has_plateaued(accuracies: Sequence[float], evals: int, min_gain: float) -> bool:
    """No evaluation among the last `evals` beats the best before them by `min_gain`."""
    if len(accuracies) <= evals:
        return False
    return max(accuracies[-evals:]) < max(accuracies[:-evals]) + min_gain
