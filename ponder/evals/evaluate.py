"""From the names of benchmarks to questions: protocols, data, and what is asked otherwise than the protocols say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.evals.asking import Question
from ponder.evals.choices import shuffled
from ponder.evals.data import load_problems
from ponder.evals.loading import load_protocol
from ponder.evals.protocol import Protocol, Sampling
from ponder.evals.records import BenchmarkAsked, Problem
from ponder.evals.running import Asked, sample_seed
from ponder.tasks.task import Task
from ponder.verifiers.verification import shown_reference

QUICK_ROWS = 20


@dataclass(frozen=True)
class Wanted:
    """
    benches: names, or YAML files of suites of one's own
    variant: whose protocol; None is each benchmark's default
    data: directories that are searched first
    rows: most problems of each, evenly spaced; None is all
    samples, max_tokens, temperature: instead of the protocol's, which stands beside the number
    budget: most tokens of thought
    """

    benches: tuple[str, ...]
    variant: str | None = None
    data: tuple[Path, ...] = ()
    rows: int | None = None
    samples: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    budget: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Bench:
    """One benchmark, ready to be asked. `notices`: what a reader of the result should know; `judged`: whether the data has
    what answers are judged by."""

    asked: BenchmarkAsked
    problems: list[Problem]
    questions: list[Asked]
    notices: tuple[str, ...] = ()
    judged: bool = True


def prepare(wanted: Wanted) -> list[Bench]:
    """
    Raises:
        ValueError: an unknown benchmark, data that is missing or broken, with the remedy.
    """
    benches = [_bench(load_protocol(name, wanted.variant), wanted) for name in wanted.benches]
    names = [bench.asked.protocol.name for bench in benches]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--bench names {name} twice")
    return benches


def _bench(protocol: Protocol, wanted: Wanted) -> Bench:
    loaded = load_problems(protocol, wanted.data)
    sampling, changed = _changed(protocol.sampling, wanted)
    kept = _spaced(len(loaded.tasks), wanted.rows)
    tasks = [loaded.tasks[index] for index in kept]
    problems = [
        Problem(
            bench=protocol.name,
            id=loaded.ids[index],
            place=task.place,
            messages=task.messages,
            reference=None if loaded.unscorable else shown_reference(task),
            category=loaded.categories[index],
        )
        for index, task in zip(kept, tasks, strict=True)
    ]
    questions = [
        _question(protocol, problem, task, sample, sampling, wanted)
        for sample in range(sampling.samples)
        for problem, task in zip(problems, tasks, strict=True)
    ]
    asked = BenchmarkAsked(protocol, loaded.source, loaded.sha256, len(tasks), len(loaded.tasks), changed)
    notices = (*loaded.remarks, *([loaded.unscorable] if loaded.unscorable else []))
    return Bench(asked, problems, questions, notices, loaded.unscorable is None)


def _question(
    protocol: Protocol, problem: Problem, task: Task, sample: int, sampling: Sampling, wanted: Wanted
) -> Asked:
    seed = sample_seed(wanted.seed, protocol.name, problem.id, sample)
    if protocol.shuffle_choices:
        task = shuffled(task, wanted.seed, sample)
    return Asked(problem, sample, task, Question(task.messages, sampling, seed, task.tools, wanted.budget))


def _changed(sampling: Sampling, wanted: Wanted) -> tuple[Sampling, dict[str, Any]]:
    """What is asked, and {field: [the protocol's, now]} where it is not the protocol's."""
    given = {"samples": wanted.samples, "max_tokens": wanted.max_tokens, "temperature": wanted.temperature}
    now = {name: value for name, value in given.items() if value is not None and value != getattr(sampling, name)}
    changed: dict[str, Any] = {name: [getattr(sampling, name), value] for name, value in now.items()}
    if wanted.budget is not None:
        changed["thinking budget"] = [None, wanted.budget]
    return sampling.model_copy(update=now), changed


def _spaced(count: int, most: int | None) -> list[int]:
    """Indices, evenly spaced: the beginning of a file may be of one kind."""
    if most is None or most >= count:
        return list(range(count))
    return [index * count // most for index in range(most)]
