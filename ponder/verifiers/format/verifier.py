"""The form of a response: free of what belongs to the chat form; with or without thinking, as the recipe asks."""

import re

from ponder.recipe.reward import check_format_settings
from ponder.tasks.task import Task
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict

# What belongs to the chat form and never to an answer. Tool calls that are whole have been taken out by the parser.
STRAY = re.compile(r"</?(?:think|thinking|tool_call|tool_response)>|<\|(?:im_start|im_end|endoftext)\|>", re.IGNORECASE)


def decide(task: Task, response: Response) -> Verdict:
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
