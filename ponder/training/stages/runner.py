"""A recipe from its first stage to its last: birth, stages with exit criteria, evaluations, checkpoints, resume."""

import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from ponder.chat.renderer import Renderer
from ponder.engine.build import SamplingEngine
from ponder.engine.protocol import SamplingParams
from ponder.evals.held_out import evaluate, held_out_sampling
from ponder.model.decoder import Decoder
from ponder.model.weights import load_decoder
from ponder.recipe.load import dump_recipe, load_recipe
from ponder.recipe.schema import Recipe
from ponder.recipe.stages import RlStage
from ponder.runs.lineage import last_processor, new_lineage
from ponder.runs.processor import processor
from ponder.runs.report import write_report
from ponder.runs.results import EvalResult
from ponder.runs.run import BIRTH, Run, place_of
from ponder.runs.trackers import check_trackers, open_trackers
from ponder.tasks.task import Task
from ponder.training.changes import changed_fields
from ponder.training.checkpoint import OPTIMIZER_FILE, Progress, load_progress, save_checkpoint
from ponder.training.data import TaskPool, load_tasks, spread
from ponder.training.error_budget import BudgetSpent, exceeds, failure_rows
from ponder.training.first_model import device_of, first_model
from ponder.training.gradients import OneProcess
from ponder.training.learner import Learner
from ponder.training.pause import budget_spent, is_saved, not_finite
from ponder.training.replicas import Replicas
from ponder.training.rollouts import Rollout, collect
from ponder.training.selfcheck import check_before_training, check_tasks
from ponder.training.stages.kind import Parts, StageKind, Trainer
from ponder.training.stages.kinds import stages_of
from ponder.training.view import View
from ponder.verifiers.verification import Verification

# For evaluations of stages that ask for no verdicts.
DEFAULT_BUDGET = RlStage.model_fields["error_budget"].default
DEFAULT_DEADLINE_S = RlStage.model_fields["verify_timeout"].default


class Stopped(Exception):
    """Training was asked to stop, and has saved everything."""


def start(recipe: Recipe, path: Path, view: View) -> Run:
    """Train a recipe into a new run directory.

    Raises:
        ValueError: what can be refused is refused before anything is learned.
        Stopped: Ctrl+C or SIGTERM; the run can be resumed.
        Paused: verifiers failed too often, or a gradient was not finite; the run can be resumed.
    """
    text = dump_recipe(recipe)
    check_trackers(recipe.trackers)
    stages = stages_of(recipe)
    pool = load_tasks(recipe)
    parent = Path(recipe.model.path) if recipe.model.path else None
    with _verification(recipe) as verification:
        check_tasks(stages, pool, verification)
    decoder, renderer = first_model(recipe, pool, stages)
    check_before_training(recipe, stages, pool, decoder.config, renderer)
    with Run.create(path, text, new_lineage(text, seed=recipe.seed, parent=parent)) as run:
        progress = Progress(BIRTH, done=True)
        save_checkpoint(run, progress, decoder, renderer)
        _Training(recipe, run, pool, decoder, renderer, view).go_on_from(progress)
    return run


def resume(path: Path, view: View, overrides: Sequence[str] = ()) -> Run:
    """Go on from a run's latest checkpoint; what lies after it is dropped and made again, bit for bit on a CPU.

    `overrides` change the run's recipe from here on, as `path.to.field=value`; the lineage keeps note of them.

    Raises:
        ValueError: not a run, a run without a checkpoint, or a damaged one; a field that cannot be changed any more.
        Stopped, Paused: as in `start`.
    """
    with Run.open(path) as run:
        run.lock()
        recipe = load_recipe(run.path / "recipe.yaml", list(overrides))
        check_trackers(recipe.trackers)
        changed = changed_fields(load_recipe(run.path / "recipe.yaml"), recipe)
        checkpoint = run.latest_checkpoint()
        if checkpoint is None:
            raise ValueError(f"{path} has no checkpoint yet: remove the directory and start it again with ponder train")
        progress = load_progress(checkpoint)
        decoder = load_decoder(checkpoint, device=device_of(recipe.model))
        # All that may be refused comes before anything of the run is changed.
        pool, renderer = load_tasks(recipe), Renderer.load(checkpoint)
        stage_order = [stage.name for stage in recipe.stages]
        before = last_processor(run.lineage)
        if before and before != processor():
            view.say(
                f"This processor is another than that of the run's last steps ({before}): what follows may differ in its "
                f"last digits from what they would have led to. Here: {processor()}"
            )
        view.say(str(run.rewind(stage_order, progress.stage, progress.step, changed)))
        if changed:
            run.change_recipe(dump_recipe(recipe))
        _Training(recipe, run, pool, decoder, renderer, view).go_on_from(progress)
    return run


def _verification(recipe: Recipe) -> Verification:
    return Verification(deadline_s=_deadline_s(recipe), sandbox=recipe.sandbox)


def _deadline_s(recipe: Recipe) -> float:
    """Of a verdict: one Verification serves all stages, with the longest time that one of them allows."""
    return max((stage.verify_timeout or 0.0 for stage in stages_of(recipe)), default=0.0) or DEFAULT_DEADLINE_S


class _Training:
    def __init__(self, recipe: Recipe, run: Run, pool: TaskPool, decoder: Decoder, renderer: Renderer, view: View):
        self.recipe, self.run, self.pool = recipe, run, pool
        self.decoder, self.renderer, self.view = decoder, renderer, view
        self.stages = stages_of(recipe)
        self.stop_asked = False

    def go_on_from(self, progress: Progress) -> None:
        self.run.follow(open_trackers(self.recipe.trackers, self.run), self.view.say)
        self.engine = SamplingEngine(self.decoder, self.recipe.engine)
        helpers = self.engine.workers - 1  # this process learns too
        replicas = Replicas(self.decoder, helpers) if helpers > 0 else None
        self.accumulator = replicas or OneProcess()
        self.verification = _verification(self.recipe)
        try:
            with self._stop_signals(), self.view:
                if progress.stage == BIRTH:
                    self._evaluate_fully(progress)
                for stage in self._remaining(progress):
                    if progress.stage != stage.settings.name:
                        progress = Progress(stage.settings.name)
                    self._run_stage(stage, progress)
            self.view.report(self.run, write_report(self.run))
        finally:
            self.engine.close()
            self.verification.close()
            if replicas is not None:
                replicas.close()

    def _remaining(self, progress: Progress) -> list[StageKind]:
        if progress.stage == BIRTH:
            return self.stages
        names = [stage.settings.name for stage in self.stages]
        return self.stages[names.index(progress.stage) + progress.done :]

    def _run_stage(self, stage: StageKind, progress: Progress) -> None:
        self.view.stage_begins(stage, progress.step)
        trainer = self._trainer(stage)
        if progress.step:
            trainer.learner.load_state(self.run.latest_checkpoint() / OPTIMIZER_FILE)
        while not progress.done:
            began = time.perf_counter()
            metrics = self._step(stage, trainer, progress)
            progress.seconds += time.perf_counter() - began
            progress.done = progress.step >= stage.settings.steps
            if not progress.done and stage.settings.eval_every and progress.step % stage.settings.eval_every == 0:
                self._evaluate_on_the_way(stage, progress)
            self.view.step(stage, progress, metrics)
            if progress.done:
                self._evaluate_fully(progress)
            if progress.done or self.stop_asked or progress.step % stage.settings.save_every == 0:
                self._save(stage, trainer, progress)
            if self.stop_asked:
                raise Stopped(
                    f"saved {stage.settings.name} step {progress.step}; go on with: ponder resume {self.run.path}"
                )

    def _step(self, stage: StageKind, trainer: Trainer, progress: Progress) -> dict[str, float]:
        try:
            return trainer.step(progress)
        except BudgetSpent as spent:
            if not is_saved(self.run, stage.settings.name, progress.step):
                self._save(stage, trainer, progress)
            paused = budget_spent(self.run, stage.settings, spent, _deadline_s(self.recipe))
        except FloatingPointError as error:
            paused = not_finite(self.run, stage.settings, progress.step + 1, error)
        self.run.pause(stage.settings.name, progress.step, str(paused))
        raise paused

    def _trainer(self, stage: StageKind) -> Trainer:
        settings, reference = stage.settings, self._first_weights(stage) if stage.needs_reference else None
        learner = Learner(
            self.decoder,
            settings.optimizer,
            stage.updates,
            settings.micro_batch_tokens,
            reference,
            self.accumulator,
        )
        parts = Parts(self.recipe, self.run, self.pool, self.renderer, self.engine, self.verification)
        return stage.trainer(parts, learner)

    def _first_weights(self, stage: StageKind) -> Decoder:
        """The weights that the stage began with: the last checkpoint before it."""
        names = [BIRTH, *(s.settings.name for s in self.stages)]
        before = names[: names.index(stage.settings.name)]
        checkpoints = [c for c in self.run.checkpoints() if place_of(c)[0] in before]
        return load_decoder(checkpoints[-1], device=str(self.decoder.device)).requires_grad_(False)

    # ---- evaluations and exits ----

    def _evaluate_on_the_way(self, stage: StageKind, progress: Progress) -> None:
        result = self._evaluate(progress, stage.settings.eval_problems)
        budget = DEFAULT_BUDGET if stage.error_budget is None else stage.error_budget
        if exceeds(result.failed, result.count, budget):
            self.view.say(
                f"{stage.settings.name}: this evaluation does not count for target and plateau: too few verdicts"
            )
            return
        accuracy = result.accuracy
        progress.accuracies.append(accuracy)
        if stage.settings.target is not None and accuracy >= stage.settings.target:
            self.view.say(
                f"{stage.settings.name}: held-out accuracy {accuracy:.3f} has reached the target of {stage.settings.target:g}"
            )
            progress.done = True
        elif stage.settings.plateau is not None and has_plateaued(
            progress.accuracies, stage.settings.plateau.evals, stage.settings.plateau.min_gain
        ):
            self.view.say(f"{stage.settings.name}: held-out accuracy has stopped rising ({accuracy:.3f})")
            progress.done = True

    def _evaluate_fully(self, progress: Progress) -> None:
        self._evaluate(progress, len(self.pool.held_out))

    def _evaluate(self, progress: Progress, problems: int) -> EvalResult:
        self.engine.refresh()
        result, rollouts = evaluate(
            self._collect_held_out,
            spread(self.pool.held_out, problems),
            self._held_out_sampling,
            progress.stage,
            progress.step,
            progress.seconds,
        )
        self.run.record_eval(result)
        self.run.record_failures(progress.stage, progress.step, "evaluation", failure_rows(rollouts))
        self.view.evaluated(result)
        return result

    def _collect_held_out(self, tasks: Sequence[Task], samples: int, params: SamplingParams) -> list[Rollout]:
        seed_parts = (self.recipe.seed, "held_out")
        return collect(self.engine, self.renderer, self.verification, tasks, samples, params, seed_parts).rollouts

    @cached_property
    def _held_out_sampling(self) -> SamplingParams:
        longest = max(stage.longest_answer for stage in self.stages)
        return held_out_sampling(self.recipe.held_out, longest, self.renderer.stop_ids)

    # ---- housekeeping ----

    def _save(self, stage: StageKind, trainer: Trainer, progress: Progress) -> None:
        save_checkpoint(self.run, progress, self.decoder, self.renderer, trainer.learner)
        self._prune(stage)

    def _prune(self, stage: StageKind) -> None:
        """Of a stage's checkpoints on the way only the newest are kept; when it is done, only its last."""
        mine = [c for c in self.run.checkpoints() if place_of(c)[0] == stage.settings.name]
        keep = 1 if load_progress(mine[-1]).done else stage.settings.keep_checkpoints
        for old in mine[:-keep]:
            shutil.rmtree(old)

    @contextmanager
    def _stop_signals(self) -> Iterator[None]:
        """The first Ctrl+C (or SIGTERM) lets the step finish and saves; the second stops at once."""

        def ask(number: int, frame: object) -> None:
            if self.stop_asked:
                raise KeyboardInterrupt
            self.stop_asked = True
            self.view.say("stopping after this step, then saving; once more to stop at once (losing the step)")

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def has_plateaued(accuracies: list[float], evals: int, min_gain: float) -> bool:
    """No evaluation among the last `evals` beats the best before them by `min_gain`."""
    if len(accuracies) <= evals:
        return False
    return max(accuracies[-evals:]) < max(accuracies[:-evals]) + min_gain
