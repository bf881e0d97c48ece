"""A stage of imitation (supervised fine-tuning): the cold start. Loss on the assistant's tokens only."""

import time
from collections.abc import Sequence
from pathlib import Path

from ponder.chat.renderer import Renderer
from ponder.engine.counting import key
from ponder.model.config import ModelConfig
from ponder.recipe.schema import Recipe
from ponder.recipe.stages import SftStage
from ponder.tasks.mixture import permuted
from ponder.tasks.task import Task
from ponder.training.batch import Sample
from ponder.training.checkpoint import Progress
from ponder.training.demonstrations import demonstrate, read_chats
from ponder.training.goals import Imitation
from ponder.training.learner import Learner
from ponder.training.stages.kind import Parts


class ImitationStage:
    """What the runner asks of a stage of kind sft (`StageKind`)."""

    longest_answer = 0
    tasks_per_step = 1
    verify_timeout = None
    error_budget = None
    needs_reference = False

    def __init__(self, settings: SftStage):
        self.settings = settings

    @property
    def size(self) -> str:
        return f"{self.settings.examples_per_step} examples a step"

    @property
    def updates(self) -> int:
        return self.settings.steps

    def texts(self, tasks: Sequence[Task]) -> list[str]:
        demonstrations = self.settings.demonstrations
        if demonstrations.path:
            chats = read_chats(Path(demonstrations.path))[: len(tasks)]
        else:
            chats = [demonstrate(task, demonstrations, k) for k, task in enumerate(tasks)]
        return [f"{m.get('reasoning_content', '')}\n{m['content']}" for chat in chats for m in chat[-1:]]

    def check(self, recipe: Recipe, config: ModelConfig, renderer: Renderer) -> None:
        pass

    def trainer(self, parts: Parts, learner: Learner) -> "ImitationTrainer":
        return ImitationTrainer(self.settings, parts, learner)

    def figures(self, metrics: dict[str, float]) -> str:
        return f"loss {metrics['loss']:.3f}  {metrics['tokens_per_s/learn']:,.0f} tok/s"


class ImitationTrainer:
    def __init__(self, stage: SftStage, parts: Parts, learner: Learner):
        self.stage, self.learner = stage, learner
        self.recipe, self.run, self.pool, self.renderer = parts.recipe, parts.run, parts.pool, parts.renderer
        self.chats = read_chats(Path(stage.demonstrations.path)) if stage.demonstrations.path else None

    def step(self, progress: Progress) -> dict[str, float]:
        number = progress.step + 1
        started = time.perf_counter()
        samples = self._draw(progress.cursor)
        metrics = self.learner.learn(samples, Imitation.of(samples), number).metrics
        seconds = time.perf_counter() - started
        progress.tokens += sum(len(s.ids) for s in samples)
        metrics |= {"tokens/total": progress.tokens, "prompts/total": progress.cursor + len(samples)}
        metrics |= {"time/step_s": seconds, "tokens_per_s/learn": sum(len(s.ids) for s in samples) / seconds}
        self.run.record(self.stage.name, number, metrics)
        progress.step, progress.cursor = number, progress.cursor + self.stage.examples_per_step
        return metrics

    def _draw(self, cursor: int) -> list[Sample]:
        context = self.learner.decoder.config.max_positions
        samples = []
        for k in range(cursor, cursor + self.stage.examples_per_step):
            ids, mask = self._example(k)
            if len(ids) > context:
                raise ValueError(
                    f"stages.{self.stage.name}: a demonstration has {len(ids)} tokens, the model's context is {context}; "
                    f"shorten or drop it: {self.renderer.decode(ids)[:120]!r}"
                )
            samples.append(Sample(ids, mask, []))
        return samples

    def _example(self, k: int) -> tuple[list[int], list[int]]:
        """The k-th example of the stage: a pure function of the recipe's seed and k."""
        if self.chats is not None:
            epoch, position = divmod(k, len(self.chats))
            chat = self.chats[permuted(position, len(self.chats), (self.recipe.seed, self.stage.name, epoch))]
        else:
            (task,) = self.pool.draw(k, 1)
            chat = demonstrate(task, self.stage.demonstrations, key(self.recipe.seed, self.stage.name, k))
        return self.renderer.training_example(chat)
