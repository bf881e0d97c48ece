"""A run from where it stands to its last stage: order, signals, evaluations, exits, checkpoints."""

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from pathlib import Path

from ponder.agents.equipment import Outfitter
from ponder.chat.renderer import Renderer
from ponder.engine.build import SamplingEngine
from ponder.engine.protocol import SamplingParams
from ponder.evals.held_out import evaluate, held_out_sampling
from ponder.model.decoder import Decoder
from ponder.recipe.schema import Recipe
from ponder.recipe.stages import RlStage
from ponder.runs.lineage import born_here
from ponder.runs.places import BIRTH, place_of
from ponder.runs.report import write_report
from ponder.runs.results import EvalResult
from ponder.runs.run import Run
from ponder.runs.trackers import open_trackers
from ponder.runs.wording import title
from ponder.tasks.task import Task
from ponder.training.benchmarks import NamedBenchmark, ask_benchmarks
from ponder.training.checkpoint import (
    OPTIMIZER_FILE,
    Progress,
    load_progress,
    load_weights,
    lost_in_merging,
    save_checkpoint,
)
from ponder.training.data import TaskPool, spread
from ponder.training.error_budget import BudgetSpent, exceeds, failure_rows
from ponder.training.exits import measured, reached_exit
from ponder.training.finite import check_update
from ponder.training.gradients import OneProcess
from ponder.training.guards import StageGuard, checkpoints_before
from ponder.training.learner import Learner
from ponder.training.master import MasterWeights
from ponder.training.pause import budget_spent, is_saved, not_finite, teacher_gone
from ponder.training.prompts import prompt_ids
from ponder.training.replicas import Replicas
from ponder.training.rollouts import Rollout, collect
from ponder.training.stages.kind import SavesBeside, StageKind, StageParts, Trainer
from ponder.training.stages.verifying import JUDGE_ANSWERS, deadline_s, sandbox_for, verification_for
from ponder.training.view import View

# For evaluations of stages that ask for no verdicts.
DEFAULT_BUDGET = RlStage.model_fields["error_budget"].default


class Stopped(Exception):
    """Training was asked to stop, and has saved everything."""


class Training:
    """A run from where it stands to its end."""

    def __init__(
        self,
        recipe: Recipe,
        stages: Sequence[StageKind],
        run: Run,
        pool: TaskPool,
        weights: MasterWeights,
        renderer: Renderer,
        view: View,
        benchmarks: Sequence[NamedBenchmark] = (),
    ):
        self.recipe, self.stages, self.run, self.pool = recipe, stages, run, pool
        self.weights, self.decoder, self.renderer, self.view = weights, weights.decoder, renderer, view
        self.benchmarks = benchmarks
        self.stop_asked = False

    def go_on_from(self, progress: Progress, reopened: bool = False) -> None:
        """`reopened`: the stage had ended where `progress` stands, and goes on."""
        self.run.follow(open_trackers(self.recipe.trackers, self.run), self.view.say)
        with ExitStack() as opened:
            self.opened = opened
            self.engine = SamplingEngine(self.decoder, self.recipe.engine)
            opened.callback(self.engine.close)
            self.accumulator = OneProcess()
            if self.engine.workers > 1:
                self.accumulator = Replicas(self.decoder, self.engine.workers - 1)  # this process learns too
                opened.callback(self.accumulator.close)
            run_answers = self.run.path / JUDGE_ANSWERS
            self.verification = opened.enter_context(verification_for(self.recipe, self.stages, run_answers))
            self.outfitter = Outfitter(opened.enter_context(sandbox_for(self.recipe)), self.recipe.episodes)
            opened.enter_context(self._stop_signals())
            opened.enter_context(self.view)
            if progress.stage == BIRTH and self.recipe.held_out.at_start and self.pool.held_out:
                self._evaluate_fully(progress)
            if progress.stage == BIRTH or progress.done:
                self._ask_benchmarks(progress)  # where a kill has left some of them
            for stage in self._remaining(progress):
                if progress.stage != stage.settings.name:
                    progress, reopened = Progress(stage.settings.name), False
                self._run_stage(stage, progress, reopened)
                self._ask_benchmarks(progress)
            self.view.report(self.run, write_report(self.run))

    def _remaining(self, progress: Progress) -> Sequence[StageKind]:
        if progress.stage == BIRTH:
            return self.stages
        names = [stage.settings.name for stage in self.stages]
        return self.stages[names.index(progress.stage) + progress.done :]

    def _run_stage(self, stage: StageKind, progress: Progress, reopened: bool) -> None:
        self.view.stage_begins(stage, progress.step)
        self.guard = StageGuard(self.recipe, stage.settings, self.run, self.weights, self.view.say)
        trainer = self._trainer(stage)
        if stage.updates and stage.settings.keep_best:
            self._forget_lost_best(stage, progress)
        if progress.step and trainer.learner is not None:
            trainer.learner.load_state(self.run.latest_checkpoint() / OPTIMIZER_FILE)
        if reopened and self._evaluates_after(stage, progress.step):
            self._evaluate_on_the_way(stage, progress)  # as it would have been, had the stage not ended here
        if not progress.done and progress.step >= stage.settings.steps:  # its end was moved to here
            progress.done = True
            self._end(stage, trainer, progress)
        while not progress.done:
            began = time.perf_counter()
            metrics = self._step(stage, trainer, progress)
            progress.seconds += time.perf_counter() - began
            progress.done = progress.step >= stage.settings.steps
            best = False
            if not progress.done and self._evaluates_after(stage, progress.step):
                best = self._evaluate_on_the_way(stage, progress)
            self.view.step(stage, progress, metrics)
            self.view.rollouts(self.run, stage, progress)
            if progress.done:
                self._end(stage, trainer, progress)
            elif self.stop_asked or self._saves_after(stage, progress, best):
                self._save(stage, trainer, progress)
            if self.stop_asked:
                name = stage.settings.name
                raise Stopped(f"saved {name} step {progress.step}; go on with: ponder resume {self.run.path}")

    def _end(self, stage: StageKind, trainer: Trainer, progress: Progress) -> None:
        all_taken = progress.step >= stage.settings.steps  # else a resume would not know that an exit was reached
        try:
            if stage.updates:
                result = self._evaluate_fully(progress, may_stop=all_taken)
                if progress.rolled_back is None and self.guard.rolls_back(progress, result):
                    self._evaluate_fully(progress, may_stop=all_taken)
        except Stopped:
            progress.done = False
            self._save(stage, trainer, progress)
            raise
        self._save(stage, trainer, progress)
        if remark := lost_in_merging(self.run.latest_checkpoint()):
            self.view.say(remark)

    def _forget_lost_best(self, stage: StageKind, progress: Progress) -> None:
        """Where it was not kept the next one is the best that there is."""
        if not any(place_of(c)[1] == progress.best_step for c in self._checkpoints(stage)):
            progress.best, progress.best_step = None, None

    @staticmethod
    def _evaluates_after(stage: StageKind, step: int) -> bool:
        return bool(stage.updates and stage.settings.eval_every) and step % stage.settings.eval_every == 0

    @staticmethod
    def _saves_after(stage: StageKind, progress: Progress, best: bool) -> bool:
        """`best`: the step's evaluation was the best so far."""
        every = getattr(stage.settings, "save_every", 0)  # one that makes demonstrations is saved at its end
        wanted = (best and stage.settings.keep_best) or progress.held_step == progress.step
        return bool(every and progress.step % every == 0) or bool(stage.updates and wanted)

    def _step(self, stage: StageKind, trainer: Trainer, progress: Progress) -> dict[str, float]:
        before = progress.step
        try:
            metrics = trainer.step(progress)
            if stage.updates:
                check_update(self.decoder, self._any_prompt)  # before it is saved, or samples anything
            return metrics
        except BudgetSpent as spent:
            if not is_saved(self.run, stage.settings.name, progress.step):
                self._save(stage, trainer, progress)
            paused = budget_spent(self.run, stage.settings, spent, deadline_s(self.stages))
        except FloatingPointError as error:
            paused = not_finite(self.run, stage.settings, before + 1, error)
        except ConnectionError as error:
            paused = teacher_gone(self.run, stage.settings, before + 1, error)
        self.run.pause(stage.settings.name, before, str(paused))
        raise paused

    def _trainer(self, stage: StageKind) -> Trainer:
        pool = self.pool.mixed(stage.settings.mixture)
        parts = StageParts(
            self.recipe, self.run, pool, self.renderer, self.engine, self.verification, self.outfitter, self.opened
        )
        if not stage.updates:
            return stage.trainer(parts, None)
        settings, reference = stage.settings, self._first_weights(stage) if stage.needs_reference else None
        learner = Learner(
            self.weights,
            settings.optimizer,
            stage.updates,
            settings.micro_batch_tokens,
            reference,
            self.accumulator,
        )
        return stage.trainer(parts, learner)

    def _first_weights(self, stage: StageKind) -> Decoder:
        """The weights that the stage began with: the last checkpoint before it."""
        last = checkpoints_before(self.run, self.recipe, stage.settings.name)[-1]
        weights = load_weights(last, self.recipe.model, self.weights.base, self.decoder.device.type)
        return weights.decoder.requires_grad_(False)

    # ---- evaluations and exits ----

    def _evaluate_on_the_way(self, stage: StageKind, progress: Progress) -> bool:
        """Whether this is the stage's best evaluation so far; the stage ends where its exits say so."""
        result = self._evaluate(progress, stage.settings.eval_problems)
        if self.guard.rolls_back(progress, result):
            progress.done = True
            return False
        budget = DEFAULT_BUDGET if stage.error_budget is None else stage.error_budget
        name = stage.settings.name
        if result.accuracy is None or exceeds(result.failed, result.count, budget):
            self.view.say(f"{name}: this evaluation does not count for target and plateau: too few verdicts")
            return False
        found = measured(stage.settings, result)
        best = progress.best is None or found.value > progress.best
        progress.accuracies.append(found.value)
        if best:
            progress.best, progress.best_step = found.value, progress.step
        if reason := reached_exit(stage.settings, progress.accuracies, found.name):
            self.view.say(f"{name}: {reason}")
            progress.done = True
        return best

    def _evaluate_fully(self, progress: Progress, may_stop: bool = True) -> EvalResult:
        """Raises Stopped where that was asked for and `may_stop`; nothing of the evaluation is kept then."""
        return self._evaluate(progress, len(self.pool.held_out), may_stop)

    def _evaluate(self, progress: Progress, problems: int, may_stop: bool = False) -> EvalResult:
        def told() -> None:
            self.view.answered_one()
            if may_stop and self.stop_asked:
                raise Stopped(f"the evaluation begins anew, and nothing else, with: ponder resume {self.run.path}")

        self.engine.refresh()
        tasks = spread(self.pool.held_out, problems)
        self.view.evaluating(len(tasks) * self.recipe.held_out.samples)
        result, rollouts = evaluate(
            partial(self._collect_held_out, told=told),
            tasks,
            self.recipe.held_out.samples,
            self._held_out_sampling,
            progress.stage,
            progress.step,
            progress.seconds,
        )
        self.run.record_eval(result)
        self.run.record_failures(progress.stage, progress.step, "evaluation", failure_rows(rollouts))
        self.view.evaluated(result, born_here(self.run.lineage))
        return result

    def _ask_benchmarks(self, progress: Progress) -> None:
        """Of the checkpoint that the run has just saved; a resume goes on with what was not answered."""

        if progress.stage in self._without_updates:
            return  # it is the model of the stage before

        def told(_: object) -> None:
            self.view.asked_one()
            if self.stop_asked:
                raise Stopped(f"the answers so far are kept; go on with: ponder resume {self.run.path}")

        scores = ask_benchmarks(
            self.benchmarks,
            self.run,
            self.recipe,
            progress.stage,
            progress.step,
            self.engine,
            self.renderer,
            self.verification,
            self.view.asking,
            told,
            self.view.say,
        )
        self.view.asked(scores, title(progress.stage, born_here(self.run.lineage)), progress.step)

    def _collect_held_out(
        self, tasks: Sequence[Task], samples: int, params: SamplingParams, told: Callable[[], None]
    ) -> list[Rollout]:
        seed_parts = (self.recipe.seed, "held_out")
        parts = (self.engine, self.renderer, self.verification, tasks, samples, params, seed_parts)
        return collect(*parts, told=told, outfitter=self.outfitter).rollouts

    @cached_property
    def _without_updates(self) -> set[str]:
        return {stage.settings.name for stage in self.stages if not stage.updates}

    @cached_property
    def _any_prompt(self) -> list[int]:
        return prompt_ids(self.pool.held_out[0], self.renderer)

    @cached_property
    def _held_out_sampling(self) -> SamplingParams:
        longest = max(stage.longest_answer for stage in self.stages)
        context = self.decoder.config.max_positions
        return held_out_sampling(self.recipe.held_out, longest, context, self.renderer.stop_ids)

    # ---- housekeeping ----

    def _save(self, stage: StageKind, trainer: Trainer, progress: Progress) -> None:
        beside = trainer.save_beside if isinstance(trainer, SavesBeside) else None
        save_checkpoint(self.run, progress, self.weights, self.renderer, self.recipe.model, trainer.learner, beside)
        self._prune(stage)

    def _prune(self, stage: StageKind) -> None:
        """Of a stage's checkpoints on the way only the newest are kept; when it is done, only its last; with keep_best
        the best as well."""
        mine = self._checkpoints(stage)
        progress = load_progress(mine[-1])
        all_same = progress.done or not stage.updates
        keep = set(mine[-1:] if all_same else mine[-stage.settings.keep_checkpoints :])
        if stage.updates and stage.settings.keep_best:
            keep |= {c for c in mine if place_of(c)[1] == progress.best_step}
        if not all_same:
            keep |= {c for c in mine if place_of(c)[1] == progress.held_step}
        for old in mine:
            if old not in keep:
                shutil.rmtree(old)

    def _checkpoints(self, stage: StageKind) -> list[Path]:
        return [c for c in self.run.checkpoints() if place_of(c)[0] == stage.settings.name]

    @contextmanager
    def _stop_signals(self) -> Iterator[None]:
        """The first Ctrl+C (or SIGTERM) lets the step finish, or breaks off the evaluation before or after all steps, and
        saves; the second stops at once."""

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
