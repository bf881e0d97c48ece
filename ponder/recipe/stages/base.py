"""What every stage of a recipe has, and what those that learn have: when they end, how they are evaluated and saved."""

from typing import Literal

from pydantic import Field, model_validator

from ponder.recipe.strict import Strict


class Optimizer(Strict):
    """AdamW, with a learning rate that warms up and then decays."""

    lr: float = Field(1e-6, gt=0, description="learning rate")
    warmup_steps: int = Field(5, ge=0, description="updates over which it rises from 0")
    decay: Literal["constant", "linear", "cosine"] = Field("constant", description="how it goes on from there")
    min_lr: float | None = Field(None, ge=0, description="where the decay ends; empty: a tenth of lr")
    betas: tuple[float, float] = Field((0.9, 0.95), description="decay of the first and second moments' averages")
    eps: float = Field(1e-8, gt=0, description="added to the root of the second moment")
    weight_decay: float = Field(0.0, ge=0, description="of matrices only, not of norms and biases")
    max_grad_norm: float = Field(1.0, gt=0, description="longer gradients are shortened to this")

    @model_validator(mode="after")
    def betas_are_shares(self):
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must lie in [0, 1), such as [0.9, 0.95], not {list(self.betas)}")
        return self

    @model_validator(mode="after")
    def min_lr_fits(self):
        if self.min_lr is not None and self.min_lr > self.lr:
            raise ValueError(f"min_lr ({self.min_lr:g}) cannot exceed lr ({self.lr:g})")
        if self.min_lr is not None and self.decay == "constant":
            raise ValueError("min_lr is where a decay ends: set decay to 'linear' or 'cosine'")
        return self


class Plateau(Strict):
    """Stop when held-out accuracy (or mean score) has not risen by `min_gain` over the last `evals` evaluations."""

    evals: int = Field(3, ge=1, description="how many evaluations on the way are looked at")
    min_gain: float = Field(0.01, ge=0, description="by how much the best of them must beat the best before them")


class StageBase(Strict):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="by which results, checkpoints and --set know it")
    steps: int = Field(ge=1, description="how many; target and plateau may end a stage that learns before")
    mixture: dict[str, float] = Field(
        {},
        description="shares of the sources in this stage, by their names, such as {math: 1, tools: 2}; earlier domains that "
        "stand in it are replayed. Empty: all sources, by their weights",
    )

    @model_validator(mode="after")
    def shares_are_positive(self):
        if wrong := [name for name, share in self.mixture.items() if not 0 < share < float("inf")]:
            raise ValueError(f"mixture.{wrong[0]} must be above 0; leave a source out that has no share")
        return self


class Guard(Strict):
    """What earlier stages of RL have brought must hold: their domains are looked at in every evaluation."""

    drop: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="by how much the held-out accuracy of a domain may fall, beyond what chance explains",
    )
    stop: bool = Field(
        True, description="end the stage there, at its last checkpoint before the fall; false: say so, and go on"
    )


class LearningStage(StageBase):
    target: float | None = Field(None, gt=0, le=1, description="held-out accuracy, or mean score, that ends the stage")
    measure: Literal["accuracy", "score"] | None = Field(
        None,
        description="what target, plateau and keep_best look at; empty: the mean score in evaluations where verifiers give "
        "parts of a score, such as 0.4, else accuracy",
    )
    plateau: Plateau | None = Field(None, description="end the stage when it has stopped rising; empty: never")
    eval_every: int = Field(0, ge=0, description="steps between held-out evaluations; 0: only at the end")
    eval_problems: int = Field(64, ge=1, description="held-out problems in an evaluation on the way")
    save_every: int = Field(20, ge=1, description="steps between checkpoints")
    keep_checkpoints: int = Field(
        2,
        ge=1,
        description="how many are kept while the stage runs; when it is done, its last one (and with keep_best the best)",
    )
    keep_best: bool = Field(
        False, description="save and keep the checkpoint with the best evaluation on the way, beside the newest"
    )
    micro_batch_tokens: int = Field(8_192, ge=16, description="tokens in one forward and backward pass")

    @model_validator(mode="after")
    def exits_need_evals(self):
        if (self.target is not None or self.plateau is not None) and not self.eval_every:
            raise ValueError("target and plateau look at evaluations on the way: set eval_every, for instance to 10")
        if self.keep_best and not self.eval_every:
            raise ValueError("keep_best looks at evaluations on the way: set eval_every, for instance to 10")
        return self
