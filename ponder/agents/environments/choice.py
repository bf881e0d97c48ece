"""Environments by what recipes write: a name of ours, or {python: FILE.py:CLASS}."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from typing import Any

from ponder.agents.environments.bookings import Bookings
from ponder.agents.environments.environment import Environment, method_tools
from ponder.agents.environments.find_and_fix import FindAndFix
from ponder.agents.environments.hanoi import Hanoi
from ponder.agents.tools.choice import load_object
from ponder.recipe.python_function import PythonFunction
from ponder.sandbox.client import Sandbox
from ponder.verifiers.scores import told

# The names are those of ponder.recipe.episodes.EnvironmentName.
ENVIRONMENTS: dict[str, Callable[..., Environment]] = {
    "bookings": Bookings,
    "find_and_fix": FindAndFix,
    "hanoi": Hanoi,
}


def environment_maker(
    choice: str | PythonFunction, settings: Mapping[str, Any], sandbox: Sandbox
) -> Callable[[], Environment]:
    """What makes the environment of an episode; one that has an argument `sandbox` is given that.

    Raises:
        ValueError: a class that is not there, has changed since the run began, cannot be made with these settings, or is no environment.
    """
    kind = ENVIRONMENTS[choice] if isinstance(choice, str) else load_object(choice.file, choice.name, choice.sha256)
    name = choice if isinstance(choice, str) else choice.title
    make = partial(kind, **settings)
    try:
        if "sandbox" in signature(kind).parameters:
            make = partial(make, sandbox=sandbox)
        one = make()
    except Exception as error:
        raise ValueError(f"{name} cannot be made with the settings {dict(settings)}: {told(error)}") from None
    method_tools(one)
    return make
