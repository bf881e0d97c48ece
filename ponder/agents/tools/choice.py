"""Tools by what people write at the command line: python, calculator, or FILE.py:function."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from ponder.agents.tools.calculator import calculator_tool
from ponder.agents.tools.functions import FunctionTool
from ponder.agents.tools.python import PythonTool
from ponder.agents.tools.tool import Tool
from ponder.recipe.python_function import FORM, PythonFunction
from ponder.sandbox.client import Sandbox
from ponder.verifiers.python.function import digest

# The names are those of ponder.recipe.episodes.ToolChoice. Made of the sandbox that runs what has to be run, which the first program starts, and the seconds that a call may take.
TOOLS: dict[str, Callable[[Sandbox, float], Tool]] = {
    "calculator": lambda sandbox, seconds: calculator_tool(),
    "python": lambda sandbox, seconds: PythonTool(
        sandbox, min(0.8 * seconds, sandbox.timeout_s)
    ),  # interrupted, it keeps its variables
}


def choose_tools(names: Sequence[str], sandbox: Sandbox, seconds: float) -> list[Tool]:
    """The tools that a person has named at the command line.

    Raises:
        ValueError: one that there is not, a file or function that is not there or can be no tool, two of one name.
    """
    tools = [choose_tool(_written(name.strip()), sandbox, seconds) for name in names]
    found = [tool.name for tool in tools]
    if twice := [name for name in found if found.count(name) > 1]:
        raise ValueError(f"two tools have the name {twice[0]}: leave one of them out")
    return tools


def choose_tool(choice: str | PythonFunction, sandbox: Sandbox, seconds: float) -> Tool:
    """A tool by name, or of a function. Raises ValueError as `choose_tools` does."""
    if isinstance(choice, str):
        return TOOLS[choice](sandbox, seconds)
    return FunctionTool(load_object(choice.file, choice.name, choice.sha256))


def _written(name: str) -> str | PythonFunction:
    if name in TOOLS:
        return name
    if FORM.fullmatch(name) is None:
        raise ValueError(
            f"there is no tool {name!r}; there are {', '.join(TOOLS)}, and your own functions as FILE.py:FUNCTION"
        )
    return PythonFunction(python=name)


def load_object(file: str, name: str, sha256: str | None = None) -> Callable:
    """The function or class of a file of the user's.

    Raises:
        ValueError: a file that is not there, cannot be imported or is not the one of `sha256`, or has no such object.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    if sha256 is not None and digest(path) != sha256:
        raise ValueError(f"{path} has changed since the run began; put the old file back, or begin a new run")
    spec = importlib.util.spec_from_file_location(f"ponder_tools_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if not callable(found):
        raise ValueError(f"{path} has no function or class {name}")
    return found
