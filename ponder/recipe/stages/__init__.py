"""What a recipe may say about its stages, one file for each kind."""

from typing import Annotated

from pydantic import Field

from ponder.recipe.stages.base import Optimizer, Plateau, StageBase
from ponder.recipe.stages.rl import RlStage
from ponder.recipe.stages.sft import SftStage

Stage = Annotated[SftStage | RlStage, Field(discriminator="kind")]
STAGES: dict[str, type[StageBase]] = {"sft": SftStage, "rl": RlStage}

__all__ = ["STAGES", "Optimizer", "Plateau", "RlStage", "SftStage", "Stage", "StageBase"]
