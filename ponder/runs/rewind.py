"""Going back to a checkpoint: what a run holds of later steps is dropped, so that a resumed run has no row twice."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ponder.runs.benchmarks import read_results
from ponder.runs.failures import FAILURES_FILE, read_failures, write_failures
from ponder.runs.metrics import MetricsLog, read_rows
from ponder.runs.places import BIRTH, place_of, rollout_files, rollout_place
from ponder.runs.results import EvalResult

IsLater = Callable[[str, int], bool]  # whether a (stage, step) comes after the checkpoint


@dataclass(frozen=True)
class Rewound:
    """What `Run.rewind` dropped because it lay after the checkpoint. `str()` says it in words."""

    metric_rows: int
    rollout_files: int
    evals: int
    failures: int
    half_line: bool

    def __str__(self) -> str:
        parts = [
            f"{count} {noun}{'' if count == 1 else 's'}"
            for count, noun in [
                (self.metric_rows, "step"),
                (self.rollout_files, "rollout file"),
                (self.evals, "evaluation"),
                (self.failures, "failed verdict"),
            ]
            if count
        ]
        if self.half_line:
            parts.append("the half-written last line of metrics.jsonl")
        return f"dropped {', '.join(parts)} after the checkpoint" if parts else "nothing lay after the checkpoint"


def later_than(stage: str, step: int, stage_order: Sequence[str], run: Path) -> IsLater:
    """Whether a place comes after (`stage`, `step`). It raises ValueError for a stage that is not in `stage_order`."""
    order = {BIRTH: -1, **{name: index for index, name in enumerate(stage_order)}}

    def is_later(other_stage: str, other_step: int) -> bool:
        if other_stage not in order:
            raise ValueError(
                f"{run} holds steps of the stage {other_stage!r}, but the recipe has only "
                f"{', '.join(stage_order)}. Resume with the recipe that made the run."
            )
        return (order[other_stage], other_step) > (order[stage], step)

    return is_later


def drop_later(
    run: Path, log: MetricsLog, evals: Sequence[Path], benchmarks: Sequence[Path], is_later: IsLater
) -> Rewound:
    """Drop metrics, rollouts, evaluations (`evals`: their files, and the directories of `benchmarks`, in the order of
    training) and failed verdicts that are later. Nothing is changed if one has a stage that `is_later` refuses."""
    rows, half_line = read_rows(log.path)
    kept = [row for row in rows if not is_later(row["stage"], row["step"])]
    rollouts = [path for path in rollout_files(run) if is_later(*rollout_place(path))]
    late_evals = [path for path in evals if is_later(*place_of(path))]
    kept_evals = [
        EvalResult.from_dict(json.loads(path.read_bytes()), str(path)) for path in evals if path not in late_evals
    ]
    late_benchmarks = [path for path in benchmarks if is_later(*place_of(path))]
    kept_benchmarks = [result for path in benchmarks if path not in late_benchmarks for result in read_results(path)]
    failures = read_failures(run / FAILURES_FILE)
    kept_failures = [row for row in failures if not is_later(row["stage"], row["step"])]

    log.rewrite(kept, [*kept_evals, *(result for result in kept_benchmarks if result.metrics())])
    for path in late_benchmarks:
        shutil.rmtree(path)
    for path in [*rollouts, *late_evals]:
        path.unlink()
    if len(kept_failures) < len(failures):
        write_failures(run / FAILURES_FILE, kept_failures)
    return Rewound(
        len(rows) - len(kept),
        len(rollouts),
        len(late_evals) + len(late_benchmarks),
        len(failures) - len(kept_failures),
        half_line,
    )
