"""Answers of a form that have begun already, in the message that a turn goes on with."""

from collections.abc import Sequence

from torch import Tensor

from ponder.engine.protocol import TokenMask


def going_on(mask: TokenMask, begun: Sequence[int] | None) -> TokenMask:
    """The mask of what follows `begun` in an answer. Raises ValueError where that does not follow the mask."""
    for token in begun or ():
        mask.advance(token)
    return _GoingOn(mask) if begun else mask


class _GoingOn:
    """A mask that has read a beginning. It cannot say in words what it lets through: a grammar written down begins anew."""

    def __init__(self, mask: TokenMask):
        self._mask = mask

    @property
    def finished(self) -> bool:
        return self._mask.finished

    def allowed(self) -> Tensor:
        return self._mask.allowed()

    def advance(self, token: int) -> None:
        self._mask.advance(token)
