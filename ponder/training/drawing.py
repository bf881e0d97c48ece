"""The next tasks of a mixture whose prompts leave room for an answer.

Tasks at hand have been measured before the first step (`prompts.py`); those that are made as they are asked for are
measured here, and passed over where they are too long.
"""

from dataclasses import dataclass

from ponder.chat.renderer import Renderer
from ponder.tasks.task import Task
from ponder.training.data import TaskPool
from ponder.training.prompts import prompt_length

MOST_DRAWS = 100  # for one task


@dataclass(frozen=True)
class Drawn:
    tasks: list[Task]
    cursor: int  # behind the last task that was looked at
    too_long: int  # how many were passed over


def draw_fitting(pool: TaskPool, renderer: Renderer, cursor: int, count: int, longest: int) -> Drawn:
    """
    Args:
        longest: most tokens of a prompt

    Raises:
        ValueError: hardly a task fits.
    """
    tasks: list[Task] = []
    first = cursor
    while len(tasks) < count:
        if cursor - first >= MOST_DRAWS * count:
            raise ValueError(
                f"of {cursor - first:,} tasks that were made only {len(tasks)} have prompts of at most {longest} tokens; "
                "lower max_tokens, raise max_prompt_tokens, or ask the source for shorter problems"
            )
        drawn = pool.draw(cursor, count - len(tasks))
        cursor += len(drawn)
        tasks += [task for task in drawn if task.place or prompt_length(task, renderer) <= longest]
    return Drawn(tasks, cursor, cursor - first - count)
