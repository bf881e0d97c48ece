"""Continuous batching: what the next step computes, who of those that wait is let in, and who has to go when memory runs
out (admission and preemption).

- Requests are let in by their order of arrival. The first that finds no room holds up those behind it until there is: so
  none starves.
- A sequence is let in by what it holds, not by what it may become: blocks for its prompt, and one to grow for each that
  runs. When memory runs out the youngest is preempted: its blocks go, and it waits, as the first, to be computed again.
  The oldest is never preempted, so there is always one that comes to its end.
- A step computes the next token of every running sequence and beside them prompts of `prompt_tokens` tokens (chunked
  prefill): the short ones whole, in order; of what they leave, the oldest of the longer ones gets a chunk, one part at
  least. A further long one waits for it, and shorter ones behind pass.
- Without `chunk_tokens` (training) no prompt is long.
"""

import bisect
import time
from array import array
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from ponder.engine.blocks import Blocks
from ponder.engine.kernels import BLOCK, LENGTH_BUCKET
from ponder.engine.protocol import Completion
from ponder.engine.sequence import Beginning, SequenceState, blocks_for

PREFILL_TOKENS = 8_192
# Tokens of a part: what attends at a time to a kept or computed beginning has a mask of this many rows.
PART_TOKENS = 256


@dataclass
class Prompt:
    """What a step computes of one prompt.

    Attributes:
        parts: (start, stop) of the tokens that attend together; they depend on the prompt, and what of it was kept, alone
        followers: sequences with the same prompt, which take over its keys and values
    """

    sequence: SequenceState
    parts: list[tuple[int, int]]
    followers: list[SequenceState] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """The prompt from its first token to its last."""
        return self.parts == [(0, self.sequence.prefill)]


@dataclass(frozen=True)
class Step:
    """
    Attributes:
        decode: sequences whose next token is computed
        prompts: parts of prompts; at the end of each its sequence and its followers sample their next token
    """

    decode: list[SequenceState]
    prompts: list[Prompt]

    @property
    def tokens(self) -> int:
        return len(self.decode) + sum(stop - start for prompt in self.prompts for start, stop in prompt.parts)


class Scheduler:
    """
    Args:
        blocks: of the cache
        max_rows: most sequences that run at a time
        chunk_tokens: most prompt tokens of a step; None: prompts are computed whole, PREFILL_TOKENS of them in a step
        exact: a preempted sequence is computed again as it was computed first, token by token; else as one prompt
    """

    def __init__(self, blocks: Blocks, max_rows: int, chunk_tokens: int | None = None, exact: bool = True):
        if max_rows < 1:
            raise ValueError(f"the engine needs max_rows >= 1, got {max_rows}")
        if chunk_tokens is not None and chunk_tokens < LENGTH_BUCKET:
            raise ValueError(f"chunk_tokens must be at least {LENGTH_BUCKET}, got {chunk_tokens}")
        self.blocks, self.max_rows, self.chunk_tokens, self.exact = blocks, max_rows, chunk_tokens, exact
        self.waiting: deque[SequenceState] = deque()
        self.running: list[SequenceState] = []  # by arrival
        self.arrivals = self.version = self.preemptions = 0

    def add(self, completions: Iterable[Completion]) -> None:
        for completion in completions:
            self.waiting.append(SequenceState(completion, self.arrivals, self.version))
            self.arrivals += 1

    def drop(self, request_id: Hashable) -> None:
        """Whoever has this id waits and runs no more."""
        self.waiting = deque(s for s in self.waiting if s.completion.request.id != request_id)
        for sequence in [s for s in self.running if s.completion.request.id == request_id]:
            sequence.completion.finish_reason = "aborted"
            self.leave(sequence)

    def leave(self, sequence: SequenceState) -> None:
        """A sequence runs no more. What it has filled may be kept."""
        self.running.remove(sequence)
        self.filled(sequence)
        self.blocks.release(sequence.table)

    def filled(self, sequence: SequenceState) -> None:
        """Let others find what it has cached so far."""
        if self.blocks.keep and sequence.version == self.version:
            self.blocks.name(sequence.names(sequence.cached), sequence.table)

    def new_weights(self) -> None:
        """What is kept was computed with the old ones."""
        self.version += 1
        self.blocks.forget()

    def next_step(self) -> Step:
        self._grow()
        prompts = self._prompts()
        return Step([sequence for sequence in self.running if sequence.decodes], prompts)

    def _grow(self) -> None:
        """A block for each sequence whose next token begins one, the oldest first."""
        place = 0
        while place < len(self.running):
            sequence = self.running[place]
            if sequence.decodes and sequence.cached == len(sequence.table) * BLOCK:
                while not self.blocks.available and self.running[-1] is not sequence:
                    self._preempt()
                if not self.blocks.available:
                    self._preempt()
                    return
                sequence.table.extend(self.blocks.take(1))
            place += 1

    def _preempt(self) -> None:
        """The youngest gives up its blocks, and waits in front of all others to be computed again."""
        sequence = self.running[-1]
        self.leave(sequence)
        sequence.table, sequence.cached = array("q"), 0
        self.waiting.appendleft(sequence)
        self.preemptions += 1

    def _prompts(self) -> list[Prompt]:
        """Those that are let in, and the chunk of the long one."""
        room = self.chunk_tokens or PREFILL_TOKENS
        long = next((sequence for sequence in self.running if not sequence.decodes), None)
        prompts: dict[Beginning | int, Prompt] = {}
        passed: list[SequenceState] = []  # long prompts that wait for the one being computed
        while self.waiting and len(self.running) < self.max_rows:
            candidate = self.waiting[0]
            kept = self.blocks.find(candidate.names(candidate.length - 1)) if self.blocks.keep else []
            candidate.prefill = len(candidate.completion.request.prompt) if self.exact else candidate.length
            left = max(candidate.prefill - len(kept) * BLOCK, 0)
            is_long = self.chunk_tokens is not None and left > self.chunk_tokens
            if is_long and long:
                passed.append(self.waiting.popleft())
                continue
            leader = None if candidate.completion.ids else prompts.get(candidate.beginning)
            full = not leader and not is_long and bool(prompts) and left > room
            if full or not self._fits(candidate, kept):
                break
            self.waiting.popleft()
            self._let_in(candidate, kept, leader)
            if leader:
                leader.followers.append(candidate)
            elif is_long:
                long = candidate
            elif left:
                parts = _parts(candidate, PART_TOKENS, left) if kept else [(0, left)]
                prompts[candidate.arrival if candidate.completion.ids else candidate.beginning] = Prompt(
                    candidate, parts
                )
                room -= left
        self.waiting.extendleft(reversed(passed))
        if not long:
            return list(prompts.values())
        size = min(PART_TOKENS, self.chunk_tokens or PART_TOKENS)
        return [*prompts.values(), Prompt(long, _parts(long, size, max(room // size, 1) * size))]

    def _fits(self, candidate: SequenceState, kept: list[int]) -> bool:
        need = blocks_for(candidate.length) - len(kept) + self.blocks.unused(kept)
        return need + len(self.running) <= self.blocks.available  # each that runs can grow by one

    def _let_in(self, sequence: SequenceState, kept: list[int], leader: Prompt | None) -> None:
        """Give it its blocks: those that are kept, and new ones."""
        if not sequence.completion.ids:
            sequence.completion.cached_tokens = len(kept) * BLOCK
            sequence.completion.let_in = sequence.completion.let_in or time.perf_counter()
        self.blocks.queries += sequence.length
        self.blocks.hits += len(kept) * BLOCK
        sequence.cached = len(kept) * BLOCK
        if leader and self.blocks.keep:
            kept = list(leader.sequence.table[: sequence.length // BLOCK])
        self.blocks.share(kept)
        sequence.table.extend(kept)
        sequence.table.extend(self.blocks.take(blocks_for(sequence.length) - len(kept)))
        bisect.insort(self.running, sequence, key=lambda running: running.arrival)


def _parts(sequence: SequenceState, size: int, tokens: int) -> list[tuple[int, int]]:
    """The next so many tokens of its prompt, in parts of one size."""
    stop = min(sequence.cached + tokens, sequence.prefill)
    return [(start, min(start + size, stop)) for start in range(sequence.cached, stop, size)]
