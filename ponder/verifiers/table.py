"""The verifiers by name."""

from ponder.tasks.suggest import unknown_name
from ponder.verifiers import (
    choice,
    code,
    environment,
    format,
    function_calls,
    gym,
    instructions,
    judge_model,
    length,
    math,
    python,
    reward_model,
)
from ponder.verifiers.verifier import Verifier

# The names are those of ponder.recipe.reward.VerifierName.
VERIFIERS: dict[str, Verifier] = {
    "math": math.VERIFIER,
    "choice": choice.VERIFIER,
    "instructions": instructions.VERIFIER,
    "function_calls": function_calls.VERIFIER,
    "code": code.VERIFIER,
    "reasoning_gym": gym.VERIFIER,
    "format": format.VERIFIER,
    "length": length.VERIFIER,
    "python": python.VERIFIER,
    "environment": environment.VERIFIER,
    "judge": judge_model.VERIFIER,
    "reward_model": reward_model.VERIFIER,
}


def known_verifier(name: str) -> str:
    """The name itself. ValueError for a verifier that there is not."""
    if name not in VERIFIERS:
        raise ValueError(unknown_name("verifier", name, VERIFIERS))
    return name
