"""The recipe's sources as tasks to train on and tasks held out, which never meet."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from ponder.agents.equipment import TOOLS, schemas_of
from ponder.recipe.judge import JudgedBy
from ponder.recipe.python_function import PythonFunction
from ponder.recipe.reward import REWARD
from ponder.recipe.schema import Recipe
from ponder.recipe.sources import EnvironmentSource, FileSource, GymSource, HubSource, ProgramsSource, Source
from ponder.tasks.mixture import Mixture
from ponder.tasks.repeats import Repeats, find_repeats
from ponder.tasks.split import held_out_sample, part_of, refuse_overlap, split
from ponder.tasks.task import LazyTasks, Task
from ponder.verifiers.python.function import with_digests


@dataclass(frozen=True)
class TaskPool:
    """`at_hand` are the sources that are tables, whole, before any split: all their tasks can be looked at.
    `repeats`: which of these tasks come more than once or contradict each other. `rows`: how many tasks each of them
    has, by the source's name. `train` is None of a recipe without sources. `trained`: the part of these that is trained on. `generated`: names of the sources that make the
    tasks that they train on as they are asked for."""

    train: Mixture | None
    held_out: list[Task]
    at_hand: Sequence[Sequence[Task]] = ()
    repeats: Repeats = field(default_factory=Repeats)
    rows: Mapping[str, int] = field(default_factory=dict)
    trained: Sequence[Iterable[Task]] = ()
    generated: Sequence[str] = ()

    def mixed(self, shares: Mapping[str, float]) -> "TaskPool":
        """The same, with the training mixture that a stage asks for; all sources by their weights where it names none."""
        return replace(self, train=self.train.with_shares(shares)) if shares else self

    def draw(self, cursor: int, n: int) -> list[Task]:
        """Tasks number cursor .. cursor + n - 1 of the training mixture.

        Raises:
            ValueError: one of them is held out too (only sources with a `part` of their own can do that).
        """
        if self.train is None:
            assert not n, "there are no tasks"
            return []
        tasks = self.train.draw(cursor, n)
        if not self._held_out_ids.isdisjoint(task.id for task in tasks):
            refuse_overlap(tasks, self.held_out)
        return tasks

    @cached_property
    def _held_out_ids(self) -> frozenset[str]:
        return frozenset(task.id for task in self.held_out)


def load_tasks(recipe: Recipe, keep: Callable[[Task], bool] | None = None) -> TaskPool:
    """`keep`: which tasks of the sources at hand to keep; None is all.

    Raises:
        ValueError: a source that cannot be read, too few held-out problems, or tasks on both sides; by source name.
    """
    if not recipe.sources:
        return TaskPool(None, [])
    train, held_out_sources, at_hand, rows = [], [], [], {}
    trained: list[Iterable[Task]] = []
    generated: list[str] = []
    for name, source in recipe.sources.items():
        tasks = _as_the_source_says(name, _read(name, source), source)
        if not isinstance(tasks, LazyTasks) or tasks.at_hand:
            tasks = tasks if keep is None else _kept(name, tasks, keep)
            at_hand.append(tasks)
            rows[name] = len(tasks)
            if source.part != "held_out":
                trained.append(tasks if source.part == "train" else _Train(tasks, recipe.held_out.fraction))
        elif source.part != "held_out":
            generated.append(name)
        match source.part:
            case "train":
                train.append((name, source.weight, tasks))
            case "held_out":
                held_out_sources.append((source.weight, partial(_first_different, name, tasks)))
            case "split":
                train.append((name, source.weight, split(tasks, recipe.held_out.fraction)[0]))
                held_out_sources.append((source.weight, partial(held_out_sample, tasks, recipe.held_out.fraction)))
    held_out: dict[str, Task] = {}
    for count, (_, sample) in zip(_shares(recipe.held_out.problems, held_out_sources), held_out_sources, strict=True):
        held_out |= {task.id: task for task in sample(count)}
    for _, _, tasks in train:
        if isinstance(tasks, list):
            refuse_overlap(tasks, held_out.values())
    mixture, repeats = Mixture(train, recipe.seed), find_repeats(at_hand)
    return TaskPool(mixture, list(held_out.values()), at_hand, repeats, rows, trained, generated)


@dataclass(frozen=True)
class _Train:
    """The tasks of a table that a split trains on, each once, in their order."""

    tasks: Sequence[Task]
    fraction: float

    def __iter__(self) -> Iterator[Task]:
        return (task for task in self.tasks if part_of(task.id, self.fraction) == "train")


def _kept(name: str, tasks: Sequence[Task], keep: Callable[[Task], bool]) -> Sequence[Task]:
    kept = [i for i, task in enumerate(tasks) if keep(task)]
    if not kept:
        raise ValueError(
            f"sources.{name}: every row was left out, since its prompt is too long; raise max_prompt_tokens"
        )
    if not isinstance(tasks, LazyTasks):
        return [tasks[i] for i in kept]
    return LazyTasks(len(kept), lambda i: tasks[kept[i]], tasks.source, at_hand=True)


def _read(name: str, source: Source) -> Sequence[Task]:
    # Each kind of source brings its own library; only those named are imported.
    domain = source.domain or name
    try:
        match source:
            case GymSource():
                from ponder.tasks.gym import gym_tasks

                prompt = source.prompt or "boxed"
                return gym_tasks(
                    source.family, source.settings, source.size, source.seed, domain, prompt, _verifier(source)
                )
            case FileSource():
                from ponder.tasks.file_tasks import file_tasks

                return file_tasks(
                    source.path, source.fields or None, domain, source.prompt, _verifier(source), source.limit
                )
            case HubSource():
                from ponder.tasks.hub import hub_tasks

                return hub_tasks(
                    source.name,
                    source.split,
                    source.fields or None,
                    domain,
                    source.prompt,
                    _verifier(source),
                    source.config,
                    source.limit,
                )
            case ProgramsSource():
                from ponder.tasks.programs import program_tasks

                return program_tasks(
                    source.kinds,
                    source.min_steps,
                    source.max_steps,
                    source.max_number,
                    source.size,
                    source.seed,
                    domain,
                    source.prompt or "plain",
                )
            case EnvironmentSource():
                from ponder.agents.environments.tasks import environment_tasks

                return environment_tasks(
                    source.environment, source.settings, source.path, source.size, source.seed, domain
                )
    except ValueError as error:
        raise ValueError(f"sources.{name}: {error}") from None


def _verifier(source: GymSource | FileSource | HubSource) -> str | None:
    match source.verifier:
        case PythonFunction():
            return "python"
        case JudgedBy():
            return "judge"
    return source.verifier


def _metadata_of(source: Source) -> dict[str, Any]:
    """What of a source's settings travels with its tasks, for verification to see."""
    reward, verifier = with_digests(source.reward), with_digests(getattr(source, "verifier", None))
    metadata = {} if reward == "task" else {"reward": REWARD.dump_python(reward, mode="json")}
    if isinstance(verifier, PythonFunction):
        metadata["python"] = verifier.model_dump()
    elif isinstance(verifier, JudgedBy):
        metadata["judge"] = verifier.model_dump()
    if (call_form := getattr(source, "call_form", "auto")) != "auto":
        metadata["call_form"] = call_form
    if source.tools:
        noted = [with_digests(tool) for tool in source.tools]
        metadata[TOOLS] = [tool.model_dump() if isinstance(tool, PythonFunction) else tool for tool in noted]
    return metadata


def _as_the_source_says(name: str, tasks: Sequence[Task], source: Source) -> Sequence[Task]:
    """The tasks with what the recipe's source gives to all of them: metadata, and a system prompt."""
    metadata = _metadata_of(source)
    if not metadata and source.system is None:
        return tasks
    schemas = tuple(schemas_of(source.tools))

    def add(task: Task) -> Task:
        if schemas and task.tools:
            raise ValueError(f"sources.{name}: its tasks bring tools of their own; leave `tools` out")
        messages = task.messages
        if source.system is not None and messages[0]["role"] != "system":
            messages = ({"role": "system", "content": source.system}, *messages)
        return replace(task, messages=messages, tools=task.tools or schemas, metadata=task.metadata | metadata)

    if isinstance(tasks, LazyTasks):
        return LazyTasks(len(tasks), lambda index: add(tasks[index]), tasks.source, tasks.at_hand)
    return [add(task) for task in tasks]


def _first_different(name: str, tasks: Sequence[Task], n: int) -> list[Task]:
    found: dict[str, Task] = {}
    for task in tasks:
        if len(found) == n:
            break
        found.setdefault(task.id, task)
    if not found:
        raise ValueError(f"sources.{name}: it holds no task")
    return list(found.values())


def _shares(total: int, weighted: Sequence[tuple[float, object]]) -> list[int]:
    """Whole numbers in proportion to the weights, at least 1 each, that add up to `total` where it is large enough."""
    weights = [weight for weight, _ in weighted]
    counts = [max(1, int(total * weight / sum(weights))) for weight in weights]
    for i in range(max(0, total - sum(counts))):
        counts[i % len(counts)] += 1
    return counts


def spread(tasks: Sequence[Task], count: int) -> list[Task]:
    """`count` of the tasks, evenly spaced, so that each domain keeps its share."""
    count = min(count, len(tasks))
    return [tasks[i * len(tasks) // count] for i in range(count)]
