"""What a recipe may say. Every field has a working default; unknown keys are errors (see `load.py` for the wording)."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from ponder.recipe.benchmarks import Benchmarks
from ponder.recipe.episodes import Episodes
from ponder.recipe.judge import JudgeServer
from ponder.recipe.judges import check_judges
from ponder.recipe.sources import EnvironmentSource, Source
from ponder.recipe.stages import DemonstratingStage, LearningStage, RewardModelStage, SftStage, Stage
from ponder.recipe.strict import Strict
from ponder.recipe.trackers import Trackers

# ---- the model ----


class Birth(Strict):
    """A newborn Qwen2-form model; its tokenizer is trained on the texts of the recipe's own tasks."""

    hidden_size: int = Field(128, ge=8, multiple_of=2, description="width of the model")
    layers: int = Field(3, ge=1, description="blocks of attention and MLP")
    heads: int = Field(4, ge=1, description="query heads of the attention")
    kv_heads: int = Field(2, ge=1, description="key and value heads; heads is a multiple of it")
    intermediate_size: int = Field(384, ge=8, description="width of the MLP")
    vocab_size: int = Field(512, ge=280, description="tokens, at most; byte-level BPE needs 256 bytes and the markers")
    context: int = Field(512, ge=32, description="longest sequence, prompt and answer together, in tokens")

    @model_validator(mode="after")
    def heads_fit(self):
        if self.hidden_size % self.heads or (self.hidden_size // self.heads) % 2:
            raise ValueError(f"hidden_size ({self.hidden_size}) must be heads ({self.heads}) times an even number")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        return self


LoraTarget = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Lora(Strict):
    """Low-rank adapters: they alone are learned, and the model stays as it is."""

    rank: int = Field(16, ge=1, le=1024, description="width of the adapters")
    alpha: float = Field(32.0, gt=0, description="what is learned counts alpha / rank times")
    targets: list[LoraTarget] = Field(
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        min_length=1,
        description="the matrices that have an adapter, by their Hugging Face names",
    )
    save: Literal["merged", "adapter"] = Field(
        "merged",
        description="what a checkpoint is: a whole model with the adapters in it, and these in its directory adapter/; or "
        "the adapters alone, which are small and need the model that they were trained on",
    )


class Model(Strict):
    path: str | None = Field(
        None,
        description="the model that comes in: a Hugging Face checkpoint directory, a run, or an id of the Hugging Face hub "
        "(Qwen/Qwen3-8B, or Qwen/Qwen3-8B@REVISION), fetched into its cache; empty: a newborn model",
    )
    birth: Birth = Field(Birth(), description="the shape of a newborn model, where path is empty")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="what learner and sampler compute in; bfloat16 is faster and its optimizer keeps the weights in float32 "
        "(mixed precision)",
    )
    lora: Lora | None = Field(None, description="train low-rank adapters; empty: all weights, {}: adapters of rank 16")
    save_dtype: Literal["float32", "bfloat16", "float16"] | None = Field(
        None,
        description="of the weights in checkpoints; empty: that of the model that came in, float32 for a newborn. What "
        "a resume needs is kept exactly beside them",
    )
    add_tokens: list[str] = Field(
        [],
        description="texts that become tokens of a model that comes in, such as [<think>, </think>]; its vocabulary "
        "grows by those that it lacks",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: cuda where torch sees a GPU, else cpu")

    @model_validator(mode="after")
    def newborn_has_its_tokens(self):
        if self.add_tokens and self.path is None:
            raise ValueError(
                "add_tokens is for a model that comes in (path); a newborn has the tags of thoughts and calls"
            )
        return self

    @model_validator(mode="after")
    def adapters_have_a_base(self):
        if self.lora is not None and self.path is None:
            raise ValueError("lora is for a model that comes in (path); a newborn learns all its weights")
        if self.lora is not None and self.add_tokens:
            raise ValueError(
                "add_tokens and lora do not go together: adapters leave the embeddings as they are. Leave add_tokens out: "
                "thoughts can be tagged in plain text"
            )
        return self


# ---- the tasks ----


class HeldOut(Strict):
    """How the model is evaluated on tasks that it never trains on."""

    fraction: float = Field(0.1, gt=0, lt=1, description="share of each split source that is never trained on")
    problems: int = Field(200, ge=1, description="how many are answered at the end of each stage")
    samples: int = Field(
        1, ge=1, description="answers to each problem; accuracy is then avg@k, and pass@k is told beside it"
    )
    at_start: bool = Field(True, description="whether the model is evaluated before the first stage too")
    temperature: float = Field(1.0, ge=0, description="1 measures the policy that RL trains; 0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus sampling; 1 is off")
    top_k: int = Field(0, ge=0, description="of how many likeliest tokens to draw; 0: all")
    max_tokens: int | None = Field(None, ge=1, description="longest answer; empty: the longest of the RL stages")


# ---- the engine ----


class EngineSettings(Strict):
    kind: Literal["local"] = "local"
    workers: int | None = Field(
        None,
        ge=0,
        description="processes on a CPU, each sampling and learning its share; empty: one per core, on a GPU none",
    )
    dtype: Literal["float32", "bfloat16"] | None = Field(
        None, description="the sampler's; empty: the learner's, read in place"
    )
    token_budget: int = Field(262_144, ge=64, description="most tokens in the KV caches at a time")
    max_rows: int = Field(256, ge=1, description="most sequences that run at a time in one process")


# ---- the sandbox ----


class SandboxSettings(Strict):
    """Where programs are run; used only by tasks of the code verifier. A server's token is read from the environment
    variable PONDER_SANDBOX_TOKEN."""

    urls: list[str] = Field([], description="of servers (ponder sandbox serve); empty: processes of this machine")
    workers: int | None = Field(None, ge=1, description="programs at a time on this machine; empty: two for each core")
    memory_mb: int = Field(1024, ge=16, description="most memory of a program and all that it starts, in MB")
    timeout_s: float = Field(10.0, gt=0, le=3600, description="most seconds of each test")
    isolation: Literal["strict", "standard", "none"] = Field(
        "standard",
        description="strict: with control groups, which need root; standard: without; none: no jail, for programs you trust",
    )


class Recipe(Strict):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="what reports call it; runs go to runs/NAME")
    seed: int = Field(
        0, ge=0, description="of all random numbers: on a CPU the same seed gives the same run, bit for bit"
    )
    model: Model = Field(Model(), description="what is trained: a newborn model, or a checkpoint")
    sources: dict[str, Source] = Field(
        {}, description="where tasks come from, each under a name of yours; only stages of kind reward_model need none"
    )
    held_out: HeldOut = Field(HeldOut(), description="tasks that are never trained on, and how they are answered")
    benchmarks: Benchmarks = Field(
        [],
        description="asked at the ends of stages, by name or with settings: [gsm8k, {name: math500, rows: 50}]; the answers and "
        "scores lie in the run's evals/, as ponder eval leaves them",
    )
    engine: EngineSettings = Field(EngineSettings(), description="what samples the answers")
    sandbox: SandboxSettings = Field(SandboxSettings(), description="where programs of code tasks are run")
    episodes: Episodes = Field(Episodes(), description="bounds where tasks have tools or an environment")
    judges: dict[str, JudgeServer] = Field(
        {}, description="models that grade answers, each under a name of yours, for rewards and verifiers to name"
    )
    max_prompt_tokens: int | None = Field(
        None,
        ge=1,
        description="rows whose prompts are longer are left out and counted; empty: one that leaves no room for an answer "
        "in the model's context refuses the run",
    )
    trackers: Trackers = Field([], description="beside TensorBoard: wandb, mlflow, by name or with settings")
    stages: list[Stage] = Field(min_length=1, description="what is done, one after the other")

    @model_validator(mode="after")
    def tasks_are_there(self):
        if self.sources:
            return self
        if any(not isinstance(stage, RewardModelStage) for stage in self.stages):
            raise ValueError(
                "sources: name at least one; only a recipe whose stages are all of kind reward_model needs none"
            )
        if self.model.path is None:
            raise ValueError(
                "model.path: a newborn's tokenizer learns from the texts of sources; name some, or a model"
            )
        return self

    @model_validator(mode="after")
    def parts_fit(self):
        names = [stage.name for stage in self.stages]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two stages are named {sorted(doubled)[0]!r}; give each its own name")
        if "birth" in names:
            raise ValueError("a stage cannot be named 'birth': reports use it for the model before any stage")
        asked = [bench.name for bench in self.benchmarks]
        if doubled := {name for name in asked if asked.count(name) > 1}:
            raise ValueError(f"benchmarks: {sorted(doubled)[0]} stands twice; name it once")
        for bench in self.benchmarks:
            for stage in bench.after:
                if stage not in names:
                    raise ValueError(
                        f"benchmarks.{bench.name}.after: there is no stage {stage!r}; the stages are: {', '.join(names)}"
                    )
                if not isinstance(asked_after := self.stages[names.index(stage)], LearningStage):
                    makes = isinstance(asked_after, DemonstratingStage)
                    what = (
                        "makes demonstrations and learns nothing" if makes else "trains a reward model beside the model"
                    )
                    raise ValueError(
                        f"benchmarks.{bench.name}.after: {stage!r} {what}, so the model is that of the stage before; name that one"
                    )
        for number, stage in enumerate(self.stages):
            made = stage.demonstrations.stages if isinstance(stage, SftStage) else []
            makers = [one.name for one in self.stages[:number] if isinstance(one, DemonstratingStage)]
            if unknown := [name for name in made if name not in makers]:
                raise ValueError(
                    f"stages.{stage.name}.demonstrations.stages: no stage of kind reject or distill before it is called "
                    f"{unknown[0]!r}; there {'is' if len(makers) == 1 else 'are'}: {', '.join(makers) or 'none'}"
                )
        trained = [key for key, source in self.sources.items() if source.part != "held_out"]
        for stage in self.stages:
            for name in stage.mixture:
                if name not in trained:
                    raise ValueError(
                        f"stages.{stage.name}.mixture: {name!r} is no source that can be trained on; there are: {', '.join(trained)}"
                    )
            if isinstance(stage, DemonstratingStage):
                refuse_episodes(stage.name, {key: self.sources[key] for key in stage.mixture or trained})
        check_judges(self.judges, self.sources)
        domains = {source.domain or key for key, source in self.sources.items()}
        for stage in self.stages:
            unknown = set(stage.shots) - domains if isinstance(stage, DemonstratingStage) else set()
            if unknown:
                raise ValueError(
                    f"stages.{stage.name}.shots: no source has the domain {min(unknown)!r}; there is: "
                    + ", ".join(sorted(domains))
                )
        for key, source in self.sources.items():
            if (domain := source.domain or key) in ("mean", "std"):
                raise ValueError(
                    f"sources.{key}: a domain cannot be called {domain!r}, since reward/{domain} is a metric of all domains; "
                    f"give it another name with `domain`"
                )
        parts = {source.part for source in self.sources.values()}
        if parts == {"held_out"}:
            raise ValueError("every source is held out; at least one must be 'split' or 'train'")
        if parts == {"train"}:
            raise ValueError("no source has a held-out part; make one 'split', or add one with part: held_out")
        return self


def refuse_episodes(stage: str, sources: Mapping[str, Source]) -> None:
    """Raises ValueError where a stage that makes demonstrations would ask for one that is an episode."""
    for name, source in sources.items():
        if source.tools or isinstance(source, EnvironmentSource):
            raise ValueError(
                f"stages.{stage}: tasks of sources.{name} are episodes, of which no demonstrations can be made; leave it out of "
                "the stage, with mixture: {" + ", ".join(f"{one}: 1" for one in sources if one != name) + "}"
            )
