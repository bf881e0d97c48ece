"""A stage of reinforcement learning. `ReinforcementTrainer.step` reads in the order of the data: tasks, rollouts,
verdicts, advantages, batch, weights."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import psutil

from ponder.chat.renderer import Renderer
from ponder.engine.counting import key
from ponder.engine.protocol import rl_sampling
from ponder.model.config import ModelConfig
from ponder.recipe.stages import RlStage
from ponder.runs.console import answer_figures
from ponder.tasks.task import Task
from ponder.training.batch import Sample
from ponder.training.checkpoint import Progress
from ponder.training.drawing import draw_fitting
from ponder.training.error_budget import (
    BudgetSpent,
    count_verdicts,
    extended,
    failure_rows,
    overspent,
    verifier_metrics,
)
from ponder.training.first_rollouts import check_ratio, check_signal
from ponder.training.goals import Reinforcement, teaching
from ponder.training.learner import Learner
from ponder.training.objectives import resolve
from ponder.training.rewards import by_group, set_advantages, set_rewards, teaches
from ponder.training.rollouts import Collected, Rollout, collect
from ponder.training.stages.kind import StageParts
from ponder.training.step_metrics import summarise


class ReinforcementStage:
    """What the runner asks of a stage of kind rl (`StageKind`)."""

    def __init__(self, settings: RlStage):
        self.settings = settings
        self.longest_answer = settings.max_tokens
        self.tasks_per_step = settings.prompts_per_step
        self.verify_timeout = settings.verify_timeout
        self.error_budget = settings.error_budget

    @property
    def described(self) -> str:
        prompts, samples = self.settings.prompts_per_step, self.settings.samples_per_prompt
        return f"{prompts} prompts x {samples} samples = {prompts * samples} answers a step"

    @property
    def updates(self) -> int:
        return self.settings.steps * self.settings.updates_per_step

    @property
    def needs_reference(self) -> bool:
        """The weights that the stage began with, where its objective has a KL to them."""
        return resolve(self.settings.objective).kl != 0

    def texts(self, tasks: Sequence[Task]) -> list[str]:
        return []  # what will be answered is not known before it is sampled

    def check(self, config: ModelConfig, renderer: Renderer) -> list[str]:
        margin, longest = self.settings.soft_margin, self.settings.max_tokens
        if self.settings.truncated == "soft" and margin > longest:
            return [
                f"stages.{self.settings.name}.soft_margin ({margin}) is more than max_tokens ({longest}): every answer is "
                f"penalised, however short. Set it to {max(1, longest // 4)}, for instance"
            ]
        return []

    def trainer(self, parts: StageParts, learner: Learner | None) -> "ReinforcementTrainer":
        assert learner is not None
        return ReinforcementTrainer(self.settings, parts, learner)

    def figures(self, metrics: dict[str, float]) -> str:
        length, rate = metrics["length/mean"], metrics["tokens_per_s/sample"]
        return f"{answer_figures(metrics)}  length {length:.0f}  {rate:,.0f} tok/s"


class ReinforcementTrainer:
    def __init__(self, stage: RlStage, parts: StageParts, learner: Learner):
        self.stage, self.learner = stage, learner
        self.recipe, self.run, self.pool, self.renderer = parts.recipe, parts.run, parts.pool, parts.renderer
        self.engine, self.verification, self.outfitter = parts.engine, parts.verification, parts.outfitter
        self.objective = resolve(stage.objective)
        self.params = rl_sampling(stage.max_tokens, parts.renderer.stop_ids)
        of_engine = parts.recipe.engine.token_budget // max(1, parts.engine.workers)
        room = min(learner.decoder.config.max_positions, of_engine) - stage.max_tokens
        self.longest_prompt = min(room, parts.recipe.max_prompt_tokens or room)

    def step(self, progress: Progress) -> dict[str, float]:
        """One step of the stage; `progress` says which, and moves on.

        Raises:
            BudgetSpent: a verifier failed too often. Nothing was learned, and `progress` is where it was.
        """
        number = progress.step + 1
        started = time.perf_counter()
        self.engine.refresh()

        collected, verified, drawn = self._collect(number, progress.cursor)
        rollouts = collected.rollouts
        counts = count_verdicts(verified)
        recent = extended(progress.verdicts, counts)
        self.run.record_failures(self.stage.name, number, "training", failure_rows(verified))
        if spent := overspent(counts, recent, self.stage.error_budget):
            raise BudgetSpent(number, spent)
        set_advantages(rollouts, self.objective)
        if number == 1:
            check_ratio(self.learner, rollouts, self.engine.own.dtype)
            check_signal(rollouts, self.stage.samples_per_prompt, self.objective)

        learning = time.perf_counter()
        learned = self._learn(rollouts, number)
        finished = time.perf_counter()

        if self.learner.decoder.config.lora is not None:
            learned["adapters/seen_share"] = self._adapters_seen()
        progress.tokens += collected.sampled_tokens
        metrics = {
            **summarise(rollouts),
            **verifier_metrics(counts),
            **learned,
            "refill/prompts": drawn.refilled,
            "prompts/too_long": drawn.too_long,
            "prompts/total": drawn.cursor,
            "tokens/total": progress.tokens,
            "time/sample_s": collected.sample_seconds,
            "time/verify_s": collected.verify_seconds,
            "time/learn_s": finished - learning,
            "time/step_s": finished - started,
            "tokens_per_s/sample": collected.sampled_tokens / max(collected.sample_seconds, 1e-9),
            "tokens_per_s/learn": collected.sampled_tokens / max(finished - learning, 1e-9),
            "memory/rss_gb": _resident_gb(),
        }
        self.run.record_rollouts(self.stage.name, number, [r.to_row(self.renderer) for r in rollouts])
        self.run.record(self.stage.name, number, metrics)
        progress.step, progress.cursor, progress.verdicts = number, drawn.cursor, recent
        return metrics

    def _collect(self, number: int, cursor: int) -> tuple[Collected, list[Rollout], "_DrawnSoFar"]:
        """A step's rollouts; groups that teach nothing are replaced by those of further prompts, as many as are allowed.

        Returns them with all that were verified on the way, the replaced ones too (a verifier that fails makes groups
        that teach nothing), and what was drawn for them.
        """
        drawn = _DrawnSoFar(cursor)
        total = self._sample(number, drawn, self.stage.prompts_per_step)
        verified, kept = list(total.rollouts), by_group(total.rollouts)
        while drawn.refilled < self.stage.refill_prompts:
            good = [g for g in kept if teaches(g, self.objective)]
            flat = [g for g in kept if not teaches(g, self.objective)]
            if not flat:
                break
            extra = min(len(flat), self.stage.refill_prompts - drawn.refilled)
            drawn.refilled += extra
            more = self._sample(number, drawn, extra)
            verified += more.rollouts
            fresh = [g for g in by_group(more.rollouts) if teaches(g, self.objective)]
            kept = good + fresh + flat[: len(flat) - len(fresh)]
            total.add_costs(more)
        total.rollouts = [rollout for group in kept for rollout in group]
        return total, verified, drawn

    def _sample(self, number: int, drawn: "_DrawnSoFar", prompts: int) -> Collected:
        """Answers to the next `prompts` tasks; `drawn` moves on."""
        more = draw_fitting(self.pool, self.renderer, drawn.cursor, prompts, self.longest_prompt)
        collected = collect(
            self.engine,
            self.renderer,
            self.verification,
            more.tasks,
            self.stage.samples_per_prompt,
            self.params,
            (self.recipe.seed, self.stage.name, number),
            first_group=len(drawn.tasks),
            drawn_before=drawn.tasks,
            outfitter=self.outfitter,
            draw=key(self.recipe.seed, self.stage.name, number),
        )
        drawn.cursor, drawn.too_long = more.cursor, drawn.too_long + more.too_long
        drawn.tasks += more.tasks
        for rollout in collected.rollouts:
            rollout.weights_version = (number - 1) * self.stage.updates_per_step
        set_rewards(collected.rollouts, self.stage)
        return collected

    def _adapters_seen(self) -> float:
        """
        Raises:
            RuntimeError: the sampler does not read what the update has written.
        """
        self.engine.refresh()
        share = self.engine.adapters_seen(self.learner.weights.masters)
        if share < 1:
            raise RuntimeError(
                f"after the update {1 - share:.0%} of the sampling processes read other adapters than it wrote"
            )
        return share

    def _samples(self, rollouts: Sequence[Rollout]) -> list[Sample]:
        """Those that are learned from, numbered as the rollouts are."""
        samples = [r.to_sample(n) for n, r in enumerate(rollouts) if r.advantage is not None]
        if self.objective.tis_cap is None or self.stage.updates_per_step == 1 or not any(any(s.mask) for s in samples):
            return samples
        old = self.learner.logprobs(teaching(samples, self.objective))
        return [replace(sample, old_logprobs=old.get(sample.number)) for sample in samples]

    def _learn(self, rollouts: Sequence[Rollout], number: int) -> dict[str, float]:
        """The step's updates; where there are several, each learns from its share of the groups."""
        updates = self.stage.updates_per_step
        share_of = {id(r): i % updates for i, group in enumerate(by_group(rollouts)) for r in group}
        shares: list[list[Sample]] = [[] for _ in range(updates)]
        for sample in self._samples(rollouts):
            shares[share_of[id(rollouts[sample.number])]].append(sample)
        done = [
            self.learner.learn(
                share,
                Reinforcement.of(share, self.objective, self.stage.max_tokens),
                (number - 1) * updates + i + 1,
            )
            for i, share in enumerate(share for share in shares if any(any(s.mask) for s in share))
        ]
        for update in done:
            for scores in update.scores:
                rollouts[scores.number].scores = scores
        return averaged([update.metrics for update in done])


def averaged(metrics: Sequence[dict[str, float]]) -> dict[str, float]:
    """The means over a step's updates; of names that end in `/max` the largest; of the mismatch the first update's, since
    later ones would count what the policy has learned in between. Empty where every answer was masked: the step is
    recorded and teaches nothing."""
    if not metrics:
        return {}
    joined = {
        name: max(m[name] for m in metrics) if name.endswith("/max") else sum(m[name] for m in metrics) / len(metrics)
        for name in metrics[0]
    }
    return joined | {name: value for name, value in metrics[0].items() if name.startswith("mismatch/")}


@dataclass
class _DrawnSoFar:
    """What a step has drawn from the mixture."""

    cursor: int
    tasks: list[Task] = field(default_factory=list)
    refilled: int = 0
    too_long: int = 0


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
