"""Files that a run's tasks and demonstrations are read from: where they lie, and whether they have changed since.

A run notes their content in its lineage. Which task comes when is a function of all rows, so whatever is changed,
appended or taken away gives other tasks from there on; the one who resumes is told, and goes on or puts the old file back.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ponder.recipe.schema import Recipe
from ponder.recipe.sources import EnvironmentSource, FileSource
from ponder.tasks.file_tasks import files_of

KEY = "data_files"  # in a run's lineage: the SHA-256 of each by its name
ABSENT = "absent"  # in place of the SHA-256 of a file that is not there
STARTED_IN = "directory"  # in a run's lineage: where it was started, which relative paths of its recipe begin at

Changes = dict[str, list[str]]  # {name: [SHA-256 when the run last went on, SHA-256 now]}


def data_files(recipe: Recipe, started_in: Path) -> dict[str, str]:
    """The SHA-256 of each file by its name, without `started_in` where a path begins so. ValueError for one
    that is not there or cannot be read."""
    found = {}
    for path, _ in _paths(recipe):
        for file in files_of(path):
            found[_name(file, started_in)] = _digest(file)
    return found


def changed_data(lineage: Mapping[str, Any], recipe: Recipe) -> Changes:
    """The files that differ from what the run noted; none of a run that noted nothing. ValueError as in `data_files`."""
    if KEY not in lineage:
        return {}
    known = dict(lineage[KEY])
    for resumption in lineage.get("resumed", []):
        noted = resumption.get("changed", {})
        known |= {key.removeprefix(f"{KEY}/"): now for key, (_, now) in noted.items() if key.startswith(f"{KEY}/")}
    now = data_files(recipe, Path(lineage[STARTED_IN]))
    both = {name: [known.get(name, ABSENT), now.get(name, ABSENT)] for name in {**known, **now}}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


def noted(changes: Changes) -> Changes:
    """As a lineage notes them beside other changes."""
    return {f"{KEY}/{name}": pair for name, pair in changes.items()}


def concerns_held_out(changes: Changes, recipe: Recipe, started_in: Path) -> bool:
    """Whether held-out tasks may be others now: a file that changed is one that they come from, or is gone."""
    files = {_name(file, started_in) for path, held_out in _paths(recipe) if held_out for file in files_of(path)}
    return any(name in files or now == ABSENT for name, (_, now) in changes.items())


def told(changes: Changes) -> list[str]:
    """What to say of them to people."""
    if not changes:
        return []
    lines = []
    for name, (before, now) in changes.items():
        if ABSENT in (before, now):
            lines.append(f"{name} {'is new: it was not read before' if before == ABSENT else 'is no longer read'}")
        else:
            lines.append(f"{name} has changed (sha256 {before[:12]}..., now {now[:12]}...)")
    return [
        *lines,
        "The data is read as it is now: other tasks come from here on, and not those that the run would have seen. To go "
        "on with these, stop it (Ctrl+C), put the old files back and resume again",
    ]


def located(recipe: Recipe, started_in: Path | None) -> Recipe:
    """The recipe with relative paths of data files as they are, where they lead to a file from here, else as seen from
    where the run was started."""
    if started_in is None or started_in == Path.cwd():
        return recipe
    sources = {name: _moved(source, "path", started_in) for name, source in recipe.sources.items()}
    stages = []
    for stage in recipe.stages:
        demonstrations = getattr(stage, "demonstrations", None)
        if demonstrations is not None:
            stage = stage.model_copy(update={"demonstrations": _moved(demonstrations, "path", started_in)})
        preferences = getattr(stage, "preferences", None)
        if preferences is not None:
            moved = _moved(_moved(preferences, "path", started_in), "test", started_in)
            stage = stage.model_copy(update={"preferences": moved})
        stages.append(stage)
    return recipe.model_copy(update={"sources": sources, "stages": stages})


def _moved(model: Any, field: str, started_in: Path) -> Any:
    paths = getattr(model, field, None)
    if paths is None:
        return model
    moved = [_seen_from(path, started_in) for path in ([paths] if isinstance(paths, str) else paths)]
    return model.model_copy(update={field: moved[0] if isinstance(paths, str) else moved})


def _seen_from(path: str, started_in: Path) -> str:
    there = started_in / Path(path).expanduser()
    return path if _leads_somewhere(path) or not _leads_somewhere(str(there)) else str(there)


def _leads_somewhere(path: str) -> bool:
    try:
        files_of(path)
    except ValueError:
        return False
    return True


def _paths(recipe: Recipe) -> Iterator[tuple[str | list[str], bool]]:
    """What the recipe names, and whether held-out tasks come from there."""
    for source in recipe.sources.values():
        if isinstance(source, FileSource | EnvironmentSource) and source.path is not None:
            yield source.path, source.part != "train"
    for stage in recipe.stages:
        demonstrations = getattr(stage, "demonstrations", None)
        if demonstrations is not None and demonstrations.path:
            yield demonstrations.path, False
        preferences = getattr(stage, "preferences", None)
        for path in (preferences.path, preferences.test) if preferences is not None else ():
            if path:
                yield path, False


def _name(file: Path, started_in: Path) -> str:
    """The same in a copy of the directory, and seen from elsewhere."""
    return str(file.relative_to(started_in) if file.is_relative_to(started_in) else file)


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
