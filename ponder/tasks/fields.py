"""Fields of a row, by name or by a path into nested ones: `answer`, `reward_model.ground_truth`, `solutions.0.text`."""

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]


def field(row: Row, path: str, place: str) -> Any:
    """The value at `path`: a field of just this name, or else the steps between the dots, names of objects and numbers
    of items in lists, from 0. ValueError that begins with `place` and says what there is instead."""
    value, fault = _walk(row, path)
    if fault:
        raise ValueError(f"{place}: no field {path!r}; {fault}")
    return value


def has_field(row: Row, path: str) -> bool:
    """Whether there is a value at `path`; None is one."""
    return not _walk(row, path)[1]


def field_or_none(row: Row, path: str) -> Any:
    """The value at `path`, None where there is none."""
    return _walk(row, path)[0]


def what_there_is(row: Row, path: str) -> str:
    """Of a `path` that leads nowhere, the names at the place where it ends."""
    return _walk(row, path)[1]


def _walk(row: Row, path: str) -> tuple[Any, str]:
    """The value, and what is wrong with the path, "" where nothing is."""
    if path in row:
        return row[path], ""
    value: Any = row
    inside = "the row"
    for step in path.replace("[", ".").replace("]", "").split("."):
        match value:
            case Mapping() if step in value:
                value = value[step]
            case Mapping():
                return None, f"{inside} has {', '.join(sorted(map(str, value))) or 'no fields'}"
            case list() if step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            case list():
                return None, f"{inside} is a list of {len(value)}, which has no item {step!r}"
            case _:
                return None, f"{inside} is {'empty' if value is None else type(value).__name__}, and has no fields"
        inside = step if inside == "the row" else f"{inside}.{step}"
    return value, ""
