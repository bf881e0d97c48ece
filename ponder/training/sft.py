"""The cold start: imitation of chat examples, loss on the assistant's tokens only."""

import time

from ponder.chat.renderer import Renderer
from ponder.engine.counting import key
from ponder.recipe.schema import Recipe, SftStage
from ponder.runs.run import Run
from ponder.training.batch import Sample
from ponder.training.chat_examples import read_examples
from ponder.training.checkpoint import Progress
from ponder.training.data import TaskPool
from ponder.training.demonstrations import demonstrate
from ponder.training.learner import Learner


class SftTrainer:
    def __init__(self, recipe: Recipe, stage: SftStage, run: Run, pool: TaskPool, renderer: Renderer, learner: Learner):
        self.recipe, self.stage, self.run, self.pool = recipe, stage, run, pool
        self.renderer, self.learner = renderer, learner
        self.chats = None
        if stage.demonstrations.path:
            self.chats = read_examples(stage.demonstrations, renderer, learner.decoder.config.max_positions)

    def step(self, progress: Progress) -> dict[str, float]:
        number = progress.step + 1
        started = time.perf_counter()
        samples = self._draw(progress.cursor)
        metrics = self.learner.imitate(samples, number)
        seconds = time.perf_counter() - started
        metrics |= {"time/step_s": seconds, "tokens_per_s/learn": sum(len(s.ids) for s in samples) / seconds}
        self.run.record(self.stage.name, number, metrics)
        progress.step, progress.cursor = number, progress.cursor + self.stage.examples_per_step
        return metrics

    def _draw(self, cursor: int) -> list[Sample]:
        return [self._example(k) for k in range(cursor, cursor + self.stage.examples_per_step)]

    def _example(self, k: int) -> Sample:
        """The k-th example of the stage: a pure function of the recipe's seed and k."""
        if self.chats is not None:
            return self.chats.sample(k, (self.recipe.seed, self.stage.name))
        context = self.learner.decoder.config.max_positions
        (task,) = self.pool.draw(k, 1)
        chat = demonstrate(task, self.stage.demonstrations, key(self.recipe.seed, self.stage.name, k))
        ids, mask = self.renderer.training_example(chat)
        if len(ids) > context:
            raise ValueError(
                f"stages.{self.stage.name}: a demonstration has {len(ids)} tokens, the model's context is {context}; "
                f"shorten or drop it: {self.renderer.decode(ids)[:120]!r}"
            )
        return Sample(ids, mask, [])
