"""A stage of imitation (supervised fine-tuning): the cold start. Loss on the assistant's tokens only."""

import time
from collections.abc import Sequence

from ponder.chat.examples import training_examples
from ponder.chat.renderer import Renderer
from ponder.engine.counting import key
from ponder.model.config import ModelConfig
from ponder.recipe.stages import SftStage
from ponder.tasks.chats import read_chats
from ponder.tasks.task import Task
from ponder.training.batch import Sample
from ponder.training.chat_examples import ChatExamples, mean_loss, read_examples, spoken
from ponder.training.checkpoint import Progress
from ponder.training.demonstrations import demonstrate
from ponder.training.goals import Imitation
from ponder.training.kept_chats import chats_file
from ponder.training.learner import Learner
from ponder.training.scoring import score
from ponder.training.stages.kind import StageParts


class ImitationStage:
    """What the runner asks of a stage of kind sft (`StageKind`)."""

    longest_answer = 0
    tasks_per_step = 1
    verify_timeout = None
    error_budget = None
    needs_reference = False

    def __init__(self, settings: SftStage):
        self.settings, self.demonstrations = settings, settings.demonstrations
        self._read: ChatExamples | None = None  # by `check`; the trainer takes it from there

    @property
    def described(self) -> str:
        return f"{self.settings.examples_per_step} examples a step"

    @property
    def updates(self) -> int:
        return self.settings.steps

    def texts(self, tasks: Sequence[Task]) -> list[str]:
        demonstrations = self.settings.demonstrations
        if demonstrations.stages:
            return []  # they are yet to be made
        if demonstrations.path:
            chats = [chat.messages for chat in read_chats(demonstrations.path, demonstrations.fields)[: len(tasks)]]
        else:
            chats = [demonstrate(task, demonstrations, k) for k, task in enumerate(tasks)]
        return spoken(chats)

    def check(self, config: ModelConfig, renderer: Renderer) -> list[str]:
        """Every demonstration at hand is read and measured."""
        if not self.settings.demonstrations.path:
            return []
        read = self._examples(config.max_positions, renderer)
        return [f"stages.{self.settings.name}: {len(read.chats):,} demonstrations", *read.remarks]

    def _examples(self, context: int, renderer: Renderer) -> ChatExamples:
        if self._read is None:
            try:
                self._read = read_examples(self.demonstrations, renderer, context)
            except ValueError as error:
                raise ValueError(f"stages.{self.settings.name}.demonstrations: {error}") from None
        return self._read

    def trainer(self, parts: StageParts, learner: Learner | None) -> "ImitationTrainer":
        assert learner is not None
        context, demonstrations = learner.decoder.config.max_positions, self.settings.demonstrations
        if demonstrations.stages:  # which have been made by now
            files = [str(chats_file(parts.run.path, stage)) for stage in demonstrations.stages]
            self.demonstrations = demonstrations.model_copy(update={"path": files})
        examples = self._examples(context, parts.renderer) if self.demonstrations.path else None
        return ImitationTrainer(self.settings, parts, learner, examples)

    def figures(self, metrics: dict[str, float]) -> str:
        return f"loss {metrics['loss']:.3f}  {metrics['tokens_per_s/learn']:,.0f} tok/s"


class ImitationTrainer:
    """`examples`: those of files; None where procedures write them."""

    def __init__(self, stage: SftStage, parts: StageParts, learner: Learner, examples: ChatExamples | None):
        self.stage, self.learner, self.examples = stage, learner, examples
        self.recipe, self.run, self.pool, self.renderer = parts.recipe, parts.run, parts.pool, parts.renderer
        self.validation = examples.validation_samples() if examples else []

    def step(self, progress: Progress) -> dict[str, float]:
        number = progress.step + 1
        started = time.perf_counter()
        samples = [self._example(k) for k in range(progress.cursor, progress.cursor + self.stage.examples_per_step)]
        metrics = self.learner.learn(samples, Imitation.of(samples), number).metrics
        seconds = time.perf_counter() - started
        if self.validation and (
            number == self.stage.steps or (self.stage.eval_every and number % self.stage.eval_every == 0)
        ):
            metrics["validation/loss"] = self._validation_loss()
        tokens = sum(len(s.ids) for s in samples)
        progress.tokens += tokens
        metrics |= {
            "tokens/total": progress.tokens,
            "prompts/total": progress.cursor + len(samples),
            "time/step_s": seconds,
            "tokens_per_s/learn": tokens / seconds,
        }
        self.run.record(self.stage.name, number, metrics)
        progress.step, progress.cursor = number, progress.cursor + len(samples)
        return metrics

    def _validation_loss(self) -> float:
        decoder = self.learner.decoder
        return mean_loss(
            self.validation,
            self.stage.micro_batch_tokens,
            decoder.device,
            lambda batch: score(decoder, batch).logprobs,
        )

    def _example(self, k: int) -> Sample:
        """The k-th example of the stage: a pure function of the recipe's seed and k."""
        if self.examples is not None:
            return self.examples.sample(k, (self.recipe.seed, self.stage.name))
        context = self.learner.decoder.config.max_positions
        (task,) = self.pool.draw(k, 1)
        chat = demonstrate(task, self.stage.demonstrations, key(self.recipe.seed, self.stage.name, k))
        ((ids, mask),) = training_examples(self.renderer, chat, task.tools, "all")  # a newborn's template appends turns
        if len(ids) > context:
            raise ValueError(
                f"stages.{self.stage.name}: a demonstration has {len(ids)} tokens, the model's context is {context}; "
                f"shorten or drop it: {self.renderer.decode(ids)[:120]!r}"
            )
        return Sample(ids, mask, [])
