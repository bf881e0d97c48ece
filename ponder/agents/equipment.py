"""What an episode of a task is played with: tools of its own, and the environment that they change."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ponder.agents.environments.choice import environment_maker
from ponder.agents.environments.environment import Environment, EnvironmentRun
from ponder.agents.environments.tasks import KEY as ENVIRONMENT
from ponder.agents.tools.choice import choose_tool
from ponder.agents.tools.tool import Tool
from ponder.recipe.episodes import Episodes
from ponder.recipe.python_function import PythonFunction
from ponder.sandbox.client import Sandbox
from ponder.tasks.task import Task
from ponder.verifiers.scores import told
from ponder.verifiers.verdict import Verdict

CLOSE_S = 10.0  # that closing a tool or an environment may take
TOOLS = "episode_tools"  # in a task's metadata: names of tools, and functions as a recipe writes them


def plays_episode(task: Task) -> bool:
    """Whether its answer is an episode: turns, calls and results."""
    return TOOLS in task.metadata or ENVIRONMENT in task.metadata


@dataclass
class Equipment:
    """Of one episode. `environment`: None where there is none."""

    tools: list[Tool]
    environment: EnvironmentRun | None = None
    seconds: float = 30.0

    def begin(self, task: Task) -> None:
        """Puts the start state. Raises ToolBroken where that fails."""
        if self.environment is not None:
            self.environment.begin(task.question)

    async def outcome(self) -> Verdict | None:
        """What the environment says of how it went; None where there is none."""
        return None if self.environment is None else await self.environment.outcome(self.seconds)

    async def close(self) -> None:
        """The episode is over by then: what fails or hangs in closing is told in the log, and ends nothing."""
        for held in (*self.tools, *filter(None, (self.environment,))):
            try:
                async with asyncio.timeout(CLOSE_S):
                    await held.close()
            except Exception as error:
                logging.getLogger(__name__).warning(
                    "closing %s: %s", getattr(held, "name", "the environment"), told(error)
                )


@dataclass
class Outfitter:
    """Makes the equipment of episodes. What is costly is made once: classes are loaded, and the sandbox is started by
    the first program."""

    sandbox: Sandbox
    settings: Episodes
    _makers: dict[str, Callable[[], Environment]] = field(default_factory=dict)
    _functions: dict[str, Tool] = field(default_factory=dict)

    def equip(self, task: Task) -> Equipment:
        """Raises ValueError: a tool or an environment that there is not."""
        seconds = self.settings.call_seconds
        if (world := task.metadata.get(ENVIRONMENT)) is not None:
            run = EnvironmentRun(self._maker(world), world["row"])
            return Equipment(run.tools, run, seconds)
        return Equipment([self._tool(one) for one in task.metadata[TOOLS]], seconds=seconds)

    def _maker(self, world: dict[str, Any]) -> Callable[[], Environment]:
        name = repr((world["name"], world["settings"]))
        if name not in self._makers:
            self._makers[name] = environment_maker(_choice(world["name"]), world["settings"], self.sandbox)
        return self._makers[name]

    def _tool(self, named: Any) -> Tool:
        """Functions are shared by all episodes; what keeps a state (the sandbox's Python) is an episode's own."""
        choice = _choice(named)
        if isinstance(choice, str):
            return choose_tool(choice, self.sandbox, self.settings.call_seconds)
        if choice.python not in self._functions:
            self._functions[choice.python] = choose_tool(choice, self.sandbox, self.settings.call_seconds)
        return self._functions[choice.python]


def schemas_of(tools: Sequence[str | PythonFunction]) -> list[dict[str, Any]]:
    """The schemas of tools that a recipe names, without anything being started. Raises ValueError as `equip` does."""
    return [choose_tool(one, Sandbox(), 1.0).schema for one in tools]


def _choice(named: Any) -> str | PythonFunction:
    return named if isinstance(named, str) else PythonFunction.model_validate(named)
