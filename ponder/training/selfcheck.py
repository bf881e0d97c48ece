"""Before anything is learned: is this run able to learn at all? Each check says what to change when it fails."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import torch

from ponder.chat.renderer import Renderer
from ponder.model.config import ModelConfig
from ponder.recipe.schema import Recipe, RlStage
from ponder.tasks.task import Task
from ponder.training.data import TaskPool
from ponder.training.evaluate import held_out_sampling
from ponder.training.learner import Learner
from ponder.training.references import SelfCheckError, check_references
from ponder.training.rewards import by_group, has_variance
from ponder.training.rollouts import Rollout
from ponder.verifiers.verification import Verification

# Largest |learner - sampler| log-probability before the first update, when both hold the same weights. On a GPU float32
# products run in TF32, with 10 bits of mantissa.
LARGEST_GAP = {torch.float32: 1e-4, torch.bfloat16: 0.5, torch.float16: 0.1}
LARGEST_GAP_TF32 = 0.05


def check_tasks(recipe: Recipe, pool: TaskPool, verification: Verification) -> None:
    """What can be known of the tasks before a model is there: every reference at hand, and of tasks that are made as they
    are asked for those of the first step and those held out."""
    made = [task for task in first_tasks(recipe, pool) if not task.place]
    verification.prepare(chain(*pool.at_hand, made))
    check_references(verification, chain(*pool.at_hand, made))


def first_tasks(recipe: Recipe, pool: TaskPool) -> list[Task]:
    """The tasks of the first step of the largest RL stage, and those held out."""
    stages = [stage for stage in recipe.stages if isinstance(stage, RlStage)]
    return [*pool.draw(0, max((s.prompts_per_step for s in stages), default=1)), *pool.held_out]


def check_before_training(recipe: Recipe, pool: TaskPool, config: ModelConfig, renderer: Renderer) -> None:
    """Whether model and tasks fit together; the rest is checked on the first rollouts of each RL stage."""
    stages = [stage for stage in recipe.stages if isinstance(stage, RlStage)]
    tasks = first_tasks(recipe, pool)
    longest = max([stage.max_tokens for stage in stages] + [held_out_sampling(recipe, renderer.stop_ids).max_tokens])
    check_chat_form(renderer, tasks, config.vocab_size, longest, config.max_positions)


def check_chat_form(renderer: Renderer, tasks: Sequence[Task], vocab_size: int, longest: int, context: int) -> None:
    """Template and tokenizer: prompts survive the way to ids and back, fit the context, and answers can end."""
    if not renderer.stop_ids:
        raise SelfCheckError("the tokenizer names no end-of-turn token; set eos_token in tokenizer_config.json")
    if renderer.vocab_size > vocab_size:
        raise SelfCheckError(
            f"the tokenizer has {renderer.vocab_size} tokens, the model's vocabulary only {vocab_size}: "
            "they do not belong together"
        )
    for task in tasks:
        prompt = renderer.render(task.messages, task.tools)
        if renderer.encode(renderer.decode(prompt.ids)) != prompt.ids:
            raise SelfCheckError(
                f"a prompt changes on the way to token ids and back, so training would not see what was asked: "
                f"{prompt.text[:200]!r}"
            )
        if len(prompt.ids) + longest > context:
            raise SelfCheckError(
                f"a prompt of {len(prompt.ids)} tokens and max_tokens {longest} exceed the model's context of "
                f"{context}; lower max_tokens to {max(0, context - len(prompt.ids))} or less, or drop the task: "
                f"{task.question[:120]!r}"
            )


def check_ratio(learner: Learner, rollouts: Sequence[Rollout], sampler_dtype: torch.dtype) -> float:
    """Before the first update the learner must think what the sampler thought: ratio 1, KL 0. Returns the gap."""
    samples = [r.to_sample() for r in rollouts if r.advantage is not None]
    gap = learner.largest_gap(samples) if samples else 0.0
    bound = max(LARGEST_GAP[learner.decoder.dtype], LARGEST_GAP[sampler_dtype])
    if learner.decoder.device.type != "cpu":
        bound = max(bound, LARGEST_GAP_TF32)
    if gap > bound:
        raise SelfCheckError(
            f"before the first update, sampler and learner differ by {gap:.2g} in a token's log-probability (allowed "
            f"{bound:g}): they do not run the same model. Set engine.dtype to the model's dtype"
        )
    return gap


def check_signal(rollouts: Sequence[Rollout], samples_per_prompt: int) -> None:
    """Some group must have mixed rewards: where all answers to each prompt score the same, nothing can be learned."""
    groups = by_group(rollouts)
    if samples_per_prompt < 2 or any(has_variance(group) for group in groups):
        return
    statuses = Counter(r.verdict.status for r in rollouts)
    seen = ", ".join(f"{status} {count}" for status, count in statuses.most_common())
    top = statuses.most_common(1)[0][0]
    remedy = {
        "correct": "the tasks are already solved: choose harder ones",
        "wrong": "no answer is ever right: choose easier tasks, a better start (a cold-start stage), or more samples",
        "truncated": "the answers are cut off: raise max_tokens",
        "unparseable": "no answer is found in the answers: check the prompt, or teach the form in a cold-start stage",
    }.get(top, "the verifier fails: look at the reasons in rollouts/")
    example = next(r for r in rollouts if r.verdict.status == top)
    raise SelfCheckError(
        f"training cannot learn: in none of {len(groups)} groups do the rewards differ ({seen}).\n"
        f"  Mostly {top}: {remedy}.\n"
        f"  An example: {example.task.question[:120]!r}\n"
        f"  was answered: {(example.parsed.reasoning + ' | ' + example.parsed.content)[-200:]!r} ({example.verdict.reason})"
    )
