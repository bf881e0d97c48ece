"""One RL stage. `RlTrainer.step` reads in the order of the data: tasks, rollouts, verdicts, advantages, batch, weights."""

import time
from collections import Counter
from collections.abc import Sequence

import psutil

from ponder.chat.renderer import Renderer
from ponder.engine.build import SamplingEngine
from ponder.engine.protocol import rl_sampling
from ponder.recipe.schema import Recipe, RlStage
from ponder.runs.run import Run
from ponder.training.batch import Sample
from ponder.training.checkpoint import Progress
from ponder.training.data import TaskPool
from ponder.training.error_budget import (
    BudgetSpent,
    count_verdicts,
    extended,
    failure_rows,
    overspent,
    part_metrics,
    verifier_metrics,
)
from ponder.training.learner import Learner
from ponder.training.objectives import resolve
from ponder.training.rewards import by_group, has_variance, set_advantages, set_rewards
from ponder.training.rollouts import Collected, Rollout, collect
from ponder.training.selfcheck import check_ratio, check_signal
from ponder.verifiers.verification import Verification


class RlTrainer:
    def __init__(
        self,
        recipe: Recipe,
        stage: RlStage,
        run: Run,
        pool: TaskPool,
        engine: SamplingEngine,
        renderer: Renderer,
        verification: Verification,
        learner: Learner,
    ):
        self.recipe, self.stage, self.run, self.pool = recipe, stage, run, pool
        self.engine, self.renderer, self.verification, self.learner = engine, renderer, verification, learner
        self.objective = resolve(
            stage.objective.name,
            clip_low=stage.objective.clip_low,
            clip_high=stage.objective.clip_high,
            kl=stage.objective.kl,
        )
        self.params = rl_sampling(stage.max_tokens, renderer.stop_ids)

    def step(self, progress: Progress) -> dict[str, float]:
        """One step of the stage; `progress` says which, and moves on.

        Raises:
            BudgetSpent: a verifier failed too often. Nothing was learned, and `progress` is where it was.
        """
        number = progress.step + 1
        started = time.perf_counter()
        self.engine.refresh()

        collected, judged, drawn = self._collect(number, progress.cursor)
        rollouts = collected.rollouts
        counts = count_verdicts(judged)
        recent = extended(progress.verdicts, counts)
        self.run.record_failures(self.stage.name, number, "training", failure_rows(judged))
        if spent := overspent(counts, recent, self.stage.error_budget):
            raise BudgetSpent(number, spent)
        set_advantages(rollouts, self.objective)
        if number == 1:
            check_ratio(self.learner, rollouts, self.engine.own.dtype)
            check_signal(rollouts, self.stage.samples_per_prompt)

        learning = time.perf_counter()
        learned = self._learn(rollouts, number)
        finished = time.perf_counter()

        metrics = {
            **summarise(rollouts),
            **verifier_metrics(counts),
            **learned,
            "refill/prompts": drawn - progress.cursor - self.stage.prompts_per_step,
            "time/sample_s": collected.sample_seconds,
            "time/verify_s": collected.judge_seconds,
            "time/learn_s": finished - learning,
            "time/step_s": finished - started,
            "tokens_per_s/sample": collected.sampled_tokens / max(collected.sample_seconds, 1e-9),
            "tokens_per_s/learn": collected.sampled_tokens / max(finished - learning, 1e-9),
            "memory/rss_gb": _resident_gb(),
        }
        self.run.record_rollouts(self.stage.name, number, [r.to_row(self.renderer) for r in rollouts])
        self.run.record(self.stage.name, number, metrics)
        progress.step, progress.cursor, progress.verdicts = number, drawn, recent
        return metrics

    def _collect(self, number: int, cursor: int) -> tuple[Collected, list[Rollout], int]:
        """A step's rollouts; groups without variance are replaced by those of further prompts, as many as are allowed.

        Returns them with all that were judged on the way, the replaced ones too (a verifier that fails makes groups
        without variance), and the cursor behind the last prompt drawn.
        """
        want = self.stage.prompts_per_step
        total = self._sample(number, cursor, want)
        judged = list(total.rollouts)
        kept, spent = by_group(total.rollouts), 0
        while spent < self.stage.refill_prompts and (flat := [g for g in kept if not has_variance(g)]):
            extra = min(len(flat), self.stage.refill_prompts - spent)
            more = self._sample(number, cursor + want + spent, extra, first_group=want + spent)
            spent += extra
            judged += more.rollouts
            fresh = [g for g in by_group(more.rollouts) if has_variance(g)]
            kept = [g for g in kept if has_variance(g)] + fresh + flat[: len(flat) - len(fresh)]
            total.sample_seconds += more.sample_seconds
            total.judge_seconds += more.judge_seconds
            total.sampled_tokens += more.sampled_tokens
        total.rollouts = [rollout for group in kept for rollout in group]
        return total, judged, cursor + want + spent

    def _sample(self, number: int, cursor: int, prompts: int, first_group: int = 0) -> Collected:
        tasks = self.pool.draw(cursor, prompts)
        seed_parts = (self.recipe.seed, self.stage.name, number)
        collected = collect(
            self.engine,
            self.renderer,
            self.verification,
            tasks,
            self.stage.samples_per_prompt,
            self.params,
            seed_parts,
            first_group,
        )
        set_rewards(collected.rollouts, self.stage)
        return collected

    def _learn(self, rollouts: Sequence[Rollout], number: int) -> dict[str, float]:
        """The step's updates; where there are several, each learns from its share of the groups."""
        updates = self.stage.updates_per_step
        shares: list[list[Sample]] = [[] for _ in range(updates)]
        for index, group in enumerate(by_group(rollouts)):
            shares[index % updates] += [r.to_sample() for r in group if r.advantage is not None]
        shares = [share for share in shares if any(any(s.mask) for s in share)]
        metrics = [
            self.learner.reinforce(share, self.objective, self.stage.max_tokens, (number - 1) * updates + i + 1)
            for i, share in enumerate(shares)
        ]
        if not metrics:
            return {}  # every answer was masked; the step is recorded and teaches nothing
        averaged = {name: sum(m[name] for m in metrics) / len(metrics) for name in metrics[0]}
        return {**averaged, "mismatch/max": max(m["mismatch/max"] for m in metrics)}


def summarise(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Rewards, verdicts and lengths of a step."""
    groups = by_group(rollouts)
    lengths = [len(r.completion.ids) for r in rollouts]
    statuses = Counter(r.verdict.status for r in rollouts)
    metrics = {
        "reward/mean": _mean([r.reward for r in rollouts if r.reward is not None]),
        "pass_rate": statuses["correct"] / len(rollouts),
        "length/mean": _mean(lengths),
        "length/max": max(lengths),
        "length/thinking": _mean([r.parsed.reasoning_tokens for r in rollouts]),
        "groups/zero_variance_share": sum(not has_variance(g) for g in groups) / len(groups),
    }
    for status, count in statuses.items():
        metrics[f"status/{status}"] = count / len(rollouts)
    for domain in sorted({r.task.domain for r in rollouts}):
        rewards = [r.reward for r in rollouts if r.task.domain == domain and r.reward is not None]
        metrics[f"reward/{domain}"] = _mean(rewards)
    return metrics | part_metrics(rollouts)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _resident_gb() -> float:
    """This process and its samplers and verifiers; shared pages count once (unique set size where the system has it)."""
    process = psutil.Process()
    total = process.memory_info().rss
    for child in process.children(recursive=True):
        try:
            total += child.memory_full_info().uss
        except psutil.Error:
            continue  # it has just ended
    return total / 1e9
