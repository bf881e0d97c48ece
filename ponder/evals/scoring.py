"""How stored answers are judged a second way."""

from dataclasses import replace

from ponder.tasks.task import Task


def loosely(task: Task) -> Task:
    """An instructions task judged loosely: any of IFEval's eight variants of the answer will do. Benchmarks show this
    score beside the strict one, for the same answers. ValueError for another kind of task."""
    if not isinstance(task.reference, dict) or "instruction_id_list" not in task.reference:
        raise ValueError(f"only instructions are judged loosely, and this task is for the verifier {task.verifier}")
    return replace(task, reference=task.reference | {"mode": "loose"})
