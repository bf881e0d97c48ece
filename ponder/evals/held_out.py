"""Held-out accuracy: the same problems with the same random numbers at every evaluation, so that only weights differ.

Its numbers are those that `ponder eval` gives for the same answers: the estimators are the same, and an answer on which the
verifier failed is missing, neither solved nor unsolved.
"""

from collections.abc import Iterable, Sequence
from math import fsum
from typing import Protocol

from ponder.chat.parser import ParsedOutput
from ponder.engine.protocol import SamplingParams
from ponder.evals.estimates import bounds, mean_of_problems, pass_at
from ponder.ledger import Ledger
from ponder.recipe.schema import HeldOut
from ponder.runs.results import NOTHING_KNOWN, DomainResult, EvalResult, EvalSample
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
    """`samples_per_task` answers to each task. Those on which the verifier failed are in no mean; intervals are over tasks,
    since the answers to one are no independent observations."""
    attempts = collect(tasks, samples_per_task, params)
    domains = sorted({a.task.domain for a in attempts})
    whole, by_task = _domain_result(attempts), _scored_by_task(attempts)
    missing = len(attempts) - sum(map(len, by_task.values()))
    scored = [verdicts for verdicts in by_task.values() if verdicts]
    means = [fsum(v.score or 0.0 for v in verdicts) / len(verdicts) for verdicts in scored]
    all_known = all(len(verdicts) == samples_per_task for verdicts in scored)
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
        mean_score=fsum(means) / len(means) if means else None,
        samples_per_problem=samples_per_task,
        pass_at_k=_pass_at_all(scored, samples_per_task) if all_known else None,
        missing=missing,
        bounds=bounds([(len(v), _correct(v)) for v in by_task.values()], samples_per_task) if missing else None,
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


def _scored_by_task(attempts: Sequence[Attempt]) -> dict[str, list[Verdict]]:
    """The verdicts that have a score, of each task; [] of one whose verifier failed on all of its answers."""
    by_task: dict[str, list[Verdict]] = {attempt.task.id: [] for attempt in attempts}
    for attempt in attempts:
        if attempt.verdict.score is not None:
            by_task[attempt.task.id].append(attempt.verdict)
    return by_task


def _correct(verdicts: Iterable[Verdict]) -> int:
    return sum(verdict.status == "correct" for verdict in verdicts)


def _domain_result(attempts: Sequence[Attempt]) -> DomainResult:
    """avg@k: the mean over tasks of the share of their answers that are correct."""
    scored = [verdicts for verdicts in _scored_by_task(attempts).values() if verdicts]
    average = mean_of_problems([_correct(verdicts) / len(verdicts) for verdicts in scored], sum(map(len, scored)))
    if average is None:
        return DomainResult(None, NOTHING_KNOWN, len(attempts))
    return DomainResult(average.value, (average.low, average.high), len(attempts))


def _pass_at_all(scored: Sequence[Sequence[Verdict]], k: int) -> float | None:
    """pass@k of tasks that all have k answers with a score."""
    passed = mean_of_problems([pass_at(k, k, _correct(verdicts)) for verdicts in scored], len(scored))
    return None if passed is None else passed.value


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
