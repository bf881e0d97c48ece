"""A conversation as a tree of turns: asking again and editing make branches, and nothing that was said is lost."""

from dataclasses import dataclass, replace
from typing import Literal

# Of one conversation: a page that is left to a program must not fill the memory.
MOST_NODES = 2_000
MOST_CHARACTERS = 2_000_000


@dataclass(frozen=True)
class ToolCall:
    """A function that the model wants called. `result`: what came of it, None while nobody has said."""

    id: str
    name: str
    arguments: str = ""
    result: str | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens so far, as the server counts them."""

    prompt: int
    completion: int
    reasoning: int
    rope_factor: float = 1.0

    @property
    def total(self) -> int:
        return self.prompt + self.completion


Phase = Literal["waiting", "thinking", "answering", "done"]
Stopped = Literal["thinking", "answering"]


@dataclass(frozen=True)
class User:
    text: str

    @property
    def size(self) -> int:
        """Characters."""
        return len(self.text)


@dataclass(frozen=True)
class Answer:
    """One turn of the model, finished or in the making.

    `began`, `thought_from`: seconds of a monotonic clock; `thinking_s`: how long it has thought, before and since.
    `finish_reason`, `thinking_end`, `stop_reason`: as the server says them. `stopped`: what it was doing when the user
    stopped it. `error`: why there is no more of it.
    """

    phase: Phase = "waiting"
    request_id: str = ""
    thinking: str = ""
    content: str = ""
    calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    thought_from: float | None = None
    thinking_s: float = 0.0
    finish_reason: str | None = None
    thinking_end: str | None = None
    stop_reason: str | None = None
    stopped: Stopped | None = None
    error: str | None = None
    warning: str | None = None

    @property
    def size(self) -> int:
        """Characters."""
        calls = sum(len(call.name) + len(call.arguments) + len(call.result or "") for call in self.calls)
        return len(self.thinking) + len(self.content) + calls

    @property
    def awaits_results(self) -> bool:
        return any(call.result is None for call in self.calls)

    @property
    def may_go_on(self) -> bool:
        """It was cut off, and can be taken up where it stands."""
        cut = self.stopped is not None or self.finish_reason == "length"
        return self.phase == "done" and cut and not self.calls and bool(self.thinking or self.content)


Turn = User | Answer


@dataclass(frozen=True)
class Node:
    """A turn after another: `parent` is that one's number, None for a first one."""

    parent: int | None
    turn: Turn


@dataclass(frozen=True)
class Conversation:
    """`tip`: the number of the last turn that is shown; its ancestors are shown above it."""

    nodes: tuple[Node, ...] = ()
    tip: int | None = None

    def add(self, parent: int | None, turn: Turn) -> "Conversation":
        """A new turn after `parent`, which is shown from now on. Raises ValueError where there is too much already."""
        if len(self.nodes) >= MOST_NODES:
            raise ValueError(f"a conversation has at most {MOST_NODES} turns: begin a new one")
        if sum(node.turn.size for node in self.nodes) + turn.size > MOST_CHARACTERS:
            raise ValueError(f"a conversation has at most {MOST_CHARACTERS:,} characters: begin a new one")
        return Conversation((*self.nodes, Node(parent, turn)), len(self.nodes))

    def put(self, number: int, turn: Turn) -> "Conversation":
        """The same with another turn in this place."""
        node = replace(self.nodes[number], turn=turn)
        return replace(self, nodes=(*self.nodes[:number], node, *self.nodes[number + 1 :]))

    def turn(self, number: int) -> Turn:
        """Raises ValueError where there is none."""
        if not 0 <= number < len(self.nodes):
            raise ValueError("there is no such turn")
        return self.nodes[number].turn

    def answer(self, number: int) -> Answer:
        """Raises ValueError where it is none."""
        turn = self.turn(number)
        if not isinstance(turn, Answer):
            raise ValueError("this is not an answer")
        return turn

    def path(self, end: int | None = None) -> tuple[int, ...]:
        """The numbers of the turns down to `end`, or to the tip."""
        numbers = []
        number = self.tip if end is None else end
        while number is not None:
            numbers.append(number)
            number = self.nodes[number].parent
        return tuple(reversed(numbers))

    def versions(self, number: int) -> tuple[int, ...]:
        """All turns that stand in the same place, itself among them, oldest first."""
        parent = self.nodes[number].parent
        return tuple(other for other, node in enumerate(self.nodes) if node.parent == parent)

    def show(self, number: int) -> "Conversation":
        """The same, showing this turn and the newest that follows it. Raises ValueError where there is none."""
        self.turn(number)
        tip = number
        while followers := [other for other, node in enumerate(self.nodes) if node.parent == tip]:
            tip = followers[-1]
        return replace(self, tip=tip)
