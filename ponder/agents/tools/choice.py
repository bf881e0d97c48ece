"""Tools by what people write at the command line: python, calculator, search:FOLDER, or FILE.py:FUNCTION."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from ponder.agents.tools.calculator import calculator_tool
from ponder.agents.tools.functions import FunctionTool
from ponder.agents.tools.python import PythonTool
from ponder.agents.tools.search import SearchTool
from ponder.agents.tools.tool import Tool
from ponder.sandbox.client import Sandbox

# Made of the sandbox that runs what has to be run, which the first program starts, and the seconds that a call may take.
TOOLS: dict[str, Callable[[Sandbox, float], Tool]] = {
    "calculator": lambda sandbox, seconds: calculator_tool(),
    "python": lambda sandbox, seconds: PythonTool(sandbox, 0.8 * seconds),  # interrupted, it keeps its variables
}


def choose_tools(names: Sequence[str], sandbox: Sandbox, seconds: float) -> list[Tool]:
    """Raises ValueError: one that there is not, a file or function that is not there or can be no tool, two of one name."""
    tools = [_tool(name.strip(), sandbox, seconds) for name in names]
    refuse_twins(tools)
    return tools


def refuse_twins(tools: Sequence[Tool]) -> None:
    """Raises ValueError: two tools of one name, so that a call could mean either."""
    found = [tool.name for tool in tools]
    if twice := [name for name in found if found.count(name) > 1]:
        raise ValueError(f"two tools have the name {twice[0]}: leave one of them out")


def _tool(name: str, sandbox: Sandbox, seconds: float) -> Tool:
    if name in TOOLS:
        return TOOLS[name](sandbox, seconds)
    path, colon, function = name.rpartition(":")
    if name.startswith("search:"):
        return SearchTool(name.removeprefix("search:"))
    if not colon or not path.endswith(".py"):
        raise ValueError(
            f"there is no tool {name!r}; there are {', '.join(TOOLS)}, search:FOLDER, and your own functions as FILE.py:FUNCTION"
        )
    return FunctionTool(_function(Path(path).expanduser(), function))


def _function(path: Path, name: str) -> Callable:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    spec = importlib.util.spec_from_file_location(f"ponder_tools_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"{path} has no function {name}")
    return function
