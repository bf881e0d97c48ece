"""Continuous batching: which sequences the next step works on, who of those that wait is let in, and by which budgets.

- Requests are let in (admitted) by their order of arrival. The first that finds no room holds up those behind it until
  there is: so none starves, and while the cache is full the queue stands.
- A sequence is let in only where all that it may come to need fits, its longest answer included. So none is ever
  preempted: what has been let in runs to its end.
- Without `chunk_tokens` (training), prompts come first, as many as there is room for, and are computed whole.
- With `chunk_tokens` (serving), prefill and decode take turns: between two tokens of a running sequence stand at most so
  many tokens of prompts. One that is longer is computed in chunks (chunked prefill), of what the shorter ones leave; a
  further one waits for it, and shorter ones behind pass.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from ponder.engine.kernels import LENGTH_BUCKET
from ponder.engine.lanes import Reservation, first_tokens, most_tokens
from ponder.engine.prefill import Beginning, beginning_of
from ponder.engine.protocol import Completion, Request

PREFILL_TOKENS = 8_192


@dataclass(frozen=True)
class Step:
    """What one step computes: prompts (prefill), or where there are none, a token of every running sequence (decode).

    Attributes:
        admitted: new sequences, whose prompts are computed whole
        long: the sequence whose prompt is computed in chunks, new or from steps before
        chunk: tokens of its prompt that there is room for in this step; with a long prompt one part is computed at least
    """

    admitted: list[Completion]
    long: Completion | None
    chunk: int

    @property
    def prefill(self) -> bool:
        return bool(self.admitted) or self.long is not None


class Scheduler:
    """The queue of requests, and the budgets.

    Args:
        bounds: of the lanes in which sequences stand (engine/lanes.py)
        token_budget: most tokens of keys and values that those let in may come to need
        max_rows: most sequences that run at a time
        chunk_tokens: most prompt tokens of a step; None: prompts go first and whole, PREFILL_TOKENS of them in a step
        kept: of a request's prompt, tokens whose keys and values need not be computed (prefix cache)
    """

    def __init__(
        self,
        bounds: Sequence[int],
        token_budget: int,
        max_rows: int,
        chunk_tokens: int | None,
        kept: Callable[[Request], int],
    ):
        if max_rows < 1:
            raise ValueError(f"the engine needs max_rows >= 1, got {max_rows}")
        if chunk_tokens is not None and chunk_tokens < LENGTH_BUCKET:
            raise ValueError(f"chunk_tokens must be at least {LENGTH_BUCKET}, got {chunk_tokens}")
        self.bounds, self.token_budget, self.max_rows = bounds, token_budget, max_rows
        self.chunk_tokens, self.kept = chunk_tokens, kept
        self.waiting: deque[Completion] = deque()
        self.prompts_next = True

    def add(self, completions: Iterable[Completion]) -> None:
        self.waiting.extend(completions)

    def drop(self, request_id: Hashable) -> None:
        self.waiting = deque(c for c in self.waiting if c.request.id != request_id)

    def reserved(self, admitted: Iterable[Completion]) -> Reservation:
        """What those that have been let in may come to need."""
        return Reservation(self.bounds, [(first_tokens(c), most_tokens(c)) for c in admitted])

    def next_step(self, running: Sequence[Completion], long: Completion | None) -> Step:
        """
        Args:
            running: sequences that have their prompts' keys and values
            long: the one whose prompt is being computed in chunks
        """
        step = Step([], None, 0)
        if self.prompts_next or not running:
            step = self._admit(running, long)
        self.prompts_next = self.chunk_tokens is None or not step.prefill
        return step

    def _admit(self, running: Sequence[Completion], long: Completion | None) -> Step:
        """Requests in order of arrival, while rows, token budget and one step's worth of prompt tokens allow. The first
        of them of whose prompt more than a chunk is left to compute becomes `long`."""
        prefill_tokens = self.chunk_tokens or PREFILL_TOKENS
        if not self.waiting:
            return Step([], long, prefill_tokens)
        admitted: list[Completion] = []
        passed: list[Completion] = []  # long prompts that wait for the one being computed
        held = self.reserved([*running, *([long] if long else [])])
        prompts: set[Beginning] = set()
        prompt_tokens = 0
        while self.waiting:
            candidate = self.waiting[0]
            prompt = beginning_of(candidate)
            left = len(candidate.request.prompt) - self.kept(candidate.request)
            is_long = self.chunk_tokens is not None and left > self.chunk_tokens
            if is_long and long:
                passed.append(self.waiting.popleft())
                continue
            held.add(first_tokens(candidate), most_tokens(candidate))
            if held.rows > self.max_rows or (held.rows > 1 and held.tokens > self.token_budget):
                break
            if is_long:
                long = self.waiting.popleft()
                continue
            if prompt not in prompts:
                if prompts and prompt_tokens + left > prefill_tokens:
                    break
                prompts.add(prompt)
                prompt_tokens += left
            admitted.append(self.waiting.popleft())
        self.waiting.extendleft(reversed(passed))
        return Step(admitted, long, prefill_tokens - prompt_tokens)
