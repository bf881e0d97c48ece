"""A run that pauses itself: it has saved what it can, and says what happened and how to go on."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

from ponder.recipe.stages import DemonstratingStage, RlStage, StageBase
from ponder.runs.failures import FAILURES_FILE
from ponder.runs.run import Run, place_of
from ponder.training.error_budget import MOST, BudgetSpent

SHOWN = 5  # samples


class Paused(Exception):
    """Training stopped of its own accord; the run can be resumed once what `str()` says has been seen to.

    `samples` are rows of verifier_errors.jsonl, `ways` say how to go on, one a line.
    """

    def __init__(self, what: str, ways: list[str], samples: list[dict[str, Any]] | None = None):
        super().__init__(what)
        self.ways, self.samples = ways, samples or []


def budget_spent(run: Run, stage: RlStage | DemonstratingStage, spent: BudgetSpent, deadline_s: float) -> Paused:
    """The pause of a run whose last finished step, the one before `spent.step`, has been saved.

    `deadline_s`: what a verdict may take in this run, of which the stage's own `verify_timeout` may be less.
    """
    names = [o.verifier for o in spent.overspent]
    rows = [row for row in run.failures() if row["verifier"] in names and row["during"] == "training"]
    samples = varied(rows)[:SHOWN]
    resume = f"ponder resume {run.path}"
    setting = f"stages.{stage.name}"
    ways = [
        f"All samples: {run.path / FAILURES_FILE}",
        f"Mend the verifier, what it runs on, or the tasks; then: {resume}",
    ]
    if any(row["status"] == "timeout" for row in samples):
        ways.append(f"Or give it more time: {resume} --set {setting}.verify_timeout={2 * deadline_s:g}")
    if all(not o.in_step for o in spent.overspent):  # where most fail, there would be nothing to learn from
        raised = enough_budget(max(o.share for o in spent.overspent))
        ways.append(f"Or go on with so many failures: {resume} --set {setting}.error_budget={raised:g}")
    what = (
        f"{stage.name} step {spent.step}: {'; '.join(map(str, spent.overspent))}, more than {setting}.error_budget "
        f"({stage.error_budget:g}) allows. Nothing was learned from the step, and all before it is saved."
    )
    return Paused(what, ways, samples)


def varied(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, newest first, but one of each task before a second of any."""
    seen: Counter = Counter()
    turns = []
    for row in reversed(rows):
        seen[row["task_id"]] += 1
        turns.append((seen[row["task_id"]], row))
    return [row for _, row in sorted(turns, key=lambda turn: turn[0])]


def enough_budget(share: float) -> float:
    """A budget that the share does not exceed, nor a somewhat larger one: twice as much, to the next whole percent."""
    return min(MOST, math.ceil(200 * share) / 100)


def not_finite(run: Run, stage: StageBase, step: int, error: FloatingPointError) -> Paused:
    """The pause at a gradient that is not finite at this step, or a model that is not after it. Nothing is saved: a checkpoint
    from just before it would meet the same again, while settings can still change the way there from an earlier one."""
    checkpoint = run.latest_checkpoint()
    half, floor = stage.optimizer.lr / 2, stage.optimizer.min_lr
    halved = f"--set stages.{stage.name}.optimizer.lr={half:g}"
    if floor is not None and floor > half:
        halved += f" --set stages.{stage.name}.optimizer.min_lr={half:g}"
    ways = [f"Try gentler steps from the last checkpoint, {checkpoint.name}: ponder resume {run.path} {halved}"]
    if place_of(checkpoint) == (stage.name, step - 1) or step == 1:
        ways.append(
            f"That is the state just before this step, which may meet the same again: to go further back, move "
            f"{checkpoint} out of its directory first"
        )
    return Paused(f"{stage.name} step {step}: {error}", ways)


def teacher_gone(run: Run, stage: StageBase, step: int, error: ConnectionError) -> Paused:
    """The pause of a stage whose teacher's server has stopped answering. All answers so far are kept and not asked for again."""
    ways = [f"Start the teacher again, where it was; then: ponder resume {run.path}"]
    return Paused(f"{stage.name} step {step}: {str(error).partition('. What was answered')[0]}", ways)


def is_saved(run: Run, stage: str, step: int) -> bool:
    """Whether a checkpoint holds the state after this step."""
    latest: Path | None = run.latest_checkpoint()
    return latest is not None and (step == 0 or place_of(latest) == (stage, step))
