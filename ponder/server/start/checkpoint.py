"""Which checkpoint is meant: the one place where a directory, a run or an id of the hub becomes the directory of a model."""

import os
from dataclasses import dataclass
from pathlib import Path

from ponder.model.directory import named_base, why_no_model
from ponder.model.hub import HubId, fetch, hub_id
from ponder.runs.run import Run


@dataclass(frozen=True)
class Checkpoint:
    """
    directory: of the checkpoint
    name: what it is called: the directory's name, the run's, or the hub's without the revision
    lasting: what names these very weights from now on: the directory as it was given, a run's checkpoint, the hub's id with
        its commit
    hub: the id of the hub with the commit, None where it is none
    """

    directory: Path
    name: str
    lasting: str
    hub: HubId | None = None


def find_checkpoint(given: str | Path, weights: bool = True) -> Checkpoint:
    """A checkpoint directory itself, a run's newest checkpoint, or a model of the hub, fetched into the hub's cache where
    that lacks it.

    Args:
        given: as people write it; what is there as a path is never looked for on the hub
        weights: of a model of the hub; without them its config, tokenizer and the like come alone
    Raises:
        ValueError: it is none of these, or no whole model in safetensors.
        OSError: the hub cannot be reached and the cache lacks it, a file arrived cut, or the disk is full.
    """
    if wanted := hub_id(given):
        directory = fetch(wanted, weights)
        commit = HubId(wanted.repo, directory.name)
        return Checkpoint(directory, wanted.repo, str(commit), commit)
    path = Path(given).expanduser()
    _fetch_base(path, weights)
    if why_no_model(path) is None:
        return Checkpoint(path, _called(path), str(given))
    if (path / "lineage.json").is_file():
        newest = Run.open(path).latest_checkpoint()
        if newest is None:
            raise ValueError(f"the run {path} has no checkpoint yet")
        return Checkpoint(newest, _called(path), str(newest))
    why = why_no_model(path)
    raise ValueError(
        f"{path} is neither a checkpoint (with a config.json) nor a run directory" + (f": {why}" if why else "")
    )


def _called(path: Path) -> str:
    """The last part of a path as it was given, links and all; of "." and "..", what they stand for."""
    return Path(os.path.abspath(path)).name


def _fetch_base(path: Path, weights: bool) -> None:
    """Of an adapter whose base is a model of the hub, that one."""
    named = named_base(path)
    if named and (wanted := hub_id(named[0])):
        fetch(HubId(wanted.repo, named[1] or wanted.revision), weights)
