"""Tasks that come more than once, and prompts whose answers contradict each other."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ponder.tasks.task import Task

EXAMPLES = 3


@dataclass(frozen=True)
class Repeats:
    """Among `tasks` tasks: how many `repeated` an earlier one, prompt and reference alike, and how many had the prompt of
    an earlier one and another reference (`contradicting`); of these, where the first few stand: (place of the earlier,
    place of the later)."""

    tasks: int = 0
    repeated: int = 0
    contradicting: int = 0
    examples: tuple[tuple[str, str], ...] = ()

    def remarks(self) -> list[str]:
        """What to tell people: a sentence for each kind that there is."""
        said = []
        if self.repeated:
            said.append(
                f"{self.repeated:,} of {self.tasks:,} tasks are repeated: the same prompt with the same answer came before"
            )
        if self.contradicting:
            shown = "; ".join(f"{earlier} and {later}" for earlier, later in self.examples)
            said.append(
                f"{self.contradicting:,} of {self.tasks:,} tasks contradict an earlier one: the same prompt with another "
                f"answer, such as {shown}. At most one of these answers can be learned"
            )
        return said


def find_repeats(sources: Sequence[Iterable[Task]]) -> Repeats:
    """Repeats within and across sources. A prompt is what `Task.id` is made of; no task counts twice. Takes some 500 bytes
    of memory for each different one."""
    seen: dict[str, dict[bytes, str]] = {}  # by prompt: where each of its references stood first
    tasks = repeated = contradicting = 0
    examples: list[tuple[str, str]] = []
    for source in sources:
        for task in source:
            tasks += 1
            references, reference = seen.setdefault(task.id, {}), _digest(task.reference)
            if reference in references:
                repeated += 1
                continue
            place = task.place or task.source
            if references:
                contradicting += 1
                examples += [(next(iter(references.values())), place)] if len(examples) < EXAMPLES else []
            references[reference] = place
    return Repeats(tasks, repeated, contradicting, tuple(examples))


def _digest(reference: Any) -> bytes:
    """18 and "18 " are one, and so are objects with their keys in another order."""
    if isinstance(reference, list | dict):
        text = json.dumps(reference, sort_keys=True, ensure_ascii=False, default=str)
    else:
        text = " ".join(str(reference).split())
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
