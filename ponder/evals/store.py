"""An evaluation as it lies on disk."""

from dataclasses import dataclass

from ponder.evals.records import Manifest, Problem, Sample


@dataclass(frozen=True)
class Evaluation:
    manifest: Manifest
    problems: list[Problem]
    samples: list[Sample]
