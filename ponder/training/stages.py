"""A recipe from its first stage to its last: birth, stages with exit criteria, evaluations, checkpoints, resume."""

import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from ponder.chat.renderer import Renderer
from ponder.engine.build import SamplingEngine
from ponder.model.decoder import Decoder
from ponder.model.weights import load_decoder
from ponder.recipe.load import dump_recipe, load_recipe
from ponder.recipe.schema import Recipe, RlStage, SftStage
from ponder.runs.lineage import last_processor, new_lineage
from ponder.runs.processor import processor
from ponder.runs.report import write_report
from ponder.runs.results import EvalResult
from ponder.runs.run import BIRTH, Run, place_of
from ponder.training.birth import give_birth
from ponder.training.changes import changed_fields
from ponder.training.checkpoint import OPTIMIZER_FILE, Progress, load_progress, save_checkpoint
from ponder.training.data import TaskPool, load_tasks, spread
from ponder.training.error_budget import BudgetSpent, exceeds, failure_rows
from ponder.training.evaluate import evaluate
from ponder.training.learner import Learner
from ponder.training.objectives import OBJECTIVES
from ponder.training.pause import budget_spent, is_saved, not_finite
from ponder.training.replicas import Replicas
from ponder.training.reward_files import KEY, changed_files, reward_files
from ponder.training.rl import RlTrainer
from ponder.training.selfcheck import check_before_training, check_tasks, first_tasks
from ponder.training.sft import SftTrainer
from ponder.training.view import View
from ponder.verifiers.verification import Verification

DEFAULT_BUDGET = RlStage.model_fields["error_budget"].default  # for evaluations of stages that have none


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
    pool = load_tasks(recipe)
    parent = Path(recipe.model.path) if recipe.model.path else None
    with _verification(recipe) as verification:
        check_tasks(recipe, pool, verification)
    decoder, renderer = _first_model(recipe, pool)
    check_before_training(recipe, pool, decoder.config, renderer)
    lineage = new_lineage(text, seed=recipe.seed, parent=parent)
    if files := reward_files(recipe):
        lineage[KEY] = files
    with Run.create(path, text, lineage) as run:
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
        changed = changed_fields(load_recipe(run.path / "recipe.yaml"), recipe)
        checkpoint = run.latest_checkpoint()
        if checkpoint is None:
            raise ValueError(f"{path} has no checkpoint yet: remove the directory and start it again with ponder train")
        progress = load_progress(checkpoint)
        decoder = load_decoder(checkpoint, device=_device(recipe))
        # All that may be refused comes before anything of the run is changed.
        pool, renderer = load_tasks(recipe), Renderer.load(checkpoint)
        files = changed_files(run.lineage, recipe)
        if reward_files(recipe):
            with _verification(recipe) as verification:
                verification.prepare(first_tasks(recipe, pool))
        stage_order = [stage.name for stage in recipe.stages]
        before = last_processor(run.lineage)
        if before and before != processor():
            view.say(
                f"This processor is another than that of the run's last steps ({before}): what follows may differ in its "
                f"last digits from what they would have led to. Here: {processor()}"
            )
        for file, (then, now) in files.items():
            view.say(
                f"{file} has changed (sha256 {then[:12]}..., now {now[:12]}...): what follows is judged by it as it is"
            )
        view.say(str(run.rewind(stage_order, progress.stage, progress.step, changed | files)))
        if changed:
            run.change_recipe(dump_recipe(recipe))
        _Training(recipe, run, pool, decoder, renderer, view).go_on_from(progress)
    return run


def _first_model(recipe: Recipe, pool: TaskPool) -> tuple[Decoder, Renderer]:
    if recipe.model.path is None:
        decoder, renderer = give_birth(recipe, pool, _device(recipe))
        return decoder, renderer
    path = Path(recipe.model.path)
    if not path.is_dir():
        raise ValueError(f"model.path: there is no directory {path}; download the model there first")
    return load_decoder(path, recipe.model.dtype, _device(recipe)), Renderer.load(path)


def _verification(recipe: Recipe) -> Verification:
    return Verification(deadline_s=_deadline_s(recipe), sandbox=recipe.sandbox)


def _deadline_s(recipe: Recipe) -> float:
    """Of a verdict: one Verification serves all stages, with the longest time that one of them allows."""
    return max((stage.verify_timeout for stage in recipe.stages if isinstance(stage, RlStage)), default=5.0)


def _device(recipe: Recipe) -> str:
    if recipe.model.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("model.device is 'cuda', but torch sees no GPU here; set it to 'auto' (see: ponder doctor)")
    device = recipe.model.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32: float32 weights at tensor-core speed
    return device


class _Training:
    def __init__(self, recipe: Recipe, run: Run, pool: TaskPool, decoder: Decoder, renderer: Renderer, view: View):
        self.recipe, self.run, self.pool = recipe, run, pool
        self.decoder, self.renderer, self.view = decoder, renderer, view
        self.stop_asked = False

    def go_on_from(self, progress: Progress) -> None:
        self.engine = SamplingEngine(self.decoder, self.recipe.engine)
        helpers = self.engine.workers - 1  # this process learns too
        self.replicas = Replicas(self.decoder, helpers) if helpers > 0 else None
        self.verification = _verification(self.recipe)
        try:
            with self._stop_signals(), self.view:
                if progress.stage == BIRTH:
                    self._evaluate_fully(progress)
                for stage in self._remaining(progress):
                    if progress.stage != stage.name:
                        progress = Progress(stage.name)
                    self._run_stage(stage, progress)
            self.view.report(self.run, write_report(self.run))
        finally:
            self.engine.close()
            self.verification.close()
            if self.replicas is not None:
                self.replicas.close()

    def _remaining(self, progress: Progress) -> list[SftStage | RlStage]:
        if progress.stage == BIRTH:
            return self.recipe.stages
        names = [stage.name for stage in self.recipe.stages]
        return self.recipe.stages[names.index(progress.stage) + progress.done :]

    def _run_stage(self, stage: SftStage | RlStage, progress: Progress) -> None:
        self.view.stage_begins(stage, progress.step)
        trainer = self._trainer(stage)
        if progress.step:
            trainer.learner.load_state(self.run.latest_checkpoint() / OPTIMIZER_FILE)
        while not progress.done:
            began = time.perf_counter()
            metrics = self._step(stage, trainer, progress)
            progress.seconds += time.perf_counter() - began
            progress.done = progress.step >= stage.steps
            if not progress.done and stage.eval_every and progress.step % stage.eval_every == 0:
                self._evaluate_on_the_way(stage, progress)
            self.view.step(stage, progress, metrics)
            if progress.done:
                self._evaluate_fully(progress)
            if progress.done or self.stop_asked or progress.step % stage.save_every == 0:
                self._save(stage, trainer, progress)
            if self.stop_asked:
                raise Stopped(f"saved {stage.name} step {progress.step}; go on with: ponder resume {self.run.path}")

    def _step(self, stage: SftStage | RlStage, trainer: SftTrainer | RlTrainer, progress: Progress) -> dict[str, float]:
        try:
            return trainer.step(progress)
        except BudgetSpent as spent:
            if not is_saved(self.run, stage.name, progress.step):
                self._save(stage, trainer, progress)
            paused = budget_spent(self.run, stage, spent, _deadline_s(self.recipe))
        except FloatingPointError as error:
            paused = not_finite(self.run, stage, progress.step + 1, error)
        self.run.pause(stage.name, progress.step, str(paused))
        raise paused

    def _trainer(self, stage: SftStage | RlStage) -> SftTrainer | RlTrainer:
        updates = stage.steps * (stage.updates_per_step if isinstance(stage, RlStage) else 1)
        learner = Learner(
            self.decoder, stage.optimizer, updates, stage.micro_batch_tokens, self._reference(stage), self.replicas
        )
        if isinstance(stage, SftStage):
            return SftTrainer(self.recipe, stage, self.run, self.pool, self.renderer, learner)
        return RlTrainer(
            self.recipe, stage, self.run, self.pool, self.engine, self.renderer, self.verification, learner
        )

    def _reference(self, stage: SftStage | RlStage) -> Decoder | None:
        """The weights that the stage began with, where its objective has a KL: the last checkpoint before it."""
        if not isinstance(stage, RlStage):
            return None
        kl = stage.objective.kl if stage.objective.kl is not None else OBJECTIVES[stage.objective.name].kl
        if not kl:
            return None
        before = [c for c in self.run.checkpoints() if place_of(c)[0] != stage.name]
        names = [s.name for s in self.recipe.stages]
        before = [c for c in before if place_of(c)[0] in [BIRTH, *names[: names.index(stage.name)]]]
        return load_decoder(before[-1], device=str(self.decoder.device)).requires_grad_(False)

    # ---- evaluations and exits ----

    def _evaluate_on_the_way(self, stage: SftStage | RlStage, progress: Progress) -> None:
        result = self._evaluate(progress, stage.eval_problems)
        budget = stage.error_budget if isinstance(stage, RlStage) else DEFAULT_BUDGET
        if exceeds(result.failed, result.count, budget):
            self.view.say(f"{stage.name}: this evaluation does not count for target and plateau: too few verdicts")
            return
        accuracy = result.accuracy
        progress.accuracies.append(accuracy)
        if stage.target is not None and accuracy >= stage.target:
            self.view.say(f"{stage.name}: held-out accuracy {accuracy:.3f} has reached the target of {stage.target:g}")
            progress.done = True
        elif stage.plateau is not None and has_plateaued(
            progress.accuracies, stage.plateau.evals, stage.plateau.min_gain
        ):
            self.view.say(f"{stage.name}: held-out accuracy has stopped rising ({accuracy:.3f})")
            progress.done = True

    def _evaluate_fully(self, progress: Progress) -> None:
        self._evaluate(progress, len(self.pool.held_out))

    def _evaluate(self, progress: Progress, problems: int) -> EvalResult:
        self.engine.refresh()
        tasks = spread(self.pool.held_out, problems)
        result, rollouts = evaluate(
            self.engine,
            self.renderer,
            self.verification,
            tasks,
            self.recipe,
            progress.stage,
            progress.step,
            progress.seconds,
        )
        self.run.record_eval(result)
        self.run.record_failures(progress.stage, progress.step, "evaluation", failure_rows(rollouts))
        self.view.evaluated(result)
        return result

    # ---- housekeeping ----

    def _save(self, stage: SftStage | RlStage, trainer: SftTrainer | RlTrainer, progress: Progress) -> None:
        save_checkpoint(self.run, progress, self.decoder, self.renderer, trainer.learner)
        self._prune(stage)

    def _prune(self, stage: SftStage | RlStage) -> None:
        """Of a stage's checkpoints on the way only the newest are kept; when it is done, only its last."""
        mine = [c for c in self.run.checkpoints() if place_of(c)[0] == stage.name]
        keep = 1 if load_progress(mine[-1]).done else stage.keep_checkpoints
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
