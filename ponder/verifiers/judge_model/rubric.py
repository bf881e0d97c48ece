"""What a judge is asked of a task, which items of its rubric a step asks, and the verdict that its grades make."""

import json
from collections.abc import Mapping, Sequence
from math import nextafter

from ponder.recipe.judge import JudgedBy, RubricItem
from ponder.tasks.task import Task
from ponder.verifiers.judge_model.answers import BEST
from ponder.verifiers.verdict import Part, Verdict

KEY = "judge"  # in a task's metadata: the judge's name, the rubric and the mode, as a recipe has them


def asked_of_judge(task: Task) -> JudgedBy:
    """ValueError for a task that names no judge, or has nothing to compare with where answers are compared."""
    given = task.metadata.get(KEY)
    if given is None:
        raise ValueError(
            'the judge verifier needs a judge and a rubric: metadata {"judge": {"judge": ..., "rubric": [...]}}'
        )
    asked = JudgedBy.model_validate(given)
    if asked.mode == "pairwise" and reference_text(task) is None:
        raise ValueError("a pairwise judge compares answers with the task's reference, a text, and there is none")
    return asked


def reference_text(task: Task) -> str | None:
    """The task's reference as a judge can read it; None where it is none, or nothing for readers."""
    reference = task.reference
    if isinstance(reference, str):
        return reference if reference.strip() else None
    return str(reference) if isinstance(reference, int | float) and not isinstance(reference, bool) else None


def items_asked(rubric: Sequence[RubricItem], drop: float, draw: int | None) -> list[RubricItem]:
    """The items that are asked where `draw` is the counted key of the step; all of them for None. Never none: where all
    would be left out, the one stays that was nearest to staying."""
    if draw is None or not drop:
        return list(rubric)
    from ponder.engine.counting import key  # NumPy comes with it, which worker processes of verifiers do without

    drawn = {item.name: key(draw, "rubric", item.name) / 2**64 for item in rubric}
    kept = [item for item in rubric if drawn[item.name] >= drop]
    return kept or [max(rubric, key=lambda item: drawn[item.name])]


def pointwise_verdict(items: Sequence[RubricItem], grades: Mapping[str, float], judge: str, said: str) -> Verdict:
    """The mean of the grades by weight, in [0, 1]; each item is a part."""
    total = sum(item.weight for item in items)
    parts = tuple(
        Part(item.name, _scored(grades[item.name] / BEST, f"{grades[item.name]:g} of {BEST}"), item.weight / total)
        for item in items
    )
    best = all(part.verdict.score == 1.0 for part in parts)
    mean = sum(part.weight * part.verdict.score for part in parts)
    score = 1.0 if best else min(mean, nextafter(1.0, 0.0))  # the weights may add up to a little more than 1
    listed = ", ".join(f"{name} {grade:g}" for name, grade in grades.items())
    reason = f"{score:.2f} by {judge}: {listed} (of {BEST}){said}"
    verdict = _scored(score, reason)
    return Verdict(verdict.status, verdict.score, reason, json.dumps(grades), parts=parts)


def pairwise_verdict(preferred: Sequence[str], judge: str, reference: str | None) -> Verdict:
    """`preferred`: "answer", "reference" or "tie", of each order. What the orders do not agree on is a tie."""
    first, second = preferred
    if first != second:
        reason = f"a tie by {judge}: {first} in one order, {second} in the other"
        return Verdict("wrong", 0.5, reason, json.dumps(list(preferred)), reference)
    score = {"answer": 1.0, "tie": 0.5, "reference": 0.0}[first]
    said = {"answer": "better than the reference", "tie": "a tie", "reference": "worse than the reference"}[first]
    verdict = _scored(score, f"{said} by {judge}, in both orders")
    return Verdict(verdict.status, score, verdict.reason, json.dumps(list(preferred)), reference)


def _scored(score: float, reason: str) -> Verdict:
    return Verdict("correct" if score == 1.0 else "wrong", score, reason)
