"""Running an evaluation: questions out, many at a time; replies judged; each sample on the disk before the next."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ponder.engine.counting import key
from ponder.evals.asking import Answerer, NoReply, Question, Reply
from ponder.evals.records import Problem, Sample
from ponder.evals.store import SampleStore
from ponder.tasks.task import Task
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verification import Verification

MOST_FAILURES = 16  # in a row, and at least as many as are asked at a time: whoever failed them will fail the rest

UNJUDGED = Verdict("error", None, "the data holds nothing that answers could be judged by")


@dataclass(frozen=True)
class Asked:
    """One sample that is wanted: the problem, the task that judges it, and the question."""

    problem: Problem
    sample: int
    task: Task
    question: Question


@dataclass(frozen=True)
class Prices:
    """Of a million tokens of prompts and of answers."""

    prompt: float = 0.0
    answer: float = 0.0

    def of(self, reply: Reply) -> float | None:
        if not (self.prompt or self.answer):
            return None
        return ((reply.prompt_tokens or 0) * self.prompt + (reply.tokens or 0) * self.answer) / 1e6


def sample_seed(seed: int, bench: str, problem: str, sample: int) -> int:
    """Of one sample: the same for the same sample, whatever else is asked (law 4)."""
    return key(seed, "eval", bench, problem, sample)


async def run(
    answerer: Answerer,
    asked: Sequence[Asked],
    store: SampleStore,
    verification: Verification,
    prices: Prices = Prices(),
    told: Callable[[Sample], None] = lambda _: None,
) -> None:
    """Asks what the store has no answer to. Whatever ends it, all answers so far are kept.

    Raises:
        ConnectionError: so many in a row had no answer that the rest would have none.
    """
    wanted = iter([one for one in asked if (one.problem.bench, one.problem.id, one.sample) not in store.done])
    most, failures = max(MOST_FAILURES, answerer.concurrent), 0

    async def draw() -> None:
        nonlocal failures
        for one in wanted:
            sample = await _sample(answerer, one, verification, prices)
            store.add(sample)
            told(sample)
            failures = failures + 1 if sample.failure else 0
            if failures >= most:
                raise ConnectionError(
                    f"the last {failures} questions had no answer: {sample.failure.rstrip('.?')}. What was answered is "
                    f"kept in {store.directory}; the same command goes on"
                )

    drawing = [asyncio.create_task(draw()) for _ in range(answerer.concurrent)]
    try:
        await asyncio.gather(*drawing)
    finally:
        for task in drawing:
            task.cancel()
        await asyncio.gather(*drawing, return_exceptions=True)


async def _sample(answerer: Answerer, one: Asked, verification: Verification, prices: Prices) -> Sample:
    problem, question = one.problem, one.question
    other = None if question.messages == problem.messages else question.messages
    common = {"bench": problem.bench, "problem": problem.id, "sample": one.sample, "seed": question.seed}
    common |= {"messages": other, "choice_order": one.task.metadata.get("choice_order")}
    try:
        reply = await answerer.answer(question)
    except NoReply as error:
        nothing = {"reasoning": "", "content": "", "tool_calls": (), "finish_reason": ""}
        counts = {"prompt_tokens": None, "tokens": None, "reasoning_tokens": None}
        verdict = {"status": "error", "score": None, "reason": "there is no answer"}
        return Sample(**common, **nothing, **counts, **verdict, failure=str(error))
    verdict = UNJUDGED if one.task.reference is None else await verification.verify(one.task, reply.response)
    return Sample(
        **common,
        reasoning=reply.response.reasoning,
        content=reply.response.content,
        tool_calls=reply.response.tool_calls,
        finish_reason=reply.finish_reason,
        prompt_tokens=reply.prompt_tokens,
        tokens=reply.tokens,
        reasoning_tokens=reply.reasoning_tokens,
        **judged(verdict),
        cost=prices.of(reply),
    )


def judged(verdict: Verdict) -> dict:
    """What a sample says of its verdict."""
    return {
        "status": verdict.status,
        "score": verdict.score,
        "reason": verdict.reason,
        "parsed": verdict.parsed,
        "parts": tuple(part.to_json() for part in verdict.parts),
    }
