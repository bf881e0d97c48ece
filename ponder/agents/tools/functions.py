"""A plain Python function as a tool: its schema comes from its type hints and its docstring."""

import asyncio
import inspect
import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, ValidationError, create_model

from ponder.agents.tools.tool import ToolBroken, ToolError

T = TypeVar("T")
# Google's form: "Args:" on a line of its own, then "name: what it is" (perhaps "name (type): ..."), indented.
_ARGUMENTS = re.compile(r"^\s*(?:Args|Arguments|Parameters):\s*$", re.MULTILINE)
_SECTION = re.compile(r"^\s*[A-Z][A-Za-z ]*:\s*$", re.MULTILINE)
_ARGUMENT = re.compile(r"^\s*(\w+)(?:\s*\([^)]*\))?:\s*(.+)$")


class FunctionTool:
    """A function that takes named arguments, plain or `async`. A plain one runs in a thread of its own: one that hangs holds up
    nobody, but goes on until it ends.

    Raises:
        ValueError: an argument without a type, `*args` or `**kwargs`, or no docstring to tell the model what it does.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None):
        self.function, self.name = function, name or function.__name__
        try:
            self._arguments = _model_of(function, self.name)
            parameters = self._arguments.model_json_schema()
        except (PydanticUserError, NameError) as error:
            raise ValueError(f"tool {self.name}: its arguments can be no JSON: {str(error).splitlines()[0]}") from error
        description, _ = _read_docstring(function)
        if not description:
            raise ValueError(f"tool {self.name}: the function has no docstring, from which a model learns what it does")
        self.schema = {
            "type": "function",
            "function": {
                "name": self.name,
                "description": description,
                "parameters": _plain(parameters),
            },
        }

    def bound(self, arguments: dict[str, Any]) -> Callable[[], Any]:
        """The call with these arguments, still to be made; what it raises is a ToolError. Raises ToolError for arguments
        that do not fit."""
        try:
            given = self._arguments.model_validate(arguments)
        except ValidationError as error:
            raise ToolError("; ".join(_told(problem) for problem in error.errors())) from error
        return partial(self._made, {name: getattr(given, name) for name in given.model_fields_set})

    async def call(self, arguments: dict[str, Any]) -> Any:
        made = self.bound(arguments)
        if not inspect.iscoroutinefunction(self.function):
            return await in_thread(made)
        try:
            return await made()
        except (ToolError, ToolBroken, asyncio.CancelledError):
            raise
        except Exception as error:
            raise ToolError(f"{type(error).__name__}: {error}") from error

    def _made(self, named: dict[str, Any]) -> Any:
        try:
            return self.function(**named)
        except (ToolError, ToolBroken):
            raise
        except (
            Exception,
            SystemExit,
        ) as error:  # a function that leaves the program has told the model so, and no more
            raise ToolError(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Nothing is held."""


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises, from a thread that the program's end does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(put: Callable[[Any], None], value: Any) -> None:
        if not done.done():  # else nobody waits any more
            put(value)

    def run() -> None:
        try:
            told = partial(tell, done.set_result, work())
        except BaseException as error:  # SystemExit and the like are the tool's, too; a Future takes no StopIteration
            ends = isinstance(error, StopIteration) or not isinstance(error, Exception)
            told = partial(tell, done.set_exception, RuntimeError(type(error).__name__) if ends else error)
        try:
            loop.call_soon_threadsafe(told)
        except RuntimeError:  # the loop is closed
            return

    threading.Thread(target=run, name="ponder-tool", daemon=True).start()
    return await done


def _model_of(function: Callable[..., Any], name: str) -> type[BaseModel]:
    hints, (_, described) = get_type_hints(function), _read_docstring(function)
    fields: dict[str, Any] = {}
    for argument in inspect.signature(function).parameters.values():
        if argument.kind not in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY):
            raise ValueError(f"tool {name}: {argument} has no name that a model could give; take named arguments alone")
        if argument.name not in hints:
            raise ValueError(
                f"tool {name}: argument {argument.name} has no type; write {argument.name}: str, for example"
            )
        default = ... if argument.default is argument.empty else argument.default
        fields[argument.name] = (hints[argument.name], Field(default, description=described.get(argument.name)))
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


def _read_docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """What it does, and what each argument is."""
    head, *rest = _ARGUMENTS.split(inspect.getdoc(function) or "", maxsplit=1)
    lines = _SECTION.split(rest[0], maxsplit=1)[0].splitlines() if rest else []
    described = {match[1]: match[2].strip() for line in lines if (match := _ARGUMENT.match(line))}
    return _SECTION.split(head, maxsplit=1)[0].strip(), described


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Without pydantic's titles, which tell a model nothing."""
    kept = {key: value for key, value in schema.items() if key != "title"}
    properties = kept.get("properties", {})
    return kept | {
        "properties": {name: {k: v for k, v in one.items() if k != "title"} for name, one in properties.items()}
    }


def _told(problem: Any) -> str:
    where = ".".join(map(str, problem["loc"]))
    return f"argument {where}: {problem['msg'][:1].lower()}{problem['msg'][1:]}" if where else problem["msg"]
