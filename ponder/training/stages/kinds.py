"""The kinds of stages that there are."""

from collections.abc import Callable

from ponder.recipe.schema import Recipe
from ponder.recipe.stages import StageBase
from ponder.training.stages.demonstrating import Demonstrating
from ponder.training.stages.kind import StageKind
from ponder.training.stages.reward_model import PreferenceStage
from ponder.training.stages.rl import ReinforcementStage
from ponder.training.stages.sft import ImitationStage

KINDS: dict[str, Callable[[StageBase], StageKind]] = {
    "reject": Demonstrating,
    "distill": Demonstrating,
    "sft": ImitationStage,
    "reward_model": PreferenceStage,
    "rl": ReinforcementStage,
}


def stage_of(settings: StageBase) -> StageKind:
    """The stage that a recipe's settings describe."""
    return KINDS[settings.kind](settings)


def stages_of(recipe: Recipe) -> list[StageKind]:
    return [stage_of(settings) for settings in recipe.stages]
