"""What an environment is, and one of them while an episode runs in it."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from ponder.agents.tools.functions import FunctionTool, in_thread
from ponder.agents.tools.tool import Tool, ToolBroken
from ponder.verifiers.scores import told, verdict_from
from ponder.verifiers.verdict import Verdict

T = TypeVar("T")
OWN = ("reset", "reward", "close")  # what Ponder calls; every other public method is a tool


class Environment(Protocol):
    """A class of anybody's: these methods, and beside them public ones that take named arguments with types and have a
    docstring. Each of those is a tool. It is made with the source's settings, once for every episode."""

    def reset(self, **row: Any) -> str:
        """Puts the start state that the row says, always the same one, and returns what the model is asked."""
        ...

    def reward(self) -> Any:
        """How it went, when the episode is over: a number from 0 to 1, where 1 is right, True or False, or
        {"score": ..., "reason": ...}, as functions that verify say it (docs/verifiers.md)."""
        ...


class EnvironmentRun:
    """One environment, for one episode. Its methods run one after the other, in the order in which they are called, since they
    change one state; a call that raises has told the model so. One that takes too long leaves a state that nobody knows: from
    then on the environment is broken.

    Attributes:
        tools: its methods
    """

    def __init__(self, make: Callable[[], Environment], row: Mapping[str, Any]):
        """Raises ValueError for a class that is no environment."""
        self._row = dict(row)
        self._environment = make()
        self._lock = asyncio.Lock()
        self._broken: str | None = None
        self.tools: list[Tool] = [_MethodTool(self, tool) for tool in method_tools(self._environment)]

    def begin(self, question: str) -> None:
        """Puts the start state.

        Raises:
            ToolBroken: it cannot be put, or is not the one that the task was made of.
        """
        try:
            asked = self._environment.reset(**self._row)
        except Exception as error:  # it worked when the task was made
            raise ToolBroken(f"reset: {told(error)}") from error
        if asked != question:
            raise ToolBroken(
                "reset asks something else than it did when the task was made: let equal rows give equal states"
            )

    async def outcome(self, seconds: float) -> Verdict:
        """What `reward` says; an error where it says nothing that is a verdict."""
        try:
            said = await self.run(self._environment.reward, "reward", seconds)
            return verdict_from(said, f"{type(self._environment).__name__}.reward")
        except Exception as error:  # law 3: whatever goes wrong there is not the model's fault
            return Verdict("error", None, f"the environment: {told(error)}")

    async def close(self) -> None:
        """Calls `close`, where the environment has it. Raises what that raises."""
        if (close := getattr(self._environment, "close", None)) is not None:
            await in_thread(close)

    async def run(self, work: Callable[[], T], name: str, seconds: float | None = None) -> T:
        """What `work` returns or raises, after all that was to run before it. Raises ToolBroken where an earlier one did not end."""
        async with self._lock:
            if self._broken is not None:
                raise ToolBroken(self._broken)
            try:
                async with asyncio.timeout(seconds):
                    return await in_thread(work)
            except (TimeoutError, asyncio.CancelledError) as error:
                self._broken = f"{name} did not end in time, so that nobody knows the environment's state"
                if isinstance(error, TimeoutError):
                    raise ToolBroken(self._broken) from None
                raise


class _MethodTool:
    def __init__(self, run: EnvironmentRun, method: FunctionTool):
        self._run, self._method, self.name, self.schema = run, method, method.name, method.schema

    async def call(self, arguments: dict[str, Any]) -> Any:
        return await self._run.run(self._method.bound(arguments), self.name)

    async def close(self) -> None:
        """Its environment is closed by itself."""


def method_tools(environment: Any) -> list[FunctionTool]:
    """The public methods of an environment, as tools, by their names.

    Raises:
        ValueError: `reset` or `reward` is missing, there is no other method, or one of them can be no tool.
    """
    name = type(environment).__name__
    for needed in ("reset", "reward"):
        if not callable(getattr(environment, needed, None)):
            raise ValueError(f"{name} is no environment: it has no method {needed}")
    names = [one for one, value in inspect.getmembers(type(environment), callable) if not one.startswith("_")]
    tools = [FunctionTool(getattr(environment, one)) for one in names if one not in OWN]
    if not tools:
        raise ValueError(f"{name} has no method that a model could call, beside {', '.join(OWN)}")
    if waiting := [tool.name for tool in tools if inspect.iscoroutinefunction(tool.function)]:
        raise ValueError(f"{name}.{waiting[0]} is async; an environment's methods run one after the other: write def")
    return tools
