"""What a recipe may say. Every field has a working default; unknown keys are errors (see `load.py` for the wording)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ponder.recipe.chats import ChatFiles
from ponder.recipe.sources import Source
from ponder.recipe.strict import Strict

# ---- the model ----


class Birth(Strict):
    """A newborn Qwen2-form model; its tokenizer is trained on the texts of the recipe's own tasks."""

    hidden_size: int = Field(128, ge=8, multiple_of=2)
    layers: int = Field(3, ge=1)
    heads: int = Field(4, ge=1)
    kv_heads: int = Field(2, ge=1)
    intermediate_size: int = Field(384, ge=8)
    vocab_size: int = Field(512, ge=280, description="at most; byte-level BPE needs 256 bytes and the markers")
    context: int = Field(512, ge=32)

    @model_validator(mode="after")
    def heads_fit(self):
        if self.hidden_size % self.heads or (self.hidden_size // self.heads) % 2:
            raise ValueError(f"hidden_size ({self.hidden_size}) must be heads ({self.heads}) times an even number")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        return self


class Model(Strict):
    path: str | None = Field(None, description="a Hugging Face checkpoint directory; empty: a newborn model")
    birth: Birth = Birth()
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="the learner's; in bfloat16 the small updates of RL round away, so it is for trials only"
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"


# ---- the tasks ----


class HeldOut(Strict):
    fraction: float = Field(0.1, gt=0, lt=1, description="share of each split source that is never trained on")
    problems: int = Field(200, ge=1, description="how many are answered at the end of each stage")
    temperature: float = Field(1.0, ge=0, description="1 measures the policy that RL trains")
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    max_tokens: int | None = Field(None, ge=1, description="longest answer; empty: the longest of the RL stages")


# ---- the engine ----


class EngineSettings(Strict):
    kind: Literal["local"] = "local"
    workers: int | None = Field(
        None,
        ge=0,
        description="processes on a CPU, each sampling and learning its share; empty: one per core, on a GPU none",
    )
    dtype: Literal["float32", "bfloat16"] | None = Field(None, description="empty: the learner's, read in place")
    token_budget: int = Field(262_144, ge=64, description="most tokens in the KV caches at a time")
    max_rows: int = Field(256, ge=1, description="most sequences that run at a time in one process")


# ---- the sandbox ----


class SandboxSettings(Strict):
    """Where programs are run; used only by tasks of the code verifier. A server's token is read from the environment
    variable PONDER_SANDBOX_TOKEN."""

    urls: list[str] = Field([], description="of servers (ponder sandbox serve); empty: processes of this machine")
    workers: int | None = Field(None, ge=1, description="programs at a time on this machine; empty: two for each core")
    memory_mb: int = Field(1024, ge=16, description="the most that a program may ask for")
    timeout_s: float = Field(10.0, gt=0, le=3600, description="the same in seconds, for each test")
    isolation: Literal["strict", "standard", "none"] = "standard"


# ---- the stages ----


class Optimizer(Strict):
    lr: float = Field(1e-6, gt=0)
    warmup_steps: int = Field(5, ge=0)
    decay: Literal["constant", "linear", "cosine"] = "constant"
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)


class Plateau(Strict):
    """Stop when held-out accuracy has not risen by `min_gain` over the last `evals` evaluations."""

    evals: int = Field(3, ge=1)
    min_gain: float = Field(0.01, ge=0)


class StageBase(Strict):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    steps: int = Field(ge=1, description="the most steps; target and plateau may end the stage before")
    target: float | None = Field(None, gt=0, le=1, description="held-out accuracy at which the stage ends")
    plateau: Plateau | None = None
    eval_every: int = Field(0, ge=0, description="steps between held-out evaluations; 0: only at the end")
    eval_problems: int = Field(64, ge=1, description="held-out problems in an evaluation on the way")
    save_every: int = Field(20, ge=1)
    keep_checkpoints: int = Field(2, ge=1, description="how many on the way are kept; a stage's last one always is")
    micro_batch_tokens: int = Field(8_192, ge=16, description="tokens in one forward and backward pass")

    @model_validator(mode="after")
    def exits_need_evals(self):
        if (self.target is not None or self.plateau is not None) and not self.eval_every:
            raise ValueError("target and plateau look at evaluations on the way: set eval_every, for instance to 10")
        return self


class Habits(Strict):
    """How a careless pupil works: the mistakes come with the habits, and nobody says which habit pays."""

    guess: float = Field(0.5, ge=0, le=1, description="share that answers at once, without working")
    check: float = Field(
        0.1, ge=0, le=1, description="share of the worked ones that goes over it again, more carefully"
    )
    slip: float = Field(0.15, ge=0, lt=1, description="chance that a digit or a step comes out wrong")


class Demonstrations(ChatFiles):
    """Written examples for the cold start: files of chats, or procedures that write them.

    There is a procedure for each kind of task; a mixture of tasks names one for each.
    """

    columns: Habits | None = Field(None, description="sums and differences of two terms, worked column by column")
    programs: Habits | None = Field(None, description="tasks of a source of kind programs, worked step by step")

    @model_validator(mode="after")
    def one_way(self):
        procedures = self.columns is not None or self.programs is not None
        if (self.path is not None) == procedures:
            raise ValueError(
                "name exactly one of: path (files of chats), or procedures (columns for sums, programs for sources of kind "
                "programs, or both)"
            )
        changed = [
            name for name in ChatFiles.model_fields if getattr(self, name) != ChatFiles.model_fields[name].default
        ]
        if procedures and changed:
            raise ValueError(f"{changed[0]} is about files of chats, and procedures read none: leave it out")
        return self


class SftStage(StageBase):
    kind: Literal["sft"] = "sft"
    demonstrations: Demonstrations
    examples_per_step: int = Field(64, ge=1)
    optimizer: Optimizer = Optimizer(lr=1e-5)


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


Stage = Annotated[SftStage | RlStage, Field(discriminator="kind")]


class Recipe(Strict):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(0, ge=0)
    model: Model = Model()
    sources: dict[str, Source] = Field(min_length=1)
    held_out: HeldOut = HeldOut()
    engine: EngineSettings = EngineSettings()
    sandbox: SandboxSettings = SandboxSettings()
    stages: list[Stage] = Field(min_length=1)

    @model_validator(mode="after")
    def parts_fit(self):
        names = [stage.name for stage in self.stages]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two stages are named {sorted(doubled)[0]!r}; give each its own name")
        if "birth" in names:
            raise ValueError("a stage cannot be named 'birth': reports use it for the model before any stage")
        parts = {source.part for source in self.sources.values()}
        if parts == {"held_out"}:
            raise ValueError("every source is held out; at least one must be 'split' or 'train'")
        if parts == {"train"}:
            raise ValueError("no source has a held-out part; make one 'split', or add one with part: held_out")
        return self
