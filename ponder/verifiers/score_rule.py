"""The rule by which a task of several parts (tests, instructions) is scored."""

from ponder.tasks.task import Task


def scores_fraction(task: Task) -> bool:
    """Whether part of them gives part of the score: "score" in the task's metadata, "all" (the default) or "fraction".

    ValueError for a rule that there is not.
    """
    rule = task.metadata.get("score", "all")
    if rule not in ("all", "fraction"):
        raise ValueError(f"the score of a {task.verifier} task is {rule!r}; there are 'all' and 'fraction'")
    return rule == "fraction"
