"""Held-out accuracy: the same problems with the same random numbers at every evaluation, so that only weights differ."""

from collections.abc import Sequence
from typing import Protocol

from ponder.chat.parser import ParsedOutput
from ponder.engine.protocol import SamplingParams
from ponder.ledger import Ledger
from ponder.recipe.schema import HeldOut
from ponder.runs.results import DomainResult, EvalResult, EvalSample, wilson_interval
from ponder.tasks.task import Task
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verification import shown_reference


class Attempt(Protocol):
    """One answer to a task, with what the verifier said of it."""

    task: Task
    ledger: Ledger
    parsed: ParsedOutput
    verdict: Verdict


class Collect(Protocol):
    """Whoever samples answers and has them verified; stages of training fill it with their own way of doing so."""

    def __call__(self, tasks: Sequence[Task], samples_per_task: int, params: SamplingParams) -> Sequence[Attempt]:
        """`samples_per_task` attempts at each task, in the order of the tasks; equal calls draw equal random numbers."""
        ...


def evaluate(
    collect: Collect,
    tasks: Sequence[Task],
    samples_per_task: int,
    params: SamplingParams,
    stage: str,
    step: int,
    seconds: float,
) -> tuple[EvalResult, Sequence[Attempt]]:
    """`samples_per_task` answers to each task. An answer on which the verifier failed counts as not solved, but has no
    score; intervals are over tasks, since the answers to one are no independent observations."""
    attempts = collect(tasks, samples_per_task, params)
    domains = sorted({a.task.domain for a in attempts})
    whole = _domain_result(attempts)
    scores = [a.verdict.score for a in attempts if a.verdict.score is not None]
    result = EvalResult(
        stage=stage,
        step=step,
        accuracy=whole.accuracy,
        interval=whole.interval,
        by_domain={domain: _domain_result([a for a in attempts if a.task.domain == domain]) for domain in domains},
        count=len(attempts),
        seconds=seconds,
        mean_tokens=sum(a.ledger.sampled for a in attempts) / len(attempts),
        truncated_share=sum(a.ledger.truncated for a in attempts) / len(attempts),
        samples=[_sample(a) for a in attempts],
        sampling=_sampling_record(params),
        mean_score=sum(scores) / len(scores) if scores else None,
        samples_per_problem=samples_per_task,
        pass_at_k=sum(map(any, _solved_by_task(attempts))) / len(_solved_by_task(attempts)),
    )
    return result, attempts


def held_out_sampling(settings: HeldOut, longest_answer: int, context: int, stop_ids: frozenset[int]) -> SamplingParams:
    """`longest_answer`: of the recipe's stages, for where the settings name no max_tokens; 0 where none samples, which
    leaves half of the model's `context` for an answer, and at most 512 tokens."""
    return SamplingParams(
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens or longest_answer or min(512, context // 2),
        stop_ids=stop_ids,
    )


def _solved_by_task(attempts: Sequence[Attempt]) -> list[list[bool]]:
    by_task: dict[str, list[bool]] = {}
    for attempt in attempts:
        by_task.setdefault(attempt.task.id, []).append(attempt.verdict.status == "correct")
    return list(by_task.values())


def _domain_result(attempts: Sequence[Attempt]) -> DomainResult:
    """avg@k: the mean over tasks of the share of their answers that are correct."""
    by_task = _solved_by_task(attempts)
    solved = sum(sum(answers) / len(answers) for answers in by_task)
    return DomainResult(solved / len(by_task), wilson_interval(solved, len(by_task)), len(attempts))


def _sampling_record(params: SamplingParams) -> dict:
    return {
        "temperature": params.temperature,
        "top_p": params.top_p,
        "top_k": params.top_k,
        "max_tokens": params.max_tokens,
    }


def _sample(attempt: Attempt) -> EvalSample:
    return EvalSample(
        task_id=attempt.task.id,
        domain=attempt.task.domain,
        question=attempt.task.question,
        reference=shown_reference(attempt.task),
        reasoning=attempt.parsed.reasoning,
        content=attempt.parsed.content,
        status=attempt.verdict.status,
        score=attempt.verdict.score,
        tokens=attempt.ledger.sampled,
    )
