"""The recipe of a stage of imitation (supervised fine-tuning): the cold start."""

from typing import Literal

from pydantic import Field, model_validator

from ponder.recipe.chats import ChatFiles
from ponder.recipe.stages.base import LearningStage, Optimizer
from ponder.recipe.strict import Strict

OF_FILES = ("fields", "system", "limit", "learn")  # settings of chats that the demonstrations of stages do not need


class Habits(Strict):
    """How a careless pupil works: the mistakes come with the habits, and nobody says which habit pays."""

    guess: float = Field(0.5, ge=0, le=1, description="share that answers at once, without working")
    check: float = Field(
        0.1, ge=0, le=1, description="share of the worked ones that goes over it again, more carefully"
    )
    slip: float = Field(0.15, ge=0, lt=1, description="chance that a digit or a step comes out wrong")


class Demonstrations(ChatFiles):
    """Examples for the cold start: those that stages before have made, files of chats, or procedures that write them.

    There is a procedure for each kind of task; a mixture of tasks names one for each.
    """

    stages: list[str] = Field(
        [], description="stages of kind reject or distill, before this one, whose demonstrations are imitated"
    )

    columns: Habits | None = Field(None, description="sums and differences of two terms, worked column by column")
    programs: Habits | None = Field(None, description="tasks of a source of kind programs, worked step by step")

    calls: Habits | None = Field(
        None, description="arithmetic tasks of a source with tools: [calculator], which the pupil calls, or guesses"
    )

    @model_validator(mode="after")
    def one_way(self):
        procedures = any(habits is not None for habits in (self.columns, self.programs, self.calls))
        if [self.path is not None, bool(self.stages), procedures].count(True) != 1:
            raise ValueError(
                "name exactly one of: path (files of chats), stages (that make demonstrations), or procedures (columns for "
                "sums, programs for sources of kind programs, calls for sources with a calculator)"
            )
        changed = [
            name for name in ChatFiles.model_fields if getattr(self, name) != ChatFiles.model_fields[name].default
        ]
        if procedures and changed:
            raise ValueError(f"{changed[0]} is about files of chats, and procedures read none: leave it out")
        if self.stages and (of_files := [name for name in changed if name in OF_FILES]):
            raise ValueError(f"{of_files[0]} is about files of chats, and stages are named here: leave it out")
        return self


class SftStage(LearningStage):
    kind: Literal["sft"] = "sft"
    demonstrations: Demonstrations = Field(description="what is imitated")
    examples_per_step: int = Field(64, ge=1, description="examples in an update")
    optimizer: Optimizer = Field(Optimizer(lr=1e-5), description="how weights are updated")
