"""The Verification that all stages of a run share."""

from ponder.recipe.schema import Recipe
from ponder.recipe.stages import RlStage
from ponder.training.stages.kinds import stages_of
from ponder.verifiers.verification import Verification

DEFAULT_DEADLINE_S = RlStage.model_fields["verify_timeout"].default  # where no stage asks for verdicts


def verification_for(recipe: Recipe) -> Verification:
    return Verification(deadline_s=deadline_s(recipe), sandbox=recipe.sandbox)


def deadline_s(recipe: Recipe) -> float:
    """Of a verdict: one Verification serves all stages, with the longest time that one of them allows."""
    return max((stage.verify_timeout or 0.0 for stage in stages_of(recipe)), default=0.0) or DEFAULT_DEADLINE_S
