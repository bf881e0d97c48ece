"""Held-out accuracy: the same problems with the same random numbers at every evaluation, so that only weights differ."""

from collections.abc import Sequence

from ponder.chat.renderer import Renderer
from ponder.engine.protocol import Engine, SamplingParams
from ponder.recipe.schema import HeldOut, Recipe
from ponder.recipe.stages import RlStage
from ponder.runs.results import DomainResult, EvalResult, EvalSample, wilson_interval
from ponder.tasks.task import Task
from ponder.training.rollouts import Rollout, collect
from ponder.verifiers.verification import Verification, shown_reference


def evaluate(
    engine: Engine,
    renderer: Renderer,
    verification: Verification,
    tasks: Sequence[Task],
    recipe: Recipe,
    stage: str,
    step: int,
    seconds: float,
) -> tuple[EvalResult, list[Rollout]]:
    """One answer per task. A verifier that fails counts as not solved here, where nothing is learned from it."""
    params = held_out_sampling(recipe, renderer.stop_ids)
    rollouts = collect(engine, renderer, verification, tasks, 1, params, (recipe.seed, "held_out")).rollouts
    solved = sum(_solved(r) for r in rollouts)
    domains = sorted({r.task.domain for r in rollouts})
    result = EvalResult(
        stage=stage,
        step=step,
        accuracy=solved / len(rollouts),
        interval=wilson_interval(solved, len(rollouts)),
        by_domain={domain: _domain_result([r for r in rollouts if r.task.domain == domain]) for domain in domains},
        count=len(rollouts),
        seconds=seconds,
        mean_tokens=sum(len(r.completion.ids) for r in rollouts) / len(rollouts),
        truncated_share=sum(r.truncated for r in rollouts) / len(rollouts),
        samples=[_sample(r) for r in rollouts],
        sampling=_sampling_record(recipe.held_out, params),
    )
    return result, rollouts


def held_out_sampling(recipe: Recipe, stop_ids: frozenset[int]) -> SamplingParams:
    settings = recipe.held_out
    lengths = [stage.max_tokens for stage in recipe.stages if isinstance(stage, RlStage)]
    return SamplingParams(
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens or max(lengths, default=512),
        stop_ids=stop_ids,
    )


def _solved(rollout: Rollout) -> bool:
    return rollout.verdict.status == "correct"


def _domain_result(rollouts: list[Rollout]) -> DomainResult:
    solved = sum(map(_solved, rollouts))
    return DomainResult(solved / len(rollouts), wilson_interval(solved, len(rollouts)), len(rollouts))


def _sampling_record(settings: HeldOut, params: SamplingParams) -> dict:
    return {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
        "max_tokens": params.max_tokens,
    }


def _sample(rollout: Rollout) -> EvalSample:
    return EvalSample(
        task_id=rollout.task.id,
        domain=rollout.task.domain,
        question=rollout.task.question,
        reference=shown_reference(rollout.task),
        reasoning=rollout.parsed.reasoning,
        content=rollout.parsed.content,
        status=rollout.verdict.status,
        score=rollout.verdict.score,
        tokens=len(rollout.completion.ids),
    )
