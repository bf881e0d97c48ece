"""Choices in another order for each sample, so that a model that likes a letter gains nothing by it."""

from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase

from ponder.engine.counting import key
from ponder.tasks.rule_rows import shown_options
from ponder.tasks.task import Task


def shuffled(task: Task, seed: int, sample: int) -> Task:
    """The task as it is asked in one sample: its choices in an order that is a pure function of (seed, task, sample), its
    reference the letter of the same choice as before; metadata "choice_order" has the place before of each.

    ValueError for a task without a list of choices (metadata "choices"), or whose question does not show them as
    `ponder.tasks.rule_rows` writes them.
    """
    choices = task.metadata.get("choices")
    if not choices:
        raise ValueError(
            f"{task.place or task.source}: no list of choices that could be put in another order; write choices: [...]"
        )
    before = shown_options(choices)
    *first, last = task.messages
    if before not in last["content"]:
        raise ValueError(
            f"{task.place or task.source}: the question does not show its choices a line each, as 'A. ...'"
        )
    order = sorted(range(len(choices)), key=lambda place: key(seed, "choices", task.id, sample, place))
    after = [choices[place] for place in order]
    right = order.index(ascii_uppercase.index(task.reference))
    return replace(
        task,
        messages=(*first, last | {"content": last["content"].replace(before, shown_options(after))}),
        reference=ascii_uppercase[right],
        metadata=task.metadata | {"choices": after, "choice_order": tuple(order)},
    )


def shown_letter(letter: str, order: Sequence[int] | None) -> str:
    """The letter that a choice had where the choices stood in `order`; `order[i]` is the place before of what came i-th."""
    if order is None or letter not in ascii_uppercase[: len(order)]:
        return letter
    return ascii_uppercase[order.index(ascii_uppercase.index(letter))]


def unshuffled(parsed: str, order: Sequence[int] | None) -> str:
    """What was read of an answer, its letters those of the order before; white space folded."""
    text = " ".join(parsed.split())
    letters = text.split(", ")
    if order is None or not all(len(one) == 1 and one in ascii_uppercase[: len(order)] for one in letters):
        return text
    return ", ".join(sorted(ascii_uppercase[order[ascii_uppercase.index(one)]] for one in letters))
