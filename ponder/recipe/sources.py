"""What a recipe may say about sources of tasks, one model for each kind."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ponder.recipe.episodes import EnvironmentChoice, ToolChoice
from ponder.recipe.reward import GymVerifier, Reward, RowVerifier
from ponder.recipe.strict import Strict


class SourceBase(Strict):
    weight: float = Field(1.0, gt=0, description="share in the mixture, relative to the other sources")
    domain: str | None = Field(
        None, description="the name under which results are told apart; empty: the source's name"
    )
    prompt: str | None = Field(
        None,
        description="'boxed', 'choice', 'code', 'plain', or a text with {question} in it; empty: boxed, code for "
        "programs, and nothing but the question for kind programs",
    )
    system: str | None = Field(None, description="a system prompt, for tasks that bring none of their own")
    part: Literal["split", "train", "held_out"] = Field(
        "split", description="split: by content hash; train or held_out: all of it goes there"
    )
    reward: Reward = Field(
        "task", description="the task's own verifier, or a composition of verifiers (ponder.recipe.reward)"
    )
    tools: list[ToolChoice] = Field(
        [],
        description="what the model may call while it answers: python, calculator, {python: FILE.py:FUNCTION}. Turns, calls "
        "and results are then one episode, whose last turn is the answer",
    )


class GymSource(SourceBase):
    kind: Literal["gym"] = "gym"
    family: str = Field(description="a reasoning-gym family, such as chain_sum")
    settings: dict[str, Any] = Field({}, description="of the family, as reasoning-gym has them, such as {min_terms: 2}")
    size: int = Field(100_000, ge=1, description="how many problems there are")
    seed: int = Field(0, description="of the problems; another one gives others")
    verifier: GymVerifier = Field(
        "math", description="math, reasoning_gym (the family's own scorer), or {python: FILE.py:FUNCTION}"
    )


CallForm = Literal["auto", "hermes", "mistral", "llama", "qwen_coder", "deepseek", "tagged", "json", "python"]
FIELDS = Field(
    {},
    description="prompt: and answer: name the fields of a row, or paths into nested ones: reward_model.ground_truth, "
    "solutions.0. domain: and verifier: name fields that say these row by row (or are the names themselves, where the "
    "first row has no such field)",
)
LIMIT = Field(None, ge=1, description="only the first so many rows")
CALL_FORM = Field(
    "auto",
    description="with function_calls, the only form in which an answer's text may make calls; auto: any of them",
)


class FileSource(SourceBase):
    """Rows of files: JSON Lines, JSON lists, CSV, TSV (all of them as .gz, too) and Parquet, by their endings."""

    kind: Literal["files", "jsonl"] = Field("files", description="jsonl: its older name")
    path: str | list[str] = Field(
        description="a file, a pattern such as data/*.parquet, or a list of these; ~ is the home directory. Or one of "
        "gsm8k_test, math500, aime24, aime25, humaneval, mbpp, ifeval, mmlu_stem"
    )
    fields: dict[str, str] = FIELDS
    limit: int | None = LIMIT
    verifier: RowVerifier | None = Field(
        None,
        description="empty: that of a known benchmark, else math; code finds the tests in a row by its form, "
        "instructions reads IFEval's fields, function_calls those of BFCL; {python: FILE.py:FUNCTION} is your own",
    )
    call_form: CallForm = CALL_FORM


class HubSource(SourceBase):
    kind: Literal["hub"] = "hub"
    name: str = Field(description="a data set of the Hugging Face hub, or a local directory of one")
    config: str | None = Field(None, description="one of its configurations, where it has several, such as main")
    split: str = Field("train", description="the split of the data set whose rows are taken")
    fields: dict[str, str] = FIELDS
    limit: int | None = LIMIT
    verifier: RowVerifier | None = Field(None, description="as in a source of files")
    call_form: CallForm = CALL_FORM


class ProgramsSource(SourceBase):
    """Small synthetic programming tasks, such as: Write f(x): add 3, times 7."""

    kind: Literal["programs"] = "programs"
    kinds: list[Literal["numbers", "text"]] = Field(
        ["numbers", "text"], min_length=1, description="functions of a number, of a text, or both"
    )
    min_steps: int = Field(2, ge=1, description="fewest steps of a program")
    max_steps: int = Field(3, ge=1, le=10, description="most steps of a program")
    max_number: int = Field(99, ge=2, description="largest number in a step")
    size: int = Field(100_000, ge=1, description="how many problems there are")
    seed: int = Field(0, description="of the problems; another one gives others")

    @model_validator(mode="after")
    def steps_fit(self):
        if self.min_steps > self.max_steps:
            raise ValueError(f"min_steps ({self.min_steps}) cannot exceed max_steps ({self.max_steps})")
        return self


class EnvironmentSource(SourceBase):
    """Worlds in which a model acts by calls, and which say themselves how it went (docs/agents.md)."""

    kind: Literal["environment"] = "environment"
    environment: EnvironmentChoice = Field(
        description="bookings, find_and_fix, hanoi, or a class of yours: {python: FILE.py:CLASS}"
    )
    settings: dict[str, Any] = Field({}, description="what the class is made with, such as {rooms: 4}")
    path: str | list[str] | None = Field(
        None,
        description="files of rows, each of which `reset` is called with; empty: it is called with a seed, and every seed is a task",
    )
    size: int = Field(100_000, ge=1, description="how many tasks there are, where they are made from seeds")
    seed: int = Field(0, ge=0, description="of the first of these; another one gives others")

    @model_validator(mode="after")
    def needs_no_more(self):
        if self.tools:
            raise ValueError("an environment's methods are its tools; leave `tools` out, or add methods to the class")
        if self.prompt is not None:
            raise ValueError("what an environment asks is what its `reset` returns; leave `prompt` out")
        return self


Source = Annotated[GymSource | FileSource | HubSource | ProgramsSource | EnvironmentSource, Field(discriminator="kind")]
