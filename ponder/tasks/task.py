"""The task: one thing to solve, and the name by which it is the same task everywhere."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, overload


@dataclass(frozen=True)
class Task:
    """One thing to solve.

    `messages` are chat messages (`{"role": ..., "content": ...}`), the last of them the user's.
    `reference` is what the verifier compares with (any JSON value); `verifier` is the verifier's name.
    `source` says where the task came from (a file, a reasoning-gym family), `place` where in it, for messages to people
    ("rows.jsonl, line 12"; "" for a task that was made); `metadata` is whatever else the verifier needs, as JSON.

    >>> Task(({"role": "user", "content": "1+1?"},), domain="math", verifier="math", reference="2").question
    '1+1?'
    """

    messages: tuple[dict, ...]
    domain: str
    verifier: str
    reference: Any
    tools: tuple[dict, ...] = ()
    source: str = ""
    metadata: dict = field(default_factory=dict)
    place: str = field(default="", compare=False)

    @cached_property
    def id(self) -> str:
        """Content hash: 32 hex digits (BLAKE2b, 16 bytes) of the messages with their white space folded.

        The reference is left out on purpose: the same question with another answer is the same task.
        """
        canonical = json.dumps(_fold(list(self.messages)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return blake2b(canonical.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def question(self) -> str:
        """Text of the last user message."""
        return next(m["content"] for m in reversed(self.messages) if m["role"] == "user")

    def to_json(self) -> dict:
        """A JSON value that `from_json` turns back into an equal task."""
        return {
            "id": self.id,
            "messages": list(self.messages),
            "domain": self.domain,
            "verifier": self.verifier,
            "reference": self.reference,
            "tools": list(self.tools),
            "source": self.source,
            "metadata": self.metadata,
        }

    @classmethod
    def from_json(cls, value: dict) -> "Task":
        """The inverse of `to_json`. `id` is recomputed, never trusted."""
        return cls(
            messages=tuple(value["messages"]),
            domain=value["domain"],
            verifier=value["verifier"],
            reference=value["reference"],
            tools=tuple(value.get("tools", ())),
            source=value.get("source", ""),
            metadata=value.get("metadata", {}),
        )


def _fold(value: Any) -> Any:
    """Runs of white space become one space, in every string of a JSON value."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return [_fold(item) for item in value]
    if isinstance(value, dict):
        return {key: _fold(item) for key, item in value.items()}
    return value


class LazyTasks(Sequence[Task]):
    """A sequence of `length` tasks, each made by `make(index)` at the moment it is looked at.

    `at_hand`: they are read from a table, all of which can be looked at, and not generated without end.
    """

    def __init__(self, length: int, make: Callable[[int], Task], source: str, at_hand: bool = False):
        self._length, self._make, self.source, self.at_hand = length, make, source, at_hand

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> list[Task]: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self._make(i) for i in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(f"task {index} of {self._length} in {self.source}")
        return self._make(index % self._length)
