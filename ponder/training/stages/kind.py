"""What the runner asks of a stage, whatever its kind. A new kind is one file beside this one, a recipe model in
ponder/recipe/stages/, and a line in `KINDS`."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from ponder.agents.equipment import Outfitter
from ponder.chat.renderer import Renderer
from ponder.engine.build import SamplingEngine
from ponder.model.config import ModelConfig
from ponder.recipe.schema import Recipe
from ponder.recipe.stages import StageBase
from ponder.runs.run import Run
from ponder.tasks.task import Task
from ponder.training.checkpoint import Progress
from ponder.training.data import TaskPool
from ponder.training.learner import Learner
from ponder.verifiers.verification import Verification


@dataclass(frozen=True)
class StageParts:
    """What a trainer works with; all stages of a run share it. What is called back by `opened` is so at the run's end, however it ends."""

    recipe: Recipe
    run: Run
    pool: TaskPool
    renderer: Renderer
    engine: SamplingEngine
    verification: Verification
    outfitter: Outfitter
    opened: ExitStack


class Trainer(Protocol):
    """Takes a stage's steps."""

    learner: Learner | None  # None where the stage learns nothing

    def step(self, progress: Progress) -> dict[str, float]:
        """One step; `progress` says which, and moves on. Returns the step's metrics.

        Raises:
            BudgetSpent: a verifier failed too often. Nothing was learned, and `progress` is where it was.
            FloatingPointError: a gradient was not finite.
        """
        ...


@runtime_checkable
class SavesBeside(Protocol):
    """A trainer of something else than the run's model, which then lies beside it in the stage's checkpoints."""

    def save_beside(self, directory: Path, progress: Progress) -> None:
        """Into a checkpoint that is being written; `progress.done` at the stage's end."""
        ...


class StageKind(Protocol):
    """One stage of a recipe, as birth, start checks, evaluation, view and runner see it."""

    settings: StageBase

    @property
    def described(self) -> str:
        """A step in words: "48 prompts x 8 samples = 384 answers a step"."""
        ...

    @property
    def updates(self) -> int:
        """Optimizer updates of the run's model in the whole stage, for the learning rate's decay. 0: the model learns nothing, so that
        there is nothing to evaluate."""
        ...

    @property
    def longest_answer(self) -> int:
        """Most tokens of an answer that the stage samples; 0 where it samples none."""
        ...

    @property
    def tasks_per_step(self) -> int: ...

    @property
    def verify_timeout(self) -> float | None:
        """Seconds that a verdict may take; None where the stage asks for no verdicts."""
        ...

    @property
    def error_budget(self) -> float | None:
        """Share of a verifier's verdicts that may fail; None where the stage asks for no verdicts."""
        ...

    @property
    def needs_reference(self) -> bool:
        """Whether the learner needs the weights that the stage begins with."""
        ...

    def texts(self, tasks: Sequence[Task]) -> list[str]:
        """What the stage would teach of these tasks, for a newborn model's tokenizer to learn from."""
        ...

    def check(self, config: ModelConfig, renderer: Renderer) -> list[str]:
        """Before the first step of any stage: all that can be known of this one. ValueError says what to change, what is
        returned is said to people."""
        ...

    def trainer(self, parts: StageParts, learner: Learner | None) -> Trainer:
        """`learner`: None where there are no `updates`."""
        ...

    def figures(self, metrics: dict[str, float]) -> str:
        """A step's most telling numbers, for the live line."""
        ...
