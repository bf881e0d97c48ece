"""What a recipe may say about its stages, one file for each kind."""

from typing import Annotated

from pydantic import Field

from ponder.recipe.stages.base import Guard, LearningStage, Optimizer, Plateau, StageBase
from ponder.recipe.stages.demonstrating import DemonstratingStage, DistillStage, RejectStage
from ponder.recipe.stages.reward_model import RewardModelStage
from ponder.recipe.stages.rl import RlStage
from ponder.recipe.stages.sft import SftStage

Stage = Annotated[RejectStage | DistillStage | SftStage | RewardModelStage | RlStage, Field(discriminator="kind")]
STAGES: dict[str, type[StageBase]] = {
    "reject": RejectStage,
    "distill": DistillStage,
    "sft": SftStage,
    "reward_model": RewardModelStage,
    "rl": RlStage,
}

__all__ = [
    "STAGES",
    "DemonstratingStage",
    "DistillStage",
    "Guard",
    "LearningStage",
    "Optimizer",
    "Plateau",
    "RejectStage",
    "RewardModelStage",
    "RlStage",
    "SftStage",
    "Stage",
    "StageBase",
]
