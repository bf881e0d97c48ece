"""Before anything is learned: is this run able to learn at all? Each check says what to change when it fails."""

from collections.abc import Sequence
from itertools import chain

from ponder.chat.renderer import Renderer
from ponder.evals.held_out import held_out_sampling
from ponder.model.config import ModelConfig
from ponder.recipe.schema import Recipe
from ponder.tasks.task import Task
from ponder.training.data import TaskPool
from ponder.training.prompts import check_prompts_fit
from ponder.training.references import SelfCheckError, check_references
from ponder.training.stages.kind import StageKind
from ponder.verifiers.verification import Verification


def check_tasks(stages: Sequence[StageKind], pool: TaskPool, verification: Verification) -> None:
    """What can be known of the tasks before a model is there: every reference at hand, and of tasks that are made as they
    are asked for those of the first step and those held out."""
    made = [task for task in first_tasks(stages, pool) if not task.place]
    verification.prepare(chain(*pool.at_hand, made))
    check_references(verification, chain(*pool.at_hand, made))


def first_tasks(stages: Sequence[StageKind], pool: TaskPool) -> list[Task]:
    """The tasks of the first step of the stage that takes most of them, and those held out."""
    return [*pool.draw(0, max(stage.tasks_per_step for stage in stages)), *pool.held_out]


def check_before_training(
    recipe: Recipe, stages: Sequence[StageKind], pool: TaskPool, config: ModelConfig, renderer: Renderer
) -> list[str]:
    """Whether model, tasks and stages fit together; the rest is checked on the first rollouts of each RL stage. Returns
    what there is to tell people."""
    longest_answer = max(stage.longest_answer for stage in stages)
    context = config.max_positions
    evaluated = held_out_sampling(recipe.held_out, longest_answer, context, renderer.stop_ids).max_tokens
    tasks = first_tasks(stages, pool)
    check_chat_form(renderer, tasks, config.vocab_size)
    longest = max(longest_answer, evaluated)
    field = "held_out.max_tokens" if evaluated > longest_answer else "max_tokens"
    check_prompts_fit(pool, tasks, renderer, longest, context, field, recipe.max_prompt_tokens)
    return [remark for stage in stages for remark in stage.check(config, renderer)]


def check_chat_form(renderer: Renderer, tasks: Sequence[Task], vocab_size: int) -> None:
    """Template and tokenizer: prompts survive the way to ids and back, and answers can end."""
    if not renderer.stop_ids:
        raise SelfCheckError("the tokenizer names no end-of-turn token; set eos_token in tokenizer_config.json")
    if renderer.vocab_size > vocab_size:
        raise SelfCheckError(
            f"the tokenizer has {renderer.vocab_size} tokens, the model's vocabulary only {vocab_size}: "
            "they do not belong together"
        )
    for task in tasks:
        prompt = renderer.render(task.messages, task.tools)
        if difference := renderer.round_trip_difference(task.messages, task.tools):
            raise SelfCheckError(
                f"a prompt changes on the way to token ids and back, so training would not see what was asked: "
                f"{difference}. Is the tokenizer the model's own? The prompt: {prompt.text[:200]!r}"
            )
