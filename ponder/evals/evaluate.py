"""From the names of benchmarks to questions: protocols, data, and what is asked otherwise than the protocols say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.chat.thinking import MOST_RESERVE, ThinkingPolicy
from ponder.evals.asking import Question
from ponder.evals.choices import shuffled
from ponder.evals.data import Loaded, load_problems
from ponder.evals.loading import load_protocol
from ponder.evals.protocol import Protocol, Sampling
from ponder.evals.records import BUDGET, BenchmarkAsked, Problem
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
    budgets: most tokens of thought; with several, each benchmark is asked once for each of them
    """

    benches: tuple[str, ...]
    variant: str | None = None
    data: tuple[Path, ...] = ()
    rows: int | None = None
    samples: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    budgets: tuple[int, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Bench:
    """One benchmark with one budget, ready to be asked. `name`: in the evaluation; `notices`: what a reader of the result
    should know; `judged`: whether the data has
    what answers are judged by."""

    name: str
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
    protocols = [load_protocol(name, wanted.variant) for name in wanted.benches]
    names = [protocol.name for protocol in protocols]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--bench names {name} twice")
    return [bench for protocol in protocols for bench in _with_each_budget(protocol, wanted)]


def parse_budgets(text: str) -> tuple[int, ...]:
    """Ascending, from "0,128,512". ValueError for what are no numbers of tokens, or the same twice."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise ValueError(
            f"--budget {text!r}: write tokens of thought, or several with commas between them, such as 0,128,512; 0 is no thought"
        )
    budgets = sorted(map(int, parts))
    if len(set(budgets)) < len(budgets):
        raise ValueError(f"--budget {text!r} names a budget twice")
    return tuple(budgets)


def _with_each_budget(protocol: Protocol, wanted: Wanted) -> list[Bench]:
    loaded = load_problems(protocol, wanted.data)
    if len(wanted.budgets) < 2:
        return [_bench(protocol.name, protocol, loaded, wanted, *(wanted.budgets or (None,)))]
    return [_bench(f"{protocol.name}-budget-{budget}", protocol, loaded, wanted, budget) for budget in wanted.budgets]


def _bench(name: str, protocol: Protocol, loaded: Loaded, wanted: Wanted, budget: int | None) -> Bench:
    sampling, changed = _changed(protocol.sampling, wanted, budget)
    _refuse_without_room(protocol.name, budget, sampling.max_tokens)
    kept = _spaced(len(loaded.tasks), wanted.rows)
    tasks = [loaded.tasks[index] for index in kept]
    problems = [
        Problem(
            bench=name,
            id=loaded.ids[index],
            place=task.place,
            messages=task.messages,
            reference=None if loaded.unscorable else shown_reference(task),
            category=loaded.categories[index],
        )
        for index, task in zip(kept, tasks, strict=True)
    ]
    asked = BenchmarkAsked(protocol, loaded.source, loaded.sha256, len(tasks), len(loaded.tasks), changed)
    questions = [
        _question(asked, problem, task, sample, sampling, wanted)
        for sample in range(sampling.samples)
        for problem, task in zip(problems, tasks, strict=True)
    ]
    notices = (*loaded.remarks, *([loaded.unscorable] if loaded.unscorable else []))
    return Bench(name, asked, problems, questions, notices, loaded.unscorable is None)


def _refuse_without_room(name: str, budget: int | None, max_tokens: int) -> None:
    _, room = ThinkingPolicy().limits(max_tokens)
    if budget and (room is None or budget > room):
        raise ValueError(
            f"{name}: answers have {max_tokens} tokens, of which a thought can have {room or 0}, since the rest is kept for what "
            f"follows it; for a budget of {budget} say --max-tokens {budget + min(MOST_RESERVE, budget // 3 + 1)} or more"
        )


def _question(
    asked: BenchmarkAsked, problem: Problem, task: Task, sample: int, sampling: Sampling, wanted: Wanted
) -> Asked:
    # The same seed with every budget: what differs is the budget alone.
    seed = sample_seed(wanted.seed, asked.protocol.name, problem.id, sample)
    if asked.protocol.shuffle_choices:
        task = shuffled(task, wanted.seed, sample)
    return Asked(problem, sample, task, Question(task.messages, sampling, seed, task.tools, asked.budget))


def _changed(sampling: Sampling, wanted: Wanted, budget: int | None) -> tuple[Sampling, dict[str, Any]]:
    """What is asked, and {field: [the protocol's, now]} where it is not the protocol's."""
    given = {"samples": wanted.samples, "max_tokens": wanted.max_tokens, "temperature": wanted.temperature}
    now = {name: value for name, value in given.items() if value is not None and value != getattr(sampling, name)}
    changed: dict[str, Any] = {name: [getattr(sampling, name), value] for name, value in now.items()}
    if budget is not None:
        changed[BUDGET] = [None, budget]
    return sampling.model_copy(update=now), changed


def _spaced(count: int, most: int | None) -> list[int]:
    """Indices, evenly spaced: the beginning of a file may be of one kind."""
    if most is None or most >= count:
        return list(range(count))
    return [index * count // most for index in range(most)]
