"""What may be changed in a run on its way: ponder resume RUN --set stages.math.error_budget=0.05"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from ponder.recipe.schema import Recipe

# Settings that what has been learned so far does not depend on, or that one changes because training went wrong.
CHANGEABLE = ("trackers", "sandbox.*", "stages.*.error_budget", "stages.*.verify_timeout", "stages.*.optimizer.*")


def changed_fields(before: Recipe, after: Recipe) -> dict[str, list[Any]]:
    """{path of a field: [value before, value after]} for those that differ.

    Raises:
        ValueError: one of them cannot be changed in the middle of a run.
    """
    old, new = dict(_fields(before.model_dump(mode="json"))), dict(_fields(after.model_dump(mode="json")))
    changed = {path: [old.get(path), new.get(path)] for path in {**old, **new} if old.get(path) != new.get(path)}
    for path in changed:
        if not any(fnmatchcase(path, pattern) for pattern in CHANGEABLE):
            raise ValueError(
                f"--set {path}: this cannot be changed in a run that has begun; what can: {', '.join(CHANGEABLE)}. "
                "For anything else start another run, with ponder train"
            )
    return changed


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of everything that is no mapping, nor a list of things with names."""
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        value = {item["name"]: item for item in value}
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for key, inner in value.items():
        yield from _fields(inner, f"{path}.{key}" if path else str(key))
