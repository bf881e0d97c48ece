"""The error budget: how often a verifier may fail (error, timeout) before a run pauses instead of learning on.

The rule, for each verifier and stage: a run pauses when more than `error_budget` of the verifier's last WINDOW verdicts
failed (of all so far, while there are fewer), or most of those of a single step; but never for fewer than FEWEST
failures, so that one unlucky answer does not stop a long run.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ponder.runs.failures import Row, failure_row
from ponder.tasks.task import Task
from ponder.training.data import spread
from ponder.verifiers.compose import FORMS
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verification import shown_reference

WINDOW = 1_000  # verdicts; whole steps count, as many of the last ones as are needed to have so many
FEWEST = 3  # failures
MOST = 0.5  # share of a step's verdicts
ROWS_PER_STEP = 20  # failed verdicts of one verifier that are kept of a step
FAILED = ("error", "timeout")

Counts = dict[str, Counter]  # verifier: how many verdicts of each status
Recent = dict[str, list[list[int]]]  # verifier: [verdicts, failures] of each step in its window, oldest first


@dataclass(frozen=True)
class Overspent:
    """A verifier that has spent its budget: `failures` of `verdicts`, in this step or over its window."""

    verifier: str
    failures: int
    verdicts: int
    in_step: bool

    @property
    def share(self) -> float:
        return self.failures / self.verdicts

    def __str__(self) -> str:
        answers = f"{self.verdicts} answers of this step" if self.in_step else f"its last {self.verdicts} answers"
        return f"the verifier {self.verifier} failed on {self.failures} of {answers}"


class Judged(Protocol):
    """An answer with its verdict: a rollout, or the answer of a teacher. `text`: what was answered, for people."""

    @property
    def task(self) -> Task: ...

    @property
    def verdict(self) -> Verdict: ...

    @property
    def text(self) -> str: ...


class BudgetSpent(Exception):
    """Verifiers failed more often than the recipe tolerates; nothing was learned from the step."""

    def __init__(self, step: int, overspent: Sequence[Overspent]):
        super().__init__(f"step {step}: {'; '.join(map(str, overspent))}")
        self.step, self.overspent = step, overspent


def verdicts_of(task: Task, verdict: Verdict) -> list[tuple[str, Verdict]]:
    """(verifier, its verdict) for every verifier that had a say: one, or those that the task's reward composes.

    An answer that was cut off reaches no verifier; its verdict stands for the task's own.
    """
    composed = task.metadata.get("reward", "task") != "task"
    if not (composed and verdict.parts):
        return [(task.verifier, verdict)]
    found = []
    for part in verdict.parts:
        if part.name in FORMS:
            found += verdicts_of(task, part.verdict)
        else:
            found.append((task.verifier if part.name == "task" else part.name, part.verdict))
    return found


def count_verdicts(answers: Iterable[Judged]) -> Counts:
    counts: Counts = {}
    for answer in answers:
        for verifier, verdict in verdicts_of(answer.task, answer.verdict):
            if verdict.status != "truncated":  # no verifier saw it
                counts.setdefault(verifier, Counter())[verdict.status] += 1
    return counts


def part_metrics(answers: Iterable[Judged]) -> dict[str, float]:
    """Of composed rewards the mean score of each part, by verifier, over the answers that it gave a score."""
    scores: dict[str, list[float]] = {}
    for answer in answers:
        if not answer.verdict.parts or answer.task.metadata.get("reward", "task") == "task":
            continue
        for verifier, verdict in verdicts_of(answer.task, answer.verdict):
            if verdict.score is not None:
                scores.setdefault(verifier, []).append(verdict.score)
    return {f"part/{verifier}": sum(given) / len(given) for verifier, given in sorted(scores.items())}


def verifier_metrics(counts: Mapping[str, Counter]) -> dict[str, float]:
    """For each verifier the number of its verdicts in the step, and which share of them were errors and timeouts."""
    metrics: dict[str, float] = {}
    for verifier, statuses in sorted(counts.items()):
        metrics[f"verifier/{verifier}/verdicts"] = statuses.total()
        for status in FAILED:
            metrics[f"verifier/{verifier}/{status}"] = statuses[status] / statuses.total()
    return metrics


def extended(recent: Recent, counts: Mapping[str, Counter]) -> Recent:
    """The windows with one more step; what lies before the last WINDOW verdicts goes."""
    longer = dict(recent)
    for verifier, statuses in counts.items():
        steps = [*recent.get(verifier, []), [statuses.total(), failures(statuses)]]
        while sum(verdicts for verdicts, _ in steps[1:]) >= WINDOW:
            steps = steps[1:]
        longer[verifier] = steps
    return longer


def overspent(counts: Mapping[str, Counter], recent: Recent, budget: float) -> list[Overspent]:
    """The verifiers that have spent the budget in this step; `recent` holds the step already."""
    found = []
    for verifier, statuses in sorted(counts.items()):
        failed, total = failures(statuses), statuses.total()
        recent_total, recent_failed = (sum(numbers) for numbers in zip(*recent[verifier], strict=True))
        if exceeds(failed, total, max(budget, MOST)):
            found.append(Overspent(verifier, failed, total, in_step=True))
        elif failed and exceeds(recent_failed, recent_total, budget):
            found.append(Overspent(verifier, recent_failed, recent_total, in_step=False))
    return found


def exceeds(failed: int, verdicts: int, budget: float) -> bool:
    return failed >= FEWEST and failed > budget * verdicts


def failures(statuses: Mapping[str, int]) -> int:
    return sum(statuses.get(status, 0) for status in FAILED)


def failure_rows(answers: Iterable[Judged]) -> list[Row]:
    """Rows for verifier_errors.jsonl: of each verifier's failed verdicts at most ROWS_PER_STEP, evenly spread."""
    failed: dict[str, list[Row]] = {}
    for answer in answers:
        for verifier, verdict in verdicts_of(answer.task, answer.verdict):
            if verdict.failed:
                failed.setdefault(verifier, []).append(_row(answer, verifier, verdict))
    return [row for rows in failed.values() for row in spread(rows, ROWS_PER_STEP)]


def _row(answer: Judged, verifier: str, verdict: Verdict) -> Row:
    task = answer.task
    return failure_row(
        task_id=task.id,
        source=task.source,
        verifier=verifier,
        status=verdict.status,
        reason=verdict.reason,
        question=task.question,
        answer=answer.text,
        reference=json.dumps(shown_reference(task), ensure_ascii=False),
    )
