"""What a server asks of an engine: one request in, pieces of its answer out as they are sampled."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ponder.engine.histograms import Histogram
from ponder.engine.protocol import FinishReason, Request


@dataclass(frozen=True)
class Tokens:
    """A piece of one request's output."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]  # one for each id, as in `Completion`
    top: tuple[tuple[tuple[int, float], ...], ...] = ()  # with top_logprobs, for each id, as in `Completion`
    finish_reason: FinishReason | None = None  # on the last piece; "stop" has the stop id at the end of ids
    cached_tokens: int = 0  # of the prompt, taken from the prefix cache; on the first piece


@dataclass(frozen=True)
class EngineLoad:
    """How busy an engine is, for /metrics and /health."""

    running: int = 0  # sequences in the batch
    waiting: int = 0
    cache_use: float = 0.0  # part of the cache's blocks that running sequences hold, 0 to 1
    prefix_queries: int = 0  # tokens of all prompts so far, where a prefix cache is on
    prefix_hits: int = 0  # those of them that the cache held
    preemptions: int = 0  # so far: sequences that gave up their blocks, to be computed again
    failure: str | None = None  # why the engine takes no more requests
    histograms: Mapping[str, Histogram] = field(default_factory=dict)  # by name, of `histograms.ENGINE_HISTOGRAMS`


class StreamEngine(Protocol):
    context: int  # most tokens of prompt and answer at rope_factor 1
    rope_factors: tuple[float, ...]  # those that a request may have, ascending
    longest: int  # most tokens of prompt and answer at any of them: the memory may hold fewer than the factors offer
    vocab_size: int
    exact: bool  # a request with a seed gives the same answer in any company, bit for bit
    about: str | None  # a sentence on what it takes, where it knows

    def check(self, request: Request) -> None:
        """Look at a request and do nothing; computes, waits for nothing, and may be called from any thread.

        Raises:
            ValueError: it can never run; `stream` would say so before its first piece.
        """
        ...

    def stream(self, request: Request) -> AsyncIterator[Tokens]:
        """The answer, piece by piece; the last has a finish_reason. Closing the iterator (aclose, or the cancellation
        of the task that draws from it) frees the sequence's place at once, whether it runs or waits. Ids of requests
        are for messages; two streams may have the same.

        Raises:
            ValueError: before the first piece, a request that can never run.
            RuntimeError: the engine has failed or was closed, or the request's mask has failed.
        """
        ...

    def load(self) -> EngineLoad: ...

    async def close(self) -> None:
        """Stop at once: streams that are open end with a RuntimeError."""
        ...
