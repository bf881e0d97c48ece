"""Where a checkpoint comes from: the runs that led to it, the data that these learned from, the model that they began at.

Taken from recipes and lineages, which a run keeps. What only people know (licences, data that no recipe names) is `Stated`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from ponder.evals.release.licences import licence_of
from ponder.model.directory import HUB_ID, named_base
from ponder.recipe.load import load_recipe
from ponder.recipe.schema import Recipe
from ponder.recipe.sources import FileSource, GymSource, HubSource, ProgramsSource
from ponder.runs.places import is_run
from ponder.runs.run import Run

MADE = "generated, apache-2.0"  # what procedures of packages under that licence write
MOST_RUNS = 16  # that are followed back
_HOME = re.compile(r"/home/[^/\s'\"]+(?=/)|/root(?=/)|/Users/[^/\s'\"]+(?=/)")


@dataclass(frozen=True)
class Stated:
    """What people say of a release.

    license, base_license: identifiers of the hub or SPDX's; base: the model that training started from, an id of the hub or words
    data: {source: its licence}; note: on the data, in words
    """

    license: str | None = None
    base: str | None = None
    base_license: str | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True)
class Provenance:
    """
    license: as the hub writes it, "" where none is stated
    base, base_license, data, hub_data, data_files: as in `card.Release`
    runs: that led to the checkpoint, the newest first
    of_license, of_data, of_base: complaints, each with what to write
    """

    license: str
    base: str | None
    base_license: str | None
    data: dict[str, str]
    hub_data: tuple[str, ...]
    data_files: dict[str, str]
    runs: tuple[Run, ...]
    of_license: tuple[str, ...]
    of_data: tuple[str, ...]
    of_base: tuple[str, ...]


def run_of(checkpoint: Path) -> Run | None:
    """The run that a checkpoint lies in; None where it lies in none."""
    place = checkpoint.resolve()
    return Run.open(place.parent.parent) if place.parent.name == "checkpoints" and is_run(place.parent.parent) else None


def provenance(checkpoint: Path, stated: Stated, card_license: str | None, card_tells: bool) -> Provenance:
    """
    Args:
        card_license: what the checkpoint's own README.md says, None without one
        card_tells: whether that README.md says what the data was
    """
    runs = tuple(_runs(checkpoint))
    of_data: list[str] = []
    data, hub_data = _data(runs, stated, of_data)
    if not runs and not data and not stated.note and not card_tells:
        of_data.append(
            f"{checkpoint} lies in no run, so nobody knows what it was trained on: say it with --data-note TEXT, or "
            "--data SOURCE=LICENCE for each source"
        )
    base, base_license, of_base = _base(checkpoint, runs, stated)
    license, of_license = _license(stated, card_license)
    files = {_shown(name): digest for run in runs for name, digest in run.lineage.get("data_files", {}).items()}
    return Provenance(
        license, base, base_license, data, hub_data, files, runs, tuple(of_license), tuple(of_data), tuple(of_base)
    )


def without_homes(text: str) -> str:
    """Paths of recipes without the name of whose home directory they lie in."""
    return _HOME.sub("~", text)


def _runs(checkpoint: Path) -> Iterator[Run]:
    """The run of the checkpoint, that of the model which that one began at, and so on, as far as they are there."""
    run, seen = run_of(checkpoint), set()
    while run is not None and run.path not in seen and len(seen) < MOST_RUNS:
        yield run
        seen.add(run.path)
        parent = run.lineage.get("parent") or {}
        run = run_of(_parent_path(run, parent)) if isinstance(parent.get("path"), str) else None


def _parent_path(run: Run, parent: Mapping[str, Any]) -> Path:
    return Path(run.lineage.get("directory", "."), Path(parent["path"]).expanduser())


def _data(runs: tuple[Run, ...], stated: Stated, complaints: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Every source with its licence, and the data sets of the hub; what lacks a licence is complained about."""
    found: dict[str, str | None] = {}
    of_hub: dict[str, None] = {}
    for run in runs:
        try:
            recipe = load_recipe(run.path / "recipe.yaml")
        except ValueError as error:
            if not stated.note:
                said = str(error).splitlines()
                complaints.append(
                    f"the recipe of {run.path} cannot be read by this version ({said[0]}), so say what it trained on: "
                    "--data-note TEXT"
                )
            continue
        for source, licence, hub in _sources(recipe):
            found[source] = found.get(source) or licence
            if hub:
                of_hub[source] = None
    unknown = [source for source, licence in found.items() if licence is None and source not in stated.data]
    if unknown:
        wanted = " ".join(f"--data {source}=LICENCE" for source in unknown)
        complaints.append(
            f"the licence of the training data is not stated: {wanted} (where nobody knows it, write unknown: then the card "
            "says so)"
        )
    data = {source: stated.data.get(source) or licence or "unknown" for source, licence in found.items()}
    return data | {source: licence for source, licence in stated.data.items() if source not in data}, tuple(of_hub)


def _sources(recipe: Recipe) -> Iterator[tuple[str, str | None, bool]]:
    """(what it is called, its licence where the source says it, whether it is a data set of the hub)"""
    for source in recipe.sources.values():
        match source:
            case GymSource():
                yield f"reasoning-gym {source.family}", MADE, False
            case ProgramsSource():
                yield "Ponder's small programs", MADE, False
            case FileSource():
                for path in _listed(source.path):
                    yield _shown(path), None, False
            case HubSource():
                local = HUB_ID.fullmatch(source.name) is None or Path(source.name).exists()
                yield _shown(source.name), None, not local
    for stage in recipe.stages:
        demonstrations = getattr(stage, "demonstrations", None)
        if demonstrations is None:
            continue
        for path in _listed(demonstrations.path or []):
            yield _shown(path), None, False
        for procedure in ("columns", "programs"):
            if getattr(demonstrations, procedure, None) is not None:
                yield f"Ponder's worked examples ({procedure})", MADE, False


def _listed(paths: str | list[str]) -> list[str]:
    return [paths] if isinstance(paths, str) else paths


def _shown(path: str) -> str:
    """A file by its name where the path is one of somebody's machine."""
    return PurePath(path).name if path.startswith(("/", "~", "..")) else path


def _base(checkpoint: Path, runs: tuple[Run, ...], stated: Stated) -> tuple[str | None, str | None, list[str]]:
    """The model that the first of the runs began at, its licence, and complaints."""
    base, complaints = stated.base or _first(checkpoint, runs), []
    parent = (runs[-1].lineage.get("parent") or {}) if runs else {}
    if base is None and (parent or named_base(checkpoint)):
        where = parent.get("path") or (named_base(checkpoint) or ("?",))[0]
        complaints.append(
            f"training started from the model at {where}, and a path means nothing elsewhere: name it as others find it, "
            "--base OWNER/NAME"
        )
    elif named_base(checkpoint) and not HUB_ID.fullmatch(base or ""):
        complaints.append(f"an adapter alone is of use only where its base is found: --base OWNER/NAME, not {base!r}")
    licence = None
    if stated.base_license:
        try:
            licence = licence_of(stated.base_license)
        except ValueError as error:
            licence = stated.base_license
            complaints.append(f"--base-license: {error}")
    elif base is not None or complaints:
        complaints.append(
            f"the licence of the model that training started from is not stated: --base-license SPDX{_of(base)}"
        )
    return base, licence, complaints


def _of(base: str | None) -> str:
    return f" (that of {base}, as its page says)" if base else ""


def _first(checkpoint: Path, runs: tuple[Run, ...]) -> str | None:
    """An id of the hub with its commit, where a lineage or an adapter says one."""
    hub = (runs[-1].lineage.get("parent") or {}).get("hub") if runs else None
    if hub:
        return hub
    named = named_base(checkpoint)
    if named and HUB_ID.fullmatch(named[0]) and not Path(named[0]).exists():
        return f"{named[0]}@{named[1]}" if named[1] and "@" not in named[0] else named[0]
    return None


def _license(stated: Stated, of_card: str | None) -> tuple[str, list[str]]:
    given = stated.license or of_card
    if not given:
        return "", [
            "no licence is stated: --license SPDX, such as --license apache-2.0 (the base model's may bind yours)"
        ]
    if given == of_card and given == "other":  # with a name and a link, which the card's check looks for
        return given, []
    try:
        name = licence_of(given)
    except ValueError as error:
        return "", [str(error)]
    if of_card and of_card != name:
        return name, [f"--license says {name} and the checkpoint's README.md {of_card}: change one of them"]
    return name, []
