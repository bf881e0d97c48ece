"""An environment's tasks: one for each row or seed, whose question is what `reset` returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ponder.agents.environments.choice import environment_maker
from ponder.agents.environments.environment import Environment, method_tools
from ponder.engine.counting import key
from ponder.recipe.episodes import EnvironmentChoice
from ponder.recipe.python_function import PythonFunction
from ponder.sandbox.client import Sandbox
from ponder.tasks.file_tasks import files_of
from ponder.tasks.files import read_files
from ponder.tasks.task import LazyTasks, Task
from ponder.verifiers.python.function import with_digests
from ponder.verifiers.scores import shown, told

KEY = "environment"  # in a task's metadata: {"name", "settings", "row"}


def environment_tasks(
    choice: EnvironmentChoice,
    settings: Mapping[str, Any],
    paths: str | Sequence[str] | None,
    size: int,
    seed: int,
    domain: str,
) -> Sequence[Task]:
    """`size` tasks whose rows are seeds, or one for each row of the files.

    Raises:
        ValueError: an environment that cannot be made, files that cannot be read, a row that `reset` fails on.
    """
    choice = with_digests(choice)
    make = environment_maker(choice, settings, Sandbox())  # nothing runs in it: `reset` alone is called
    source = _Source(make, choice, settings, domain, [tool.schema for tool in method_tools(make())])
    if paths is None:
        return LazyTasks(size, lambda index: source.task({"seed": key(seed, index) % 2**31}, ""), source.name)
    return [source.task(row, place) for place, row in read_files(files_of(paths))]


@dataclass(frozen=True)
class _Source:
    make: Callable[[], Environment]
    choice: EnvironmentChoice
    settings: Mapping[str, Any]
    domain: str
    schemas: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return self.choice.title if isinstance(self.choice, PythonFunction) else self.choice

    def task(self, row: dict[str, Any], place: str) -> Task:
        where = place or f"{self.name}, {row}"
        try:
            question = self.make().reset(**row)
        except Exception as error:  # the class may be anybody's
            raise ValueError(f"{where}: {self.name}.reset: {told(error)}") from None
        if not isinstance(question, str) or not question.strip():
            raise ValueError(
                f"{where}: {self.name}.reset returns {shown(question)}; return the text that the model is asked"
            )
        named = self.choice.model_dump() if isinstance(self.choice, PythonFunction) else self.choice
        return Task(
            messages=({"role": "user", "content": question},),
            domain=self.domain,
            verifier="environment",
            reference=None,
            tools=tuple(self.schemas),
            source=self.name,
            metadata={KEY: {"name": named, "settings": dict(self.settings), "row": row}},
            place=place,
        )
