"""Which function judges a task, what it is given of task and response, and which content of its file is meant."""

import hashlib
from pathlib import Path
from typing import Any

from ponder.recipe.python_function import PythonFunction
from ponder.recipe.reward import Gate, Product, WeightedSum
from ponder.tasks.task import Task
from ponder.verifiers.verifier import Submission

KEY = "python"  # in a task's metadata: the function, as a text or as a recipe's {python: ..., sha256: ...}
# What a function may ask for, by the names of its parameters.
PARAMETERS = ("response", "reference", "task", "thinking", "tool_calls", "tokens")


def function_of(task: Task) -> PythonFunction:
    """The function that judges a task. ValueError where it names none, or not as FILE.py:FUNCTION."""
    given = task.metadata.get(KEY)
    if given is None:
        raise ValueError(f'the python verifier needs a function: metadata {{"{KEY}": "my_rewards.py:score"}}')
    return PythonFunction.model_validate(given if isinstance(given, dict) else {"python": given})


def arguments(submission: Submission) -> dict[str, Any]:
    """The values of PARAMETERS, as JSON can hold them."""
    task, response = submission.task, submission.response
    metadata = {key: value for key, value in task.metadata.items() if key not in (KEY, "reward", "row")}
    values = {
        "response": response.content,
        "reference": task.reference,
        "task": {
            "id": task.id,
            "question": task.question,
            "messages": list(task.messages),
            "domain": task.domain,
            "source": task.source,
            "tools": list(task.tools),
            "row": task.metadata.get("row", {}),
            "metadata": metadata,
        },
        "thinking": response.reasoning,
        "tool_calls": list(response.tool_calls),
        "tokens": response.tokens,
    }
    assert tuple(values) == PARAMETERS
    return values


def digest(file: str | Path) -> str:
    """The SHA-256 of a file, in hex digits. ValueError where it cannot be read."""
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None


def with_digests(reward: Any) -> Any:
    """A recipe's reward, or a source's verifier, with the content of each function's file noted where it is not yet.

    ValueError for a file that cannot be read.
    """
    match reward:
        case PythonFunction(sha256=None):
            return reward.model_copy(update={"sha256": digest(reward.file)})
        case Gate(gate=checks, then=then):
            noted = {"gate": [with_digests(check) for check in checks], "then": with_digests(then)}
            return reward.model_copy(update=noted)
        case Product(product=factors):
            return reward.model_copy(update={"product": [with_digests(factor) for factor in factors]})
        case WeightedSum(sum=shares):
            noted = [share.model_copy(update={"of": with_digests(share.of)}) for share in shares]
            return reward.model_copy(update={"sum": noted})
    return reward
