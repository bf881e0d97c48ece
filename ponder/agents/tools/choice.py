"""Tools by what people write at the command line: python, calculator, search:FOLDER, or FILE.py:FUNCTION."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from ponder.agents.tools.calculator import calculator_tool
from ponder.agents.tools.functions import FunctionTool
from ponder.agents.tools.python import PythonTool
from ponder.agents.tools.search import SearchTool
from ponder.agents.tools.tool import Tool
from ponder.recipe.python_function import FORM, PythonFunction
from ponder.sandbox.client import Sandbox
from ponder.verifiers.python.function import digest

SEARCH = "search:"  # before the folder
# The names are those of ponder.recipe.episodes.ToolChoice. Made of the sandbox that runs what has to be run, which the first
# program starts, and the seconds that a call may take.
TOOLS: dict[str, Callable[[Sandbox, float], Tool]] = {
    "calculator": lambda sandbox, seconds: calculator_tool(),
    # A cell that is interrupted keeps its variables, so that comes before the call is given up.
    "python": lambda sandbox, seconds: PythonTool(sandbox, min(0.8 * seconds, sandbox.timeout_s)),
}


def choose_tools(names: Sequence[str], sandbox: Sandbox, seconds: float) -> list[Tool]:
    """The tools that a person has named at the command line.

    Raises:
        ValueError: one that there is not, a file or function that is not there or can be no tool, two of one name.
    """
    tools = [choose_tool(_written(name.strip()), sandbox, seconds) for name in names]
    refuse_twins(tools)
    return tools


def refuse_twins(tools: Sequence[Tool]) -> None:
    """Raises ValueError: two tools of one name, so that a call could mean either."""
    found = [tool.name for tool in tools]
    if twice := [name for name in found if found.count(name) > 1]:
        raise ValueError(f"two tools have the name {twice[0]}: leave one of them out")


def choose_tool(choice: str | PythonFunction, sandbox: Sandbox, seconds: float) -> Tool:
    """A tool by name, or of a function. Raises ValueError as `choose_tools` does."""
    if isinstance(choice, PythonFunction):
        return FunctionTool(load_object(choice.file, choice.name, choice.sha256))
    if choice.startswith(SEARCH):
        return SearchTool(choice.removeprefix(SEARCH))
    return TOOLS[choice](sandbox, seconds)


def _written(name: str) -> str | PythonFunction:
    if name in TOOLS or name.startswith(SEARCH):
        return name
    if FORM.fullmatch(name) is None:
        raise ValueError(
            f"there is no tool {name!r}; there are {', '.join(TOOLS)}, search:FOLDER, and your own functions as FILE.py:FUNCTION"
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
