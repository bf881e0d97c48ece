"""The benchmarks that a recipe names: loaded and checked before any work, asked before the first stage and at the ends of stages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.chat.renderer import Renderer
from ponder.engine.build import SamplingEngine
from ponder.evals.evaluate import Bench, Wanted, prepare
from ponder.evals.records import Sample
from ponder.evals.running import Asked
from ponder.evals.scores import BenchmarkScore
from ponder.evals.stage_end import Model, evaluate_checkpoint
from ponder.recipe.benchmarks import Benchmark
from ponder.recipe.schema import Recipe
from ponder.runs.benchmarks import benchmark_directory
from ponder.runs.lineage import born_here, fingerprint
from ponder.runs.places import BIRTH
from ponder.runs.run import Run
from ponder.runs.wording import moment
from ponder.tasks.benchmarks import data_directories
from ponder.tasks.faults import listed_faults
from ponder.tasks.task import Task
from ponder.training.references import SelfCheckError
from ponder.verifiers.verification import Verification


@dataclass(frozen=True)
class NamedBenchmark:
    """A benchmark of the recipe, with its problems."""

    settings: Benchmark
    bench: Bench

    def due(self, stage: str) -> bool:
        """Whether it is asked when the stage has ended; `stage` is "birth" before the first."""
        if stage == BIRTH:
            return self.settings.at_start
        return not self.settings.after or stage in self.settings.after


def load_benchmarks(recipe: Recipe, started_in: Path | None = None) -> list[NamedBenchmark]:
    """
    Args:
        started_in: where the run was started, for one that goes on elsewhere: data are looked for there, too
    Raises:
        ValueError: for an unknown benchmark, and for data that are missing, cannot be used or cannot be judged; with the
            recipe's field and the remedy.
    """
    found: list[NamedBenchmark] = []
    for settings in recipe.benchmarks:
        field = f"benchmarks.{settings.name}"
        try:
            (bench,) = prepare(_wanted(settings, recipe.seed, started_in))
        except ValueError as error:
            said = str(error).replace("--data DIR", f"{field}.data: [DIR]")
            raise ValueError(f"{field}: {said}") from None
        if not bench.judged:
            raise ValueError(f"{field}: {bench.notices[-1]}")
        name = bench.asked.protocol.name
        if other := next((one for one in found if one.bench.asked.protocol.name == name), None):
            raise ValueError(
                f"{field} and benchmarks.{other.settings.name} are both called {name}: name a file otherwise"
            )
        found.append(NamedBenchmark(settings, bench))
    return found


def _wanted(settings: Benchmark, seed: int, started_in: Path | None) -> Wanted:
    data = [Path(directory).expanduser() for directory in settings.data]
    name = settings.name
    if started_in is not None:
        data = [*data, *(started_in / path for path in (*data, *data_directories()))]
        suite = started_in / Path(name).expanduser()
        name = str(suite) if name.endswith((".yaml", ".yml")) and not Path(name).expanduser().exists() else name
    return Wanted(
        benches=(name,),
        variant=settings.protocol,
        data=tuple(data),
        rows=settings.rows,
        samples=settings.samples,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        seed=seed,
    )


def tasks_of(benchmarks: Sequence[NamedBenchmark]) -> list[Task]:
    """Of all problems, each once."""
    return [question.task for one in benchmarks for question in one.bench.questions if question.sample == 0]


def remarks(benchmarks: Sequence[NamedBenchmark]) -> list[str]:
    """What to tell people at the start: what will be asked, and what they should know of the data."""
    return [
        line
        for one in benchmarks
        for line in (
            f"benchmarks.{one.settings.name}: {one.bench.asked.name}, protocol {one.bench.asked.protocol.variant}: "
            f"{_count(one.bench.problems, 'problem')}, {_count(one.bench.questions, 'answer')}",
            *one.bench.notices,
        )
    ]


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"


def check_benchmarks(benchmarks: Sequence[NamedBenchmark], renderer: Renderer, context: int, each: int) -> None:
    """Every question can be asked.

    Args:
        context: of the model, in tokens
        each: the engine's token budget of one sampling process
    Raises:
        SelfCheckError: one cannot, with what would do.
    """
    longest = min(context, each)
    limit = f"the model's context is {context}" if context <= each else f"engine.token_budget leaves a process {each}"
    for one in benchmarks:
        field, most = f"benchmarks.{one.settings.name}", one.bench.questions[0].question.sampling.max_tokens
        lengths = {
            q.problem.place or q.problem.id: _length(q, renderer, field) for q in one.bench.questions if q.sample == 0
        }
        largest, room = max(lengths.values()), longest - most
        if largest <= room:
            continue
        over = [f"{place}: a prompt of {length} tokens" for place, length in lengths.items() if length > room]
        remedy = f"Set {field}.max_tokens: {longest - largest}" if largest < longest else "Leave the benchmark out"
        raise SelfCheckError(
            f"{listed_faults(over, f'prompts of {one.bench.asked.protocol.name} leave no room for an answer')}\n"
            f"It allows answers of {most} tokens, and {limit}. {remedy} (what is asked otherwise than the protocol says stands "
            f"beside the number), or take a protocol of shorter answers: {field}.protocol: greedy"
        )


def _engine_about(recipe: Recipe, engine: SamplingEngine) -> dict[str, Any]:
    """As a manifest has it. Where the checkpoint does not hold the weights as they are sampled from, that is said: asked by
    itself, it may answer otherwise."""
    dtype = str(engine.own.dtype).removeprefix("torch.")
    about = {"kind": recipe.engine.kind, "exact": True, "dtype": dtype}
    saved = recipe.model.save_dtype or engine.own.config.dtype
    if recipe.model.lora is not None and recipe.model.lora.save == "merged":
        return about | {"weights": f"with the adapters apart, which the checkpoint has merged in {saved}"}
    return about if saved == dtype else about | {"weights": f"as they are trained, which the checkpoint has in {saved}"}


def _length(asked: Asked, renderer: Renderer, field: str) -> int:
    """Of the prompt, in tokens."""
    try:
        return len(renderer.render(asked.question.messages, asked.question.tools, thinking=True).ids)
    except ValueError as error:
        raise SelfCheckError(
            f"{field}: {asked.problem.place}: the model's chat template cannot ask this: {error}"
        ) from None


def ask_benchmarks(
    benchmarks: Sequence[NamedBenchmark],
    run: Run,
    recipe: Recipe,
    stage: str,
    step: int,
    engine: SamplingEngine,
    renderer: Renderer,
    verification: Verification,
    begins: Callable[[int, int], None],
    told: Callable[[Sample], None],
    say: Callable[[str], None],
) -> list[BenchmarkScore]:
    """Those that are due where the run stands, of its checkpoint there. Killed, it goes on with what was not answered; [] where
    nothing was left to do."""
    due = [one.bench for one in benchmarks if one.due(stage)]
    if not due:
        return []
    checkpoint = f"checkpoints/{stage}-{step:06d}"
    about = {
        "name": f"{recipe.name} {moment(stage, born_here(run.lineage))}",
        "kind": "checkpoint",
        "at": checkpoint,  # in the run, wherever that lies
        "weights": fingerprint(run.path / checkpoint),
    }
    model = Model(about, _engine_about(recipe, engine), engine, engine.engine.limits, renderer)
    directory = benchmark_directory(run.path, stage, step)
    engine.refresh()
    found = evaluate_checkpoint(directory, model, due, recipe.seed, verification, begins, told, say)
    if found is None:
        return []
    run.show_benchmarks(directory)
    return found
