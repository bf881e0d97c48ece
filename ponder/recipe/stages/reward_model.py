"""The recipe of a stage that trains a reward model on preference pairs; the run's own model stays as it is."""

from typing import Literal

from pydantic import Field

from ponder.recipe.preferences import Preferences
from ponder.recipe.stages.base import Optimizer, StageBase


class RewardModelStage(StageBase):
    """Bradley-Terry on preference pairs. What it makes lies in the directory `reward_model` of its checkpoints, and the run's own model
    stays as it is."""

    kind: Literal["reward_model"] = "reward_model"
    preferences: Preferences = Field(description="the pairs")
    base: str | None = Field(
        None,
        description="what it begins with: a model, a reward model, a run, or an id of the hub; empty: the run's own model as it then is",
    )
    pairs_per_step: int = Field(32, ge=1, description="pairs in an update")
    center: float = Field(
        0.01,
        ge=0,
        description="weight of the squared sum of a pair's two scores in the loss, which keeps scores around 0; 0: none",
    )
    optimizer: Optimizer = Field(Optimizer(lr=1e-5), description="how weights are updated")
    eval_every: int = Field(0, ge=0, description="steps between looks at the validation pairs; 0: only at the end")
    save_every: int = Field(20, ge=1, description="steps between checkpoints")
    micro_batch_tokens: int = Field(8_192, ge=16, description="tokens in one forward and backward pass")
