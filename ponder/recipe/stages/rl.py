"""The recipe of a stage of reinforcement learning with verified rewards (RLVR)."""

from typing import Literal

from pydantic import Field, model_validator

from ponder.recipe.stages.base import Optimizer, StageBase
from ponder.recipe.strict import Strict

ObjectiveName = Literal["grpo", "dr_grpo", "dapo", "gspo", "cispo", "rloo", "reinforce_pp"]
GROUP_OBJECTIVES = ("grpo", "dr_grpo", "dapo", "gspo", "cispo", "rloo")


class Objective(Strict):
    """A named loss; the fields below replace its paper's choices where they are set."""

    name: ObjectiveName = "dapo"
    clip_low: float | None = Field(None, ge=0)
    clip_high: float | None = Field(None, ge=0)
    kl: float | None = Field(None, ge=0, description="weight of the KL to the stage's first weights")


class RlStage(StageBase):
    kind: Literal["rl"] = "rl"
    prompts_per_step: int = Field(32, ge=1)
    samples_per_prompt: int = Field(8, ge=1)
    max_tokens: int = Field(2048, ge=1, description="longest answer, thinking included")
    objective: Objective = Objective()
    updates_per_step: int = Field(1, ge=1, description="optimizer updates that share a step's rollouts")
    refill_prompts: int = Field(0, ge=0, description="most extra prompts a step to replace groups without variance")
    truncated: Literal["mask", "wrong", "soft"] = Field(
        "mask", description="answers cut off: left out of the loss, scored 0, or penalised as they near the limit"
    )
    soft_margin: int = Field(256, ge=1, description="soft: tokens before the limit over which the penalty grows to 1")
    optimizer: Optimizer = Optimizer(lr=1e-6)
    verify_timeout: float = Field(5.0, gt=0, description="seconds a verifier may take for one answer")
    error_budget: float = Field(
        0.01,
        ge=0,
        le=1,
        description="share of a verifier's last 1,000 verdicts (all of the stage, while fewer) that may be errors or "
        "timeouts; above it the run pauses, and also where most of a step's fail; never for fewer than 3",
    )

    @model_validator(mode="after")
    def groups_have_company(self):
        if self.samples_per_prompt < 2 and self.objective.name in GROUP_OBJECTIVES:
            raise ValueError(
                f"samples_per_prompt is {self.samples_per_prompt}, but objective {self.objective.name!r} compares the "
                "samples of one prompt: use at least 2, or the objective 'reinforce_pp'"
            )
        if self.updates_per_step > self.prompts_per_step:
            raise ValueError(
                f"updates_per_step ({self.updates_per_step}) cannot exceed prompts_per_step ({self.prompts_per_step})"
            )
        return self
