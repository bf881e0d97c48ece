"""The Verification that all stages of a run share."""

from collections.abc import Sequence
from pathlib import Path

from ponder.recipe.schema import Recipe
from ponder.recipe.stages import RlStage
from ponder.training.stages.kind import StageKind
from ponder.verifiers.verification import Verification

JUDGE_ANSWERS = "judge_answers.jsonl"  # in a run's directory
DEFAULT_DEADLINE_S = RlStage.model_fields["verify_timeout"].default  # where no stage asks for verdicts


def verification_for(recipe: Recipe, stages: Sequence[StageKind], answers: Path | None = None) -> Verification:
    """`answers`: the file that keeps what models that grade have answered; None: memory alone."""
    deadline = deadline_s(stages)
    return Verification(deadline_s=deadline, sandbox=recipe.sandbox, judges=recipe.judges, answers=answers)


def deadline_s(stages: Sequence[StageKind]) -> float:
    """Of a verdict: one Verification serves all stages, with the longest time that one of them allows."""
    return max((stage.verify_timeout or 0.0 for stage in stages), default=0.0) or DEFAULT_DEADLINE_S
