"""The verifiers as rewards of PrimeIntellect's `verifiers`: its tasks (0.4 and later), and the rubrics before them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ponder.verifiers.adapters.rollouts import NoScoreError, response_from, score_of, task_from
from ponder.verifiers.api import shared_verification
from ponder.verifiers.table import known_verifier

if TYPE_CHECKING:
    from verifiers.v1 import Trace


async def score(
    verifier: str, trace: "Trace", reference: Any, prompt_opens_thinking: bool = False, **row: Any
) -> float:
    """The score of a rollout's last reply, to return from a task's `@vf.reward` method. It does not block the loop.

    `row` may give `tools`, `choices` and `metadata`. A rollout that ran into a limit is `truncated`, and scores 0.
    NoScoreError where the verifier itself failed or ran out of time: it becomes the trace's error, `trace.ok` is
    False, and trainers leave the rollout out. ValueError for an unknown verifier.
    """
    last = trace.assistant_messages[-1].model_dump() if trace.assistant_messages else {}
    response = response_from({**last, "content": trace.last_reply}, prompt_opens_thinking, trace.is_truncated)
    task = task_from(known_verifier(verifier), reference, row)
    return score_of(await shared_verification().verify(task, response))


def rubric_function(
    verifier: str, reference: str = "answer", prompt_opens_thinking: bool = False
) -> Callable[..., Awaitable[float]]:
    """A reward function for `Rubric(funcs=[...])` of verifiers 0.3 and earlier. It does not block the event loop.

    `reference` names the column that the verifier compares with, `info` may hold `tools`, `choices` and `metadata`.
    A Rubric takes whatever a function raises for a score of 0. So that a failure of the verifier can be told from
    a wrong answer it is written to `state["error"]` too, and trainers must leave out the rollouts that have one.
    ValueError for an unknown verifier.
    """
    known_verifier(verifier)

    async def rubric_score(completion: Any, state: dict, info: Any = None, **fields: Any) -> float:
        try:
            if reference not in fields:
                raise NoScoreError(f"the data set has no column {reference!r}: give reference=NAME")
            row = info if isinstance(info, Mapping) else {}
            response = response_from(completion or "", prompt_opens_thinking, bool(state.get("is_truncated")))
            return score_of(await shared_verification().verify(task_from(verifier, fields[reference], row), response))
        except NoScoreError as failure:
            from verifiers.errors import Error

            state["error"] = Error(str(failure))
            raise

    rubric_score.__name__ = verifier
    return rubric_score
