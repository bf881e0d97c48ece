"""Calls inside a thought, and what follows them, held back until it is known whether they were drafts."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ponder.chat.tool_calls import ToolCall


class _Candidate(NamedTuple):
    calls: Sequence[ToolCall]
    text: str  # that they are where they turn out to be drafts


class Drafts:
    """`calls`: how many are held; false where nothing is."""

    def __init__(self) -> None:
        self.calls = 0
        self._held: list[_Candidate | str] = []

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(self, calls: Sequence[ToolCall], text: str) -> None:
        self._held.append(_Candidate(calls, text))
        self.calls += len(calls)

    def add(self, text: str) -> None:
        self._held.append(text)

    def made(self) -> Iterator[ToolCall | str]:
        """The calls, and the text between them without the newlines behind a call: the thought is never closed."""
        after_call = False
        for piece in self._take():
            if isinstance(piece, str):
                text = piece.lstrip("\n") if after_call else piece
                after_call = after_call and not text
                yield text
            else:
                after_call = True
                yield from piece.calls

    def dropped(self) -> Iterator[str]:
        """All of it as text: the thought is closed, and they were drafts."""
        return (piece if isinstance(piece, str) else piece.text for piece in self._take())

    def _take(self) -> list[_Candidate | str]:
        held, self._held, self.calls = self._held, [], 0
        return held
