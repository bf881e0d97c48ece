"""Gates: whether a response has the right form and length, whatever it answers. To be put before a verifier.

They never look at the task's reference; what they take is given in the recipe (ponder.recipe.reward).
"""

import re

from ponder.recipe.reward import check_format_settings, check_length_bounds
from ponder.tasks.task import Task
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict

# What belongs to the chat form and never to an answer. Tool calls that are whole have been taken out by the parser.
STRAY = re.compile(r"</?(?:think|thinking|tool_call|tool_response)>|<\|(?:im_start|im_end|endoftext)\|>", re.IGNORECASE)


def decide_format(task: Task, response: Response) -> Verdict:
    """Correct if the answer is free of stray tags. Reference: None, or {"thinking": bool}, whether it must have thought.

    That the thinking was closed and something follows it has been seen to for all verifiers.
    """
    check_format_settings(task.reference)
    for name, text in (("answer", response.content), ("thinking", response.reasoning)):
        if stray := STRAY.search(text):
            return Verdict("wrong", 0.0, f"{stray[0]} stands in the {name}")
    thinking = (task.reference or {}).get("thinking")
    if thinking is not None and thinking != bool(response.reasoning.strip()):
        return Verdict("wrong", 0.0, "there is no thinking" if thinking else "there is thinking where none may be")
    return Verdict("correct", 1.0, "in good form")


def decide_length(task: Task, response: Response) -> Verdict:
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
