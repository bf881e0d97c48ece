"""The Verification that all stages of a run share, and the sandbox of their tools."""

from collections.abc import Sequence
from pathlib import Path

from ponder.recipe.schema import Recipe
from ponder.recipe.stages import RlStage
from ponder.sandbox.client import Sandbox
from ponder.training.stages.kind import StageKind
from ponder.verifiers.code.runs import open_sandbox
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


def sandbox_for(recipe: Recipe) -> Sandbox:
    """Of tools and environments, each episode with a session of its own; the first program starts it."""
    return open_sandbox(recipe.sandbox, sessions=recipe.episodes.at_a_time)
