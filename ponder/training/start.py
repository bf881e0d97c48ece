"""A run begins, or goes on: what can be refused is refused here, before anything is learned."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ponder.chat.renderer import Renderer
from ponder.recipe.judges import judged_by
from ponder.recipe.load import dump_recipe, load_recipe, with_model
from ponder.recipe.schema import Model, Recipe
from ponder.runs.atomic import NOTHING_YET, SaveError
from ponder.runs.lineage import fingerprint, last_processor, new_lineage
from ponder.runs.places import BIRTH
from ponder.runs.processor import processor
from ponder.runs.run import Run
from ponder.runs.trackers import check_trackers
from ponder.server.start.checkpoint import find_checkpoint
from ponder.training import contamination, data_files
from ponder.training.benchmarks import NamedBenchmark, check_benchmarks, load_benchmarks, tasks_of
from ponder.training.benchmarks import remarks as benchmark_remarks
from ponder.training.changes import changed_fields, forget_evaluations, forget_other_evaluations, reopens
from ponder.training.checkpoint import Progress, load_progress, load_weights, save_checkpoint
from ponder.training.data import TaskPool, load_tasks
from ponder.training.first_model import device_of, first_model
from ponder.training.precision import precision_remarks
from ponder.training.prompts import load_fitting_tasks
from ponder.training.reward_files import KEY, changed_files, reward_files
from ponder.training.selfcheck import check_before_training, check_engine, check_tasks, first_tasks, lengths
from ponder.training.stages.kinds import stages_of
from ponder.training.stages.runner import Training
from ponder.training.stages.verifying import verification_for
from ponder.training.view import View


def start(recipe: Recipe, path: Path, view: View) -> Run:
    """Train a recipe into a new run directory.

    Raises:
        ValueError: what can be refused is refused before anything is learned, and then leaves no directory behind.
        OSError: a model of the hub could not be fetched.
        Stopped: Ctrl+C or SIGTERM; the run can be resumed.
        Paused: verifiers failed too often, or a gradient was not finite; the run can be resumed.
    """
    check_trackers(recipe.trackers)
    parent = None if recipe.model.path is None else find_checkpoint(recipe.model.path)
    if parent is not None:  # the run's own recipe names these very weights, whatever the hub or another run has later
        recipe = with_model(recipe, parent.lasting)
    text = dump_recipe(recipe)
    device_of(recipe.model)
    stages, benchmarks = stages_of(recipe), load_benchmarks(recipe)
    pool = load_tasks(recipe)
    for remark in pool.repeats.remarks():
        view.say(remark)
    with verification_for(recipe, stages) as verification:
        check_tasks(stages, pool, verification)
        verification.prepare(tasks_of(benchmarks))
    for remark in benchmark_remarks(benchmarks):
        view.say(remark)
    for remark in precision_remarks(recipe.model, device_of(recipe.model)):
        view.say(remark)
    weights, renderer = first_model(recipe, parent and parent.directory, pool, stages)
    pool = load_fitting_tasks(recipe, pool, renderer, view.say)
    for remark in check_before_training(recipe, stages, pool, weights.decoder, renderer):
        view.say(remark)
    check_benchmarks(benchmarks, renderer, *lengths(recipe, weights.decoder))
    looked = say_contamination(recipe, pool, benchmarks, view)
    for name, count in pool.rows.items():
        view.say(f"sources.{name}: {count:,} rows")
    lineage = new_lineage(
        text, seed=recipe.seed, parent=parent and parent.directory, hub=parent and parent.hub and str(parent.hub)
    )
    lineage[data_files.STARTED_IN] = str(Path.cwd())
    for key, files in ((KEY, reward_files(recipe)), (data_files.KEY, data_files.data_files(recipe, Path.cwd()))):
        if files:
            lineage[key] = files
    lineage["rows"] = dict(pool.rows)
    lineage[contamination.KEY] = looked.noted()
    with Run.create(path, text, lineage) as run:
        progress = Progress(BIRTH, done=True)
        try:
            save_checkpoint(run, progress, weights, renderer, recipe.model)
        except SaveError as error:
            run.discard()
            error.advice = NOTHING_YET
            raise
        try:
            Training(recipe, stages, run, pool, weights, renderer, view, benchmarks).go_on_from(progress)
        except ValueError as error:
            if any(run.metrics()):
                raise ValueError(
                    f"{error}\nThe stages before are kept. What has not begun may still be changed: "
                    f"ponder resume {run.path} --set stages.NAME.FIELD=VALUE"
                ) from error
            run.discard()  # the next try finds no half a run in its way
            raise
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
        before = load_recipe(run.path / "recipe.yaml")
        recipe = load_recipe(run.path / "recipe.yaml", list(overrides))
        check_trackers(recipe.trackers)
        checkpoint = run.latest_checkpoint()
        if checkpoint is None:
            raise ValueError(f"{path} has no checkpoint yet: remove the directory and start it again with ponder train")
        progress = load_progress(checkpoint)
        changed = changed_fields(before, recipe, progress)
        reopened = reopens(recipe, progress)
        if reopened:
            progress.done = False
        forget_other_evaluations(progress, changed)
        text, started_in = dump_recipe(recipe), run.lineage.get(data_files.STARTED_IN)
        if started_in:
            written, recipe = recipe, data_files.located(recipe, Path(started_in))
            if recipe != written:
                view.say(f"Files of data that are not here are read from where the run was started: {started_in}")
        base = None if recipe.model.lora is None else base_of_adapters(run.lineage, recipe.model)
        weights = load_weights(checkpoint, recipe.model, base, device_of(recipe.model))
        # All that may be refused comes before anything of the run is changed.
        renderer, stages = Renderer.load(checkpoint), stages_of(recipe)
        pool = load_fitting_tasks(recipe, load_tasks(recipe), renderer, view.say)
        if changed:
            check_before_training(recipe, stages, pool, weights.decoder, renderer, ended(recipe, progress))
        check_engine(recipe, stages, pool, weights.decoder, renderer)  # this machine may have more cores
        benchmarks = load_benchmarks(recipe, Path(started_in) if started_in else None)
        check_benchmarks(benchmarks, renderer, *lengths(recipe, weights.decoder))
        files, data = changed_files(run.lineage, recipe), data_files.changed_data(run.lineage, recipe)
        if data_files.concerns_held_out(data, recipe, Path(started_in or ".")):
            forget_evaluations(progress)
        others = reward_files(recipe) or any(map(judged_by, recipe.sources.values()))
        if others or benchmarks:
            with verification_for(recipe, stages) as verification:
                verification.prepare(first_tasks(stages, pool) if others else [])
                verification.prepare(tasks_of(benchmarks))
        last = last_processor(run.lineage)
        if last and last != processor():
            view.say(
                f"This processor is another than that of the run's last steps ({last}): what follows may differ in its "
                f"last digits from what they would have led to. Here: {processor()}"
            )
        for file, (then, now) in files.items():
            view.say(
                f"{file} has changed (sha256 {then[:12]}..., now {now[:12]}...): what follows is scored by it as it is"
            )
        for line in data_files.told(data):
            view.say(line)
        if data or any(path.startswith("benchmarks") for path in changed):
            say_contamination(recipe, pool, benchmarks, view)
        order = [stage.name for stage in recipe.stages]
        view.say(str(run.rewind(order, progress.stage, progress.step, changed | files | data_files.noted(data))))
        if changed:
            run.change_recipe(text)
        Training(recipe, stages, run, pool, weights, renderer, view, benchmarks).go_on_from(progress, reopened)
    return run


def ended(recipe: Recipe, progress: Progress) -> list[str]:
    """The stages that have ended where a run stands."""
    names = [stage.name for stage in recipe.stages]
    return [] if progress.stage == BIRTH else names[: names.index(progress.stage) + progress.done]


def say_contamination(
    recipe: Recipe, pool: TaskPool, benchmarks: Sequence[NamedBenchmark], view: View
) -> contamination.Looked:
    """Says which benchmarks' problems are trained on, and what was compared with what."""
    named = {one.bench.asked.protocol.name: tasks_of([one]) for one in benchmarks}
    looked = contamination.look(recipe, pool, named)
    for line in looked.warnings():
        view.warn(line)
    for line in looked.remarks():
        view.say(line)
    return looked


def base_of_adapters(lineage: Mapping[str, Any], model: Model) -> Path:
    """The directory of the model that a run's adapters are put on.

    Raises:
        ValueError: it is not there any more, or is another.
    """
    assert model.path is not None
    path, started_in = Path(model.path).expanduser(), Path(lineage.get(data_files.STARTED_IN, "."))
    given = started_in / path if not path.exists() and (started_in / path).exists() else model.path
    base, then = find_checkpoint(given).directory, lineage["parent"]["fingerprint"]
    if (now := fingerprint(base)) != then:
        raise ValueError(
            f"{base} is another model than the one that this run's adapters were trained on (fingerprint {now[:12]}, then "
            f"{then[:12]}): put that one back, or start another run"
        )
    return base
