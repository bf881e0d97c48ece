"""Prompts against the model's context: every row at hand is measured before the first step."""

from collections.abc import Callable, Iterator, Sequence

from ponder.chat.renderer import Renderer
from ponder.recipe.schema import Recipe
from ponder.tasks.faults import listed_faults
from ponder.tasks.task import Task
from ponder.training.data import TaskPool, load_tasks
from ponder.training.references import SelfCheckError


def load_fitting_tasks(recipe: Recipe, pool: TaskPool, renderer: Renderer, say: Callable[[str], None]) -> TaskPool:
    """The pool without the rows whose prompts are longer than `max_prompt_tokens`, which are counted and named; `pool`
    itself where the recipe sets no such limit."""
    limit = recipe.max_prompt_tokens
    if limit is None:
        return pool
    longer = [f"{place}: {length} tokens" for place, length in _lengths(pool, renderer) if length > limit]
    if not longer:
        return pool
    say(listed_faults(longer, f"rows are left out: their prompts have more than max_prompt_tokens ({limit})"))
    return load_tasks(recipe, lambda task: len(renderer.render(task.messages, task.tools).ids) <= limit)


def check_prompts_fit(
    pool: TaskPool, first: Sequence[Task], renderer: Renderer, longest_answer: int, context: int
) -> None:
    """Every prompt at hand, and those of `first`, leaves room for an answer of `longest_answer` tokens.

    Raises:
        SelfCheckError: with all that do not counted, and the first listed with file and line.
    """
    room = context - longest_answer
    measured = [*_lengths(pool, renderer), *((t.place or _named(t), _length(t, renderer)) for t in first)]
    longer = list(dict.fromkeys(f"{place}: {length} tokens" for place, length in measured if length > room))
    if longer:
        largest = max(length for _, length in measured)
        shorter = f"Lower max_tokens to {context - largest} or less, or leave" if largest < context else "Leave"
        raise SelfCheckError(
            f"{listed_faults(longer, 'prompts are too long')}\n"
            f"With max_tokens {longest_answer} the model's context of {context} leaves {max(0, room)} for a prompt. "
            f"{shorter} these rows out with max_prompt_tokens: {max(1, room)} at the top of the recipe"
        )


def _lengths(pool: TaskPool, renderer: Renderer) -> Iterator[tuple[str, int]]:
    """(place, tokens of the prompt) of every task at hand."""
    for source in pool.at_hand:
        for task in source:
            yield task.place or _named(task), _length(task, renderer)


def _length(task: Task, renderer: Renderer) -> int:
    return len(renderer.render(task.messages, task.tools).ids)


def _named(task: Task) -> str:
    return f"{task.source or 'a task'}, {' '.join(task.question.split())[:120]!r}"
