"""Before anything is learned: is this run able to learn at all? Each check says what to change when it fails."""

from collections.abc import Collection, Sequence
from itertools import chain

from ponder.chat.renderer import Renderer
from ponder.engine.build import default_workers
from ponder.evals.held_out import held_out_sampling
from ponder.model.decoder import Decoder
from ponder.recipe.schema import EngineSettings, Recipe
from ponder.tasks.task import Task
from ponder.training.data import TaskPool
from ponder.training.prompts import check_prompts_fit, check_token_budget
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
    recipe: Recipe,
    stages: Sequence[StageKind],
    pool: TaskPool,
    decoder: Decoder,
    renderer: Renderer,
    done: Collection[str] = (),
) -> list[str]:
    """Whether model, tasks and stages fit together; the rest is checked on the first rollouts of each RL stage. Returns
    what there is to tell people.

    Args:
        done: names of stages that have ended; what they needed is not asked for again
    """
    tasks, context = first_tasks(stages, pool), decoder.config.max_positions
    check_chat_form(renderer, tasks, decoder.config.vocab_size)
    longest, field = _longest_answer(recipe, stages, context, renderer)
    check_prompts_fit(pool, tasks, renderer, longest, context, field, recipe.max_prompt_tokens)
    check_engine(recipe, stages, pool, decoder, renderer)
    to_come = [stage for stage in stages if stage.settings.name not in done]
    return [remark for stage in to_come for remark in stage.check(decoder.config, renderer)]


def check_engine(
    recipe: Recipe, stages: Sequence[StageKind], pool: TaskPool, decoder: Decoder, renderer: Renderer
) -> None:
    """Whether each prompt can be sampled from on this machine, whose cores share what the engine may hold."""
    context, budget = decoder.config.max_positions, recipe.engine.token_budget
    processes = sampling_processes(recipe.engine, decoder)
    if budget // processes < context:  # else all that fits the context, which has been measured, fits here too
        longest, field = _longest_answer(recipe, stages, context, renderer)
        tasks, limit = first_tasks(stages, pool), recipe.max_prompt_tokens
        check_token_budget(pool, tasks, renderer, longest, budget, processes, field, limit)


def lengths(recipe: Recipe, decoder: Decoder) -> tuple[int, int]:
    """Most tokens of prompt and answer: of the model's context, and of what a sampling process may hold."""
    return decoder.config.max_positions, recipe.engine.token_budget // sampling_processes(recipe.engine, decoder)


def sampling_processes(settings: EngineSettings, decoder: Decoder) -> int:
    """How many share the engine's budgets; 1 where this process samples alone."""
    return max(1, default_workers(decoder) if settings.workers is None else settings.workers)


def _longest_answer(recipe: Recipe, stages: Sequence[StageKind], context: int, renderer: Renderer) -> tuple[int, str]:
    """Most tokens of an answer, of training or evaluation, and the recipe's field that says so."""
    trained = max(stage.longest_answer for stage in stages)
    evaluated = held_out_sampling(recipe.held_out, trained, context, renderer.stop_ids).max_tokens
    return max(trained, evaluated), "held_out.max_tokens" if evaluated > trained else "max_tokens"


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
