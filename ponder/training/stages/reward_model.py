"""A stage that trains a reward model on preference pairs, beside the run's own model, which stays as it is."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from ponder.chat.renderer import Renderer
from ponder.engine.counting import key
from ponder.evals.preferences import JudgedPair, accuracy, judge_pairs, summary
from ponder.model.config import ModelConfig, is_reward_model, load_config
from ponder.model.decoder import Decoder
from ponder.model.directory import tokenizer_directory
from ponder.model.scoring import with_score
from ponder.model.tensor_files import read_safetensors, write_safetensors
from ponder.model.weights import DTYPES, load_decoder
from ponder.recipe.stages import RewardModelStage
from ponder.runs.places import place_of
from ponder.runs.preferences import JUDGED_FILE, REWARD_MODEL
from ponder.server.start.checkpoint import find_checkpoint
from ponder.tasks.preferences import Pair
from ponder.tasks.task import Task
from ponder.training.checkpoint import OPTIMIZER_FILE, Progress
from ponder.training.finite import check_update
from ponder.training.gradients import OneProcess
from ponder.training.learner import Learner
from ponder.training.master import MasterWeights
from ponder.training.precision import compute_dtype
from ponder.training.preference import Preference
from ponder.training.preference_pairs import PreferencePairs, read_preferences
from ponder.training.replicas import Replicas
from ponder.training.reward_model_files import save_reward_model
from ponder.training.stages.kind import StageParts
from ponder.verifiers.reward_model.model import RewardModel, check_form

MASTERS_FILE = "resume/reward_model.safetensors"


class PreferenceStage:
    """What the runner asks of a stage of kind reward_model (`StageKind`). The run's own model has no update in it."""

    updates = 0
    longest_answer = 0
    tasks_per_step = 0
    verify_timeout = None
    error_budget = None
    needs_reference = False

    def __init__(self, settings: RewardModelStage):
        self.settings = settings
        self._read: PreferencePairs | None = None  # by `check`; the trainer takes it from there

    @property
    def described(self) -> str:
        return f"{self.settings.pairs_per_step} preference pairs a step, for a reward model"

    def texts(self, tasks: Sequence[Task]) -> list[str]:
        return []  # of the run's own model, which learns nothing here

    def check(self, config: ModelConfig, renderer: Renderer) -> list[str]:
        """Every pair is read, encoded as the reward model will read it, and measured."""
        if self.settings.base is not None:
            base = self._base(self.settings.base)
            config, renderer = load_config(base, is_reward_model(base)), Renderer.load(tokenizer_directory(base))
        pairs = self._pairs(config, renderer)
        return [f"stages.{self.settings.name}: {remark}" for remark in pairs.remarks]

    def _base(self, base: str) -> Path:
        try:
            return find_checkpoint(base).directory
        except ValueError as error:
            raise ValueError(f"stages.{self.settings.name}.base: {error}") from None

    def _pairs(self, config: ModelConfig, renderer: Renderer) -> PreferencePairs:
        if self._read is None:
            try:
                check_form(renderer, config)
                self._read = read_preferences(self.settings.preferences, renderer, config.max_positions)
            except ValueError as error:
                raise ValueError(f"stages.{self.settings.name}.preferences: {error}") from None
        return self._read

    def trainer(self, parts: StageParts, learner: Learner | None) -> "PreferenceTrainer":
        assert learner is None, "the run's own model learns nothing"
        began = self.settings.base and self._base(self.settings.base)
        return PreferenceTrainer(self.settings, parts, began, self._pairs)

    def figures(self, metrics: dict[str, float]) -> str:
        return (
            f"loss {metrics['loss']:.3f}  pairs {metrics['preference/accuracy']:.0%}  "
            f"margin {metrics['preference/margin']:.2f}  {metrics['tokens_per_s/learn']:,.0f} tok/s"
        )


class PreferenceTrainer:
    """Goes on from the newest checkpoint where that is of this stage, else begins with `began`, or with the run's own model.

    Args:
        began: the directory of the model that the reward model is made of; None: the run's own
    """

    learner: Learner | None = None  # of the run's own model

    def __init__(
        self,
        stage: RewardModelStage,
        parts: StageParts,
        began: Path | None,
        pairs_of: Callable[[ModelConfig, Renderer], PreferencePairs],
    ):
        self.stage, self.recipe, self.run = stage, parts.recipe, parts.run
        latest = parts.run.latest_checkpoint()
        assert latest is not None, "a run begins with a checkpoint"
        resumed = place_of(latest)[0] == stage.name
        source = latest / REWARD_MODEL if resumed else began or latest
        self.renderer = Renderer.load(tokenizer_directory(source))
        device = parts.engine.learner.device.type
        decoder = _begun(source, key(parts.recipe.seed, stage.name, "head"), device)
        if resumed and (latest / MASTERS_FILE).is_file():
            read_safetensors(dict(decoder.named_parameters()), latest / MASTERS_FILE)
        self.pairs = pairs_of(decoder.config, self.renderer)
        self.weights = MasterWeights.of(decoder, DTYPES[compute_dtype(parts.recipe.model, device)])
        accumulator = OneProcess()
        if parts.engine.workers > 1:
            accumulator = Replicas(self.weights.decoder, parts.engine.workers - 1)
            parts.opened.callback(accumulator.close)
        self.reward = Learner(
            self.weights, stage.optimizer, stage.steps, stage.micro_batch_tokens, accumulator=accumulator
        )
        if resumed:
            self.reward.load_state(latest / OPTIMIZER_FILE)

    def step(self, progress: Progress) -> dict[str, float]:
        number, started = progress.step + 1, time.perf_counter()
        drawn = range(progress.cursor, progress.cursor + self.stage.pairs_per_step)
        order = (self.recipe.seed, self.stage.name)
        samples = [sample for k in drawn for sample in self.pairs.samples(k, order)]
        metrics = self.reward.learn(samples, Preference.of(samples, self.stage.center), number).metrics
        check_update(self.weights.decoder, samples[0].ids)
        seconds = time.perf_counter() - started
        eval_every = self.stage.eval_every
        if self.pairs.validation and (number == self.stage.steps or (eval_every and number % eval_every == 0)):
            metrics |= self._validated()
        tokens = sum(len(sample.ids) for sample in samples)
        progress.tokens += tokens
        metrics |= {
            "tokens/total": progress.tokens,
            "prompts/total": progress.cursor + len(drawn),
            "time/step_s": seconds,
            "tokens_per_s/learn": tokens / seconds,
        }
        self.run.record(self.stage.name, number, metrics)
        progress.step, progress.cursor = number, progress.cursor + len(drawn)
        return metrics

    def save_beside(self, directory: Path, progress: Progress) -> None:
        """The reward model into a checkpoint, with what a resume needs, and at the stage's end what it is worth."""
        dtype = self.recipe.model.save_dtype or self.weights.decoder.config.dtype
        save_reward_model(self.weights, self.renderer, self.pairs.ends, directory / REWARD_MODEL, dtype)
        if dtype != "float32":
            exact = {name: master.detach().to("cpu", copy=True) for name, master in self.weights.masters.items()}
            write_safetensors(exact, directory / MASTERS_FILE)
        self.reward.save_state(directory / OPTIMIZER_FILE)
        if progress.done:
            parts = {"validation": self.pairs.validation, "test": self.pairs.test}
            judged = {name: summary(self._judged(pairs)) for name, pairs in parts.items() if pairs}
            (directory / REWARD_MODEL / JUDGED_FILE).write_text(json.dumps(judged, indent=1) + "\n", encoding="utf-8")

    def _validated(self) -> dict[str, float]:
        judged = self._judged(self.pairs.validation)
        margins = torch.tensor([pair.chosen - pair.rejected for pair in judged], dtype=torch.float64)
        return {
            "validation/loss": -torch.nn.functional.logsigmoid(margins).mean().item(),
            "validation/accuracy": accuracy(judged)["accuracy"],
        }

    def _judged(self, pairs: Sequence[Pair]) -> list[JudgedPair]:
        return judge_pairs(RewardModel(self.weights.decoder, self.renderer), pairs)


def _begun(source: Path, seed: int, device: str) -> Decoder:
    """The reward model that training begins with, float32."""
    if is_reward_model(source):
        return load_decoder(source, "float32", device, scores=True)
    return with_score(load_decoder(source, "float32", device), seed % 2**63)
