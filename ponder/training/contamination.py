"""Whether a recipe trains on problems of benchmarks. It is looked for at a run's start in all rows at hand, and told; it refuses
nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ponder.evals.contamination import MOST_HITS, Hit, Problems
from ponder.evals.data import load_problems
from ponder.evals.loading import known, load_protocol
from ponder.recipe.chats import ChatFiles
from ponder.recipe.schema import Recipe
from ponder.recipe.stages import StageBase
from ponder.runs.wording import printable
from ponder.tasks.benchmarks import data_directories
from ponder.tasks.chats import read_chats
from ponder.tasks.split import part_of
from ponder.tasks.task import Task
from ponder.training.data import TaskPool

KEY = "contamination"  # in a run's lineage
DRAWN = 1_000  # tasks of generated sources that are compared with the recipe's own benchmarks
_SHOWN = 160  # characters of an example


@dataclass(frozen=True)
class Found:
    """Of the `problems` of a benchmark so many stand in training rows with the same text, and so many more share a run of
    words with one. `example`: what both have, and where."""

    bench: str
    problems: int
    same_text: int
    shared_words: int
    example: str

    def __str__(self) -> str:
        what = []
        if self.same_text:
            verb = "is" if self.same_text == 1 else "are"
            what.append(f"{self.same_text:,} of its {self.problems:,} problems {verb} trained on, with the same text")
        if self.shared_words:
            of = (
                f"{self.shared_words:,} more"
                if self.same_text
                else f"{self.shared_words:,} of its {self.problems:,} problems"
            )
            verb = "shares" if self.shared_words == 1 else "share"
            what.append(f"{of} {verb} a run of 13 words, or of 8 long ones, with what is trained on")
        return f"{self.bench}: {'; '.join(what)}. Such as {self.example}"


@dataclass(frozen=True)
class Looked:
    """
    rows: of files and data sets that are trained on, all compared
    generated: names of the sources that make their tasks as they are asked for; `drawn` of their tasks were compared
    compared: the benchmarks, with their numbers of different problems
    unread: why the files of others could not be compared
    full: there were more hits than are counted
    """

    rows: int
    generated: tuple[str, ...]
    drawn: int
    compared: Mapping[str, int]
    found: tuple[Found, ...]
    unread: tuple[str, ...] = ()
    full: bool = False

    def warnings(self) -> list[str]:
        """What must not be overlooked."""
        lines = [
            f"{'Contamination' if found.same_text else 'Possible contamination'}: {found}"
            for found in sorted(self.found, key=lambda found: not found.same_text)
        ]
        if any(found.same_text for found in self.found):
            lines.append("A score on problems that were trained on says little about others. The training goes on.")
        if self.full:
            lines.append(f"There are more: {MOST_HITS:,} were counted.")
        return lines

    def remarks(self) -> list[str]:
        """What was compared with what."""
        lines = [f"benchmarks that were not compared with what is trained on: {one}" for one in self.unread]
        if self.compared:
            what = [f"{self.rows:,} rows that are trained on"] if self.rows else []
            what += [f"{self.drawn:,} tasks of {', '.join(self.generated)}"] if self.drawn else []
            of = f"{sum(self.compared.values()):,} problems of {', '.join(self.compared)}"
            none = "" if self.found else ": none of these is among them"
            lines.append(f"Compared with benchmarks: {' and '.join(what)}, with {of}{none}")
        elif self.rows:
            where = ", ".join(map(str, data_directories()))
            lines.append(
                f"No benchmark's file is at hand ({where}), so the rows that are trained on are compared with none"
            )
        if self.generated and not self.drawn:
            lines.append(
                f"Tasks of {', '.join(self.generated)} are made as they are asked for, and not compared with benchmarks"
            )
        return lines

    def noted(self) -> dict[str, Any]:
        """For the lineage."""
        return {
            "rows": self.rows,
            "compared": dict(self.compared),
            "found": [asdict(found) for found in self.found],
        }


def look(recipe: Recipe, pool: TaskPool, named: Mapping[str, Sequence[Task]]) -> Looked:
    """
    Args:
        pool: of the recipe
        named: the problems of the recipe's own benchmarks; others are taken from the data directories, where they are
    """
    counted = _Counted(trained_rows(recipe, pool))
    rows = bool(pool.trained) or any(_chat_files(stage) for stage in recipe.stages)
    generated = tuple(pool.generated)
    made = [task for task in pool.draw(0, DRAWN) if not task.place] if named and generated else []
    at_hand, unread = benchmarks_at_hand(recipe) if rows else ({}, [])
    whole = {**named, **at_hand}
    from_rows, from_made = Problems(whole).hits(counted), Problems(named).hits(made)
    compared = (
        {name: len({task.id for task in tasks}) for name, tasks in (whole if rows else named).items()}
        if rows or made
        else {}
    )
    hits = [*from_rows, *from_made]
    found = tuple(
        _found(name, compared[name], of_bench)
        for name in compared
        if (of_bench := [hit for hit in hits if hit.bench == name])
    )
    full = len(from_rows) == MOST_HITS or len(from_made) == MOST_HITS
    return Looked(counted.count, generated, len(made), compared, found, tuple(unread), full)


def trained_rows(recipe: Recipe, pool: TaskPool) -> Iterator[Task]:
    """What is at hand of what the recipe trains on: rows that are not held out, and demonstrations that are not only validated
    on."""
    yield from chain.from_iterable(pool.trained)
    for stage in recipe.stages:
        if (of_files := _chat_files(stage)) is None:
            continue
        for chat in read_chats(of_files.path, of_files.fields, of_files.system, of_files.limit):
            if part_of(chat.id, of_files.validation) == "train":
                yield Task(chat.messages, stage.name, "", None, chat.tools, place=chat.place)


def _chat_files(stage: StageBase) -> ChatFiles | None:
    demonstrations = getattr(stage, "demonstrations", None)
    return demonstrations if demonstrations is not None and demonstrations.path else None


@dataclass
class _Counted:
    """Tasks, which may be many, and how many have been drawn."""

    tasks: Iterator[Task]
    count: int = 0

    def __iter__(self) -> Iterator[Task]:
        for task in self.tasks:
            self.count += 1
            yield task


def benchmarks_at_hand(recipe: Recipe) -> tuple[dict[str, list[Task]], list[str]]:
    """Ponder's benchmarks whose files lie in the data directories, and why others of these cannot be read."""
    own = [Path(directory).expanduser() for bench in recipe.benchmarks for directory in bench.data]
    directories = list(dict.fromkeys([*own, *data_directories()]))
    found, unread = {}, []
    for name, _, _ in known():
        protocol = load_protocol(name)
        files = protocol.data.files
        if not files or not any(all((there / file).is_file() for file in files) for there in directories):
            continue
        try:
            found[name] = load_problems(protocol, directories).tasks
        except ValueError as error:
            unread.append(f"{name} ({str(error).splitlines()[0][:300]})")
    return found, unread


def _found(bench: str, problems: int, hits: Sequence[Hit]) -> Found:
    same = {hit.problem for hit in hits if hit.how == "same text"}
    shown = next((hit for hit in hits if hit.how == "same text"), hits[0])
    text = printable(" ".join(shown.text.split()))
    text = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
    where = f"{shown.training_place or 'a task that was made'}, which has {shown.problem_place or bench}: {text}"
    return Found(bench, problems, len(same), len({hit.problem for hit in hits} - same), where)
