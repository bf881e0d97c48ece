"""One sequence on its way through the local engine: what it holds of the cache, and what is left to compute."""

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from ponder.engine.kernels import BLOCK
from ponder.engine.protocol import Completion

Beginning = tuple[
    float, tuple[int, ...]
]  # a YaRN factor and a prompt: sequences that have both in common have equal keys


@dataclass(eq=False)
class SequenceState:
    """
    Attributes:
        arrival: sequences are let in, and stay in, in the order of these
        version: of the weights that compute it
        table: numbers of the blocks that hold its keys and values, in order (block table), int64
        cached: how many of its tokens are in them
        prefill: tokens that are computed as a prompt, several at a time; those after it one a step, each with all others'
            (decode). That is the prompt, and with it what had been sampled when the sequence was preempted, unless
            the recomputation has to give the same bits
    """

    completion: Completion
    arrival: int
    version: int = 0
    table: array = field(default_factory=lambda: array("q"))
    cached: int = 0
    prefill: int = 0
    _names: list[bytes] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens of the prompt and of the answer so far, the last of which has no keys yet."""
        return len(self.completion.request.prompt) + len(self.completion.ids)

    @property
    def most(self) -> int:
        """Tokens that it may have in the end."""
        return len(self.completion.request.prompt) + self.completion.request.params.max_tokens

    @property
    def decodes(self) -> bool:
        """Whether its next token is computed with everybody's."""
        return self.cached >= self.prefill

    @property
    def beginning(self) -> Beginning:
        return self.completion.request.rope_factor, self.completion.request.prompt

    def tokens(self, start: int, stop: int) -> list[int]:
        prompt, ids = self.completion.request.prompt, self.completion.ids
        edge = len(prompt)
        return [*prompt[start:stop], *ids[max(start - edge, 0) : max(stop - edge, 0)]]

    def token(self, place: int) -> int:
        prompt, ids = self.completion.request.prompt, self.completion.ids
        return prompt[place] if place < len(prompt) else ids[place - len(prompt)]

    def names(self, tokens: int) -> list[bytes]:
        """Of the whole blocks among its first `tokens`: each the digest of all tokens up to its end, of the YaRN factor and
        of the weights' version, so that equal names are equal keys and values."""
        wanted = tokens // BLOCK
        if len(self._names) < wanted:
            start = len(self._names) * BLOCK
            self._names += _chain(self._names[-1] if self._names else self._seed(), self.tokens(start, wanted * BLOCK))
        return self._names[:wanted]

    def _seed(self) -> bytes:
        return f"{self.version} {float(self.completion.request.rope_factor)!r}".encode()


def _chain(name: bytes, tokens: list[int]) -> Iterator[bytes]:
    packed = array("q", tokens).tobytes()
    for start in range(0, len(packed), 8 * BLOCK):
        name = hashlib.blake2b(name + packed[start : start + 8 * BLOCK], digest_size=16).digest()
        yield name


def blocks_for(tokens: int) -> int:
    return -(-tokens // BLOCK)
