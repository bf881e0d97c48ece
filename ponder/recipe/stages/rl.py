"""The recipe of a stage of reinforcement learning with verified rewards (RLVR)."""

from typing import Literal

from pydantic import Field, model_validator

from ponder.recipe.stages.base import Guard, LearningStage, Optimizer
from ponder.recipe.strict import Strict

ObjectiveName = Literal["grpo", "dr_grpo", "dapo", "gspo", "cispo", "rloo", "reinforce_pp"]
GROUP_OBJECTIVES = ("grpo", "dr_grpo", "dapo", "gspo", "cispo", "rloo")
# What the papers of ponder.training.objectives choose, where it decides what may be set beside it.
TRUST = {"cispo": "detach", "rloo": "none"}  # all others clip
WITH_KL = ("grpo", "reinforce_pp")


class Objective(Strict):
    """A named loss; the fields below replace its paper's choices where they are set."""

    name: ObjectiveName = Field("dapo", description="the loss whose choices the fields below replace")
    advantage: Literal["group_mean_std", "group_mean", "leave_one_out", "batch_whitened", "parts_apart"] | None = Field(
        None,
        description="how rewards become advantages; parts_apart standardises each part of a "
        "reward by itself, adds them up by weight, and whitens the sums over the domain (GDPO)",
    )
    aggregate: Literal["token", "sequence", "sum", "constant"] | None = Field(
        None,
        description="mean over the step's tokens; over sequences of their token means; of their token sums; of these "
        "divided by max_tokens",
    )
    ratio: Literal["token", "sequence"] | None = Field(None, description="learner over sampler, by token or sequence")
    trust: Literal["clip", "detach", "none"] | None = Field(
        None, description="PPO's clip; CISPO's clipped weight, detached; or no trust region"
    )
    clip_low: float | None = Field(None, ge=0, description="the ratio is held above 1 - clip_low")
    clip_high: float | None = Field(None, ge=0, description="and below 1 + clip_high")
    dual_clip: float | None = Field(
        None,
        gt=1,
        description="most that a token with a negative advantage weighs, in sizes of it, such as 3; empty: off",
    )
    kl: float | None = Field(None, ge=0, description="weight of the KL to the stage's first weights")
    kl_estimator: Literal["k1", "k2", "k3", "unbiased"] | None = Field(
        None, description="form of that KL; unbiased: k3 weighted by the ratio, as in DeepSeek-V3.2"
    )
    tis_cap: float | None = Field(
        None,
        gt=0,
        description="truncated importance sampling: most weight for a token by learner over sampler, such as 2",
    )

    @model_validator(mode="after")
    def choices_go_together(self):
        trust = self.trust or TRUST.get(self.name, "clip")
        clips = [field for field in ("clip_low", "clip_high", "dual_clip") if getattr(self, field) is not None]
        if trust == "none" and clips:
            raise ValueError(
                f"{clips[0]} belongs to a trust region, and {self.name!r} has none; set trust: clip as well"
            )
        if trust != "clip" and self.dual_clip is not None:
            raise ValueError(f"dual_clip belongs to trust: clip, and trust is {trust!r} here; leave one of them out")
        if self.kl_estimator is not None and not (self.name in WITH_KL if self.kl is None else self.kl):
            raise ValueError(f"kl_estimator: {self.name!r} has no KL here; give kl a weight, such as 0.001")
        return self


class RlStage(LearningStage):
    kind: Literal["rl"] = "rl"
    prompts_per_step: int = Field(32, ge=1, description="tasks in a step")
    samples_per_prompt: int = Field(8, ge=1, description="answers to each, which are compared: the group")
    max_tokens: int = Field(2048, ge=1, description="longest answer, thinking included")
    objective: Objective = Field(Objective(), description="the loss")
    updates_per_step: int = Field(1, ge=1, description="optimizer updates that share a step's rollouts")
    refill_prompts: int = Field(0, ge=0, description="most extra prompts a step to replace groups without variance")
    truncated: Literal["wrong", "mask", "soft"] = Field(
        "wrong",
        description="answers cut off: scored 0, left out of the loss (which takes away what teaches a model to end), or "
        "penalised as they near the limit",
    )
    soft_margin: int = Field(256, ge=1, description="soft: tokens before the limit over which the penalty grows to 1")
    optimizer: Optimizer = Field(Optimizer(lr=1e-6), description="how weights are updated")
    guard: Guard | None = Field(
        Guard(), description="for the domains that earlier stages of RL have trained; null: they may fall"
    )
    verify_timeout: float = Field(5.0, gt=0, description="seconds a verifier may take for one answer")
    error_budget: float = Field(
        0.01,
        ge=0,
        le=1,
        description="share of a verifier's last 1,000 verdicts (all of the stage, while fewer) that may be errors or "
        "timeouts; above it the run pauses, and also where most of a step's fail; never for fewer than 3",
    )

    @model_validator(mode="after")
    def groups_are_large_enough(self):
        compares = self.objective.advantage or ("batch" if self.objective.name not in GROUP_OBJECTIVES else "group")
        if self.samples_per_prompt < 2 and not compares.startswith("batch"):
            raise ValueError(
                f"samples_per_prompt is {self.samples_per_prompt}, but objective {self.objective.name!r} compares the "
                "samples of one prompt: use at least 2, or the objective 'reinforce_pp'"
            )
        if self.updates_per_step > self.prompts_per_step:
            raise ValueError(
                f"updates_per_step ({self.updates_per_step}) cannot exceed prompts_per_step ({self.prompts_per_step})"
            )
        return self
