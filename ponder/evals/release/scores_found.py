"""The evaluations of a checkpoint: those that are named, and those that lie about and measured these very weights."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ponder.evals.release.checks import Check
from ponder.evals.store import MANIFEST, Evaluation, read
from ponder.runs.lineage import fingerprint

DEFAULT = Path("evals")  # where `ponder eval` keeps them


def evaluations_of(checkpoint: Path, given: Sequence[Path], run: Path | None) -> tuple[list[Evaluation], Check]:
    """
    Args:
        given: directories of evaluations; without one, those in ./evals and in the run's evals that measured the checkpoint
    """
    weights = fingerprint(checkpoint)
    complaints, found, remarks = [], [], []
    for directory in given or _lying_about(weights, [DEFAULT, *([run / "evals"] if run else [])]):
        try:
            evaluation = read(directory)
        except ValueError as error:
            complaints.append(str(error))
            continue
        model = evaluation.manifest.model
        if model.get("weights") is None:
            remarks.append(f"{directory} asked a server, whose weights nobody can compare with these")
        elif model["weights"] != weights:
            complaints.append(
                f"{directory} measured other weights than these ({model.get('at')}): evaluate this checkpoint, or leave it out"
            )
            continue
        found.append(evaluation)
    if complaints:
        return found, Check("scores", "failed", "; ".join(complaints))
    if not found:
        return found, Check(
            "scores", "not checked", "no evaluation of these weights: ponder eval makes one, --eval DIR names it"
        )
    names = ", ".join(asked.name for evaluation in found for asked in evaluation.manifest.benchmarks.values())
    return found, Check("scores", "passed", "; ".join([names, *remarks]))


def _lying_about(weights: str, places: Sequence[Path]) -> Iterator[Path]:
    """Directories of evaluations of these weights."""
    for place in places:
        for path in sorted(place.glob(f"*/{MANIFEST}")):
            try:
                model = json.loads(path.read_text(encoding="utf-8"))["model"]
                same = model["weights"] == weights
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not one of ours, or one of a server
            if same:
                yield path.parent
