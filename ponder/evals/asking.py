"""What an evaluation asks of a model, whatever engine or server answers."""

from dataclasses import dataclass
from typing import Protocol

from ponder.evals.protocol import Sampling
from ponder.verifiers.response import Response


@dataclass(frozen=True)
class Question:
    """One sample that is wanted. `budget`: most tokens of thought, None without a bound."""

    messages: tuple[dict, ...]
    sampling: Sampling
    seed: int
    tools: tuple[dict, ...] = ()
    budget: int | None = None


@dataclass(frozen=True)
class Reply:
    """What came back. Tokens are None where a server does not count them."""

    response: Response
    finish_reason: str
    prompt_tokens: int | None
    tokens: int | None
    reasoning_tokens: int | None


class NoReply(RuntimeError):
    """Nothing was answered, and why; no fault of the model's, so it is no wrong answer."""


class Answerer(Protocol):
    """`concurrent`: how many questions it likes to have at a time."""

    concurrent: int

    async def answer(self, question: Question) -> Reply:
        """
        Raises:
            NoReply: the engine or server has failed, or refuses the question.
        """
        ...

    async def close(self) -> None: ...


def refuse_too_long(name: str, max_tokens: int, longest: int) -> None:
    """ValueError where a context of `longest` tokens cannot hold the answers that a protocol allows."""
    if max_tokens >= longest:
        raise ValueError(
            f"{name} allows answers of {max_tokens} tokens, and this model's context is {longest}: say "
            f"--max-tokens {longest // 2} (it will stand beside the number), or --protocol greedy"
        )
