"""BFCL's own AST checker, from the bfcl-eval wheel where it is installed: what our function-call verifier must equal.

`pip install --no-deps bfcl-eval==2026.3.23` is enough. The checker imports the table of models and with it the clients
of every vendor, and reads one flag from it; a table that holds this flag alone stands in while it is imported.
"""

import importlib
import importlib.util
import sys
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

MODEL = "ours"
TABLE = "bfcl_eval.constants.model_config"


def available() -> str | None:
    """None where the official checker can be run, else why not."""
    if importlib.util.find_spec("bfcl_eval") is None:
        return "bfcl-eval is not installed; pip install --no-deps bfcl-eval==2026.3.23"
    return None


def check(calls: list[dict], functions: list[dict], possible_answer: list[dict], category: str) -> bool:
    """Whether the official checker finds the calls valid.

    `calls` are `{"name", "arguments"}`; `functions` and `possible_answer` are a BFCL row's; `category` is a Python
    category of BFCL such as "simple_python", "multiple", "parallel" or "live_parallel_multiple". What makes the
    checker fail, such as arguments that are no object, is raised as it comes.
    """
    ast_checker, python = _checker()
    decoded = [{call["name"]: call["arguments"]} for call in calls]
    result: dict[str, Any] = ast_checker(functions, decoded, possible_answer, python, category, MODEL)
    return result["valid"]


@cache
def _checker() -> tuple[Any, Any]:
    """The function `ast_checker` and its name for Python, imported once."""
    table = ModuleType(TABLE)
    table.MODEL_CONFIG_MAPPING = {MODEL: SimpleNamespace(underscore_to_dot=False)}
    before = sys.modules.get(TABLE)
    sys.modules[TABLE] = table
    try:
        module = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker")
        return module.ast_checker, module.Language.PYTHON
    finally:
        if before is None:
            del sys.modules[TABLE]
        else:
            sys.modules[TABLE] = before
