"""Bounds on words, characters and tokens. They never look at the task's own reference: bounds are given in the recipe."""

from ponder.recipe.reward import check_length_bounds
from ponder.tasks.task import Task
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict


def decide(task: Task, response: Response) -> Verdict:
    """Correct if words and characters of the answer, and tokens of the whole response, are within the bounds.

    Reference: {"min_words": 10, "max_tokens": 400, ...}, of ponder.recipe.reward.LENGTH_BOUNDS. ValueError for bounds
    on tokens where the response does not know how many it has.
    """
    check_length_bounds(task.reference)
    counts = {
        "words": len(response.content.split()),
        "characters": len(response.content),
        "tokens": response.tokens,
    }
    for bound, limit in task.reference.items():
        side, unit = bound.split("_")
        count = counts[unit]
        if count is None:
            raise ValueError(f"length: {bound} needs Response.tokens, which is not set")
        if count < limit if side == "min" else count > limit:
            asked = f"at {'least' if side == 'min' else 'most'} {limit:,}"
            return Verdict("wrong", 0.0, f"{count:,} {unit}, {asked} are asked for", f"{count} {unit}")
    return Verdict("correct", 1.0, "within the bounds")
