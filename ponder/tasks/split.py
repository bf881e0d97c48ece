"""Train and held-out parts by content hash, so that a task is on the same side in every run and never on both."""

from collections.abc import Iterable, Sequence
from typing import Literal

from ponder.tasks.mixture import permuted
from ponder.tasks.task import LazyTasks, Task

Part = Literal["train", "held_out"]
MAX_WALK = 2_000


def part_of(task_id: str, held_out_fraction: float) -> Part:
    """The side of the split that a task's content hash puts it on."""
    return "held_out" if int(task_id[:16], 16) < held_out_fraction * 2**64 else "train"


def split(tasks: Sequence[Task], held_out_fraction: float) -> tuple[Sequence[Task], Sequence[Task]]:
    """(train, held out). ValueError unless 0 <= fraction < 1.

    Lists are cut into lists. Of lazy tasks, which are too many to look at, the parts are lazy too and as long as the
    whole: where the i-th task is on the other side, a task reached by a fixed walk over the indices stands in, so
    that about one task in 1/(1 - fraction) of an epoch comes twice.
    """
    if not 0 <= held_out_fraction < 1:
        raise ValueError(f"held_out_fraction is {held_out_fraction}: it must be at least 0 and below 1")
    if isinstance(tasks, LazyTasks):
        return _view(tasks, held_out_fraction, "train"), _view(tasks, held_out_fraction, "held_out")
    train = [task for task in tasks if part_of(task.id, held_out_fraction) == "train"]
    held_out = [task for task in tasks if part_of(task.id, held_out_fraction) == "held_out"]
    return train, held_out


def _view(tasks: LazyTasks, fraction: float, part: Part) -> LazyTasks:
    def make(index: int) -> Task:
        for attempt in range(MAX_WALK):
            if part_of((task := tasks[index]).id, fraction) == part:
                return task
            # Another permutation at each attempt: one alone has short cycles, on which every task may be on the other side.
            index = permuted(index, len(tasks), (tasks.source, "split", attempt))
        raise ValueError(
            f"{tasks.source}: {MAX_WALK:,} tasks looked at and none is in the {part} part at held-out fraction "
            f"{fraction}; the source has too few different tasks, or the fraction leaves too little"
        )

    return LazyTasks(len(tasks), make, tasks.source)


def held_out_sample(tasks: Iterable[Task], held_out_fraction: float, n: int) -> list[Task]:
    """The first n different held-out tasks, in the order of `tasks`; ValueError when there are fewer."""
    found: dict[str, Task] = {}
    seen, source = 0, ""
    for task in tasks:
        if len(found) == n:
            break
        seen, source = seen + 1, task.source
        if part_of(task.id, held_out_fraction) == "held_out":
            found.setdefault(task.id, task)
    if len(found) < n:
        raise ValueError(
            f"{n} held-out tasks are asked for, but {source or 'the source'} has only {len(found)} different ones "
            f"among {seen} tasks at held-out fraction {held_out_fraction}: ask for fewer or raise the fraction"
        )
    return list(found.values())


def refuse_overlap(train: Iterable[Task], held_out: Iterable[Task]) -> None:
    """ValueError when any task is in both, with up to three of the questions and both sources."""
    by_id = {task.id: task for task in held_out}
    shared = {task.id: task for task in train if task.id in by_id}
    if not shared:
        return
    examples = "".join(
        f"\n- {_shortened(task.question)} (trained on from {task.source or 'an unnamed source'}, "
        f"held out from {by_id[key].source or 'an unnamed source'})"
        for key, task in list(shared.items())[:3]
    )
    raise ValueError(
        f"{len(shared)} task(s) are in both the training and the held-out part; take them out of one:{examples}"
    )


def _shortened(question: str) -> str:
    folded = " ".join(question.split())
    return folded if len(folded) <= 120 else folded[:117] + "..."
