"""Prompts against the model's context: every row at hand is measured before the first step."""

from collections.abc import Callable, Sequence
from itertools import chain

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
    longer = {}
    for task in chain(*pool.at_hand):
        if (length := prompt_length(task, renderer)) > limit:
            longer[task.id] = f"{_place(task)}: {length} tokens"
    if not longer:
        return pool
    say(listed_faults(list(longer.values()), f"rows are left out: their prompts have more than {limit} tokens"))
    return load_tasks(recipe, lambda task: task.id not in longer)


def check_prompts_fit(
    pool: TaskPool,
    first: Sequence[Task],
    renderer: Renderer,
    longest_answer: int,
    context: int,
    field: str = "max_tokens",
    limit: int | None = None,
) -> None:
    """Every prompt at hand, and those of `first`, leaves room for an answer of `longest_answer` tokens.

    Args:
        field: the recipe's field that `longest_answer` comes from
        limit: most tokens of a prompt at hand, where longer ones have been left out

    Raises:
        SelfCheckError: with all that do not counted, and the first listed with file and line.
    """
    room = context - longest_answer
    if room < 1:
        raise SelfCheckError(
            f"{field} {longest_answer} leaves no room for a prompt in the model's context of {context}; lower {field}"
        )
    longer, largest = _longer_than(room, pool, first, renderer, limit)
    if longer:
        shorter = f"Lower {field} to {context - largest} or less, or leave" if largest < context else "Leave"
        raise SelfCheckError(
            f"{listed_faults(longer, 'prompts are too long')}\n"
            f"With {field} {longest_answer} the model's context of {context} leaves {room} for a prompt. "
            f"{shorter} these rows out with max_prompt_tokens: {room} at the top of the recipe"
        )


def check_token_budget(
    pool: TaskPool,
    first: Sequence[Task],
    renderer: Renderer,
    longest_answer: int,
    budget: int,
    processes: int = 1,
    field: str = "max_tokens",
    limit: int | None = None,
) -> None:
    """Every prompt at hand, and those of `first`, can be sampled from with an answer of `longest_answer` tokens.

    Args:
        budget: engine.token_budget, which sampling `processes` share
        field, limit: as in `check_prompts_fit`

    Raises:
        SelfCheckError: one at least cannot; with the budget that would do.
    """
    each = budget // processes
    room = each - longest_answer
    longer, largest = _longer_than(room, pool, first, renderer, limit)
    if longer:
        share = f", of which {processes} sampling processes have {each} each" if processes > 1 else ""
        raise SelfCheckError(
            f"{listed_faults(longer, 'prompts do not fit the engine')}\n"
            f"engine.token_budget is {budget}{share}: with {field} {longest_answer} that leaves {max(0, room)} for a prompt. "
            f"Set engine.token_budget to {(largest + longest_answer) * processes} or more, or leave it out"
        )


def _longer_than(
    room: int, pool: TaskPool, first: Sequence[Task], renderer: Renderer, limit: int | None
) -> tuple[list[str], int]:
    """Where the prompts of more than `room` tokens stand, with their lengths, and the length of the longest of all."""
    known_to_fit = limit is not None and limit <= room
    measured = [
        (_place(task), prompt_length(task, renderer))
        for task in (first if known_to_fit else chain(*pool.at_hand, first))
    ]
    longer = dict.fromkeys(f"{place}: {length} tokens" for place, length in measured if length > room)
    return list(longer), max((length for _, length in measured), default=0)


def prompt_length(task: Task, renderer: Renderer) -> int:
    """Tokens of the task's prompt."""
    return len(prompt_ids(task, renderer))


def prompt_ids(task: Task, renderer: Renderer) -> list[int]:
    return renderer.render(task.messages, task.tools).ids


def _place(task: Task) -> str:
    return task.place or f"{task.source or 'a task'}, {' '.join(task.question.split())[:120]!r}"
