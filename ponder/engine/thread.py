"""The local engine in a thread of its own, for a server: many streams on event loops, one batch."""

import asyncio
import itertools
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from ponder.engine.histograms import empty_histograms
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Completion, Request
from ponder.engine.stream import EngineLoad, Tokens

# The engine lets go of the interpreter with every operation on tensors, and wants it back at once. Python's own 5 ms, in
# which an event loop that is busy need not give it, made steps twice as long.
SWITCH_S = 0.0002


class ThreadedEngine:
    """A `StreamEngine` over a `LocalEngine`, which from then on is the thread's alone.

    Commands (begin, drop) wait in a queue and are taken between two steps. Pieces go back to the event loops in one
    call for each loop and step; a reader that is slow finds all that was sampled meanwhile in one piece. Making one sets
    how often Python's threads take turns, for the whole process.
    """

    def __init__(self, engine: LocalEngine, about: str | None = None):
        """about: a sentence on what it takes, for whoever starts it"""
        self.engine, self.about, self.exact = engine, about, engine.forms.exact
        self.limits = engine.limits
        self.context, self.rope_factors = self.limits.context, self.limits.rope_factors
        self.longest = self.limits.longest
        self.vocab_size = self.limits.vocab_size
        self.numbers = itertools.count()
        self.changed = threading.Condition()  # guards what follows
        self.begun: deque[_Stream] = deque()
        self.dropped: deque[_Stream] = deque()
        self.failure: str | None = None
        self.closing = False
        self.live: dict[int, _Stream] = {}  # the thread's own, as the next
        self.histograms = empty_histograms()
        self.published = EngineLoad(histograms=empty_histograms())
        self.thread = threading.Thread(target=self._run, name="ponder-engine", daemon=True)
        sys.setswitchinterval(SWITCH_S)
        self.thread.start()

    def check(self, request: Request) -> None:
        self.limits.check([request])

    async def stream(self, request: Request) -> AsyncIterator[Tokens]:
        self.check(request)
        # Two clients may choose one id: inside, every stream has a number.
        stream = _Stream(replace(request, id=next(self.numbers)), asyncio.get_running_loop())
        self._begin(stream)
        try:
            while True:
                piece = await stream.next()
                yield piece
                if piece.finish_reason:
                    return
        finally:
            self._drop(stream)

    def load(self) -> EngineLoad:
        with self.changed:
            waiting = self.published.waiting + len(self.begun)
            return replace(self.published, waiting=waiting, failure=self.failure)

    async def close(self) -> None:
        with self.changed:
            self.closing = True
            self.changed.notify()
        await asyncio.to_thread(self.thread.join)

    def _begin(self, stream: "_Stream") -> None:
        with self.changed:
            if self.failure or self.closing:
                raise RuntimeError(self.failure or "the engine is closed")
            self.begun.append(stream)
            self.changed.notify()

    def _drop(self, stream: "_Stream") -> None:
        with self.changed:
            if not stream.over:
                self.dropped.append(stream)
                self.changed.notify()

    # ---- in the thread ----

    def _run(self) -> None:
        failure = "the engine is closed"
        try:
            while self._take_commands():
                busy = self.engine.busy
                self.engine.step()
                if busy:
                    self.histograms["iteration_tokens_total"].observe(self.engine.step_tokens)
                self._deliver()
        except BaseException as error:  # whatever it was: streams must not wait for a thread that is gone
            logging.getLogger(__name__).exception("the engine has failed")
            failure = f"the engine has failed: {type(error).__name__}: {error}"
        with self.changed:
            self.failure = failure
            left = [*self.live.values(), *self.begun]
            self.begun.clear()
            self.published = EngineLoad()
        _post([(stream, None, failure) for stream in left])
        self.live.clear()
        self.engine.close()

    def _take_commands(self) -> bool:
        """Wait for something to do; False when closing."""
        with self.changed:
            while not (self.closing or self.begun or self.dropped or self.live):
                self.changed.wait()
            begun, dropped = list(self.begun), list(self.dropped)
            self.begun.clear()
            self.dropped.clear()
            if self.closing:
                self.begun.extend(begun)
                return False
        self.live |= {stream.request.id: stream for stream in begun}  # all of them before one fails: each hears of it
        for stream in begun:
            (stream.completion,) = self.engine.submit([stream.request])
        for stream in dropped:
            if self.live.pop(stream.request.id, None):
                self.engine.abort(stream.request.id)
        self._publish()
        return True

    def _deliver(self) -> None:
        """Post what the last step sampled, and forget who has finished."""
        posts: list[_Post] = []
        for stream in list(self.live.values()):
            completion = stream.completion
            self._time(stream)
            piece = stream.cut()
            if piece and completion.error:
                piece = replace(piece, finish_reason=None)  # it ends with the error, not with what was sampled before
            if piece or completion.error:
                posts.append((stream, piece, completion.error))
            if completion.finish_reason:
                del self.live[stream.request.id]
        for stream in _post(posts):
            if self.live.pop(stream.request.id, None):
                self.engine.abort(stream.request.id)
        self._publish()

    def _time(self, stream: "_Stream") -> None:
        """Note how long a request has taken: once, at its first token, and again at its last."""
        completion, now = stream.completion, time.perf_counter()
        if completion.let_in is None or not completion.ids:
            return
        if not stream.sent:
            self.histograms["request_queue_time_seconds"].observe(completion.let_in - stream.arrived_at)
            self.histograms["request_prefill_time_seconds"].observe(now - completion.let_in)
        if completion.finish_reason:
            self.histograms["request_inference_time_seconds"].observe(now - completion.let_in)

    def _publish(self) -> None:
        engine, blocks = self.engine, self.engine.blocks
        with self.changed:
            self.published = EngineLoad(
                running=sum(sequence.decodes for sequence in engine.running),
                waiting=len(engine.waiting) + sum(not sequence.decodes for sequence in engine.running),
                cache_use=blocks.used / blocks.count,
                prefix_queries=blocks.queries if blocks.keep else 0,
                prefix_hits=blocks.hits,
                preemptions=engine.scheduler.preemptions,
                histograms={name: histogram.copy() for name, histogram in self.histograms.items()},
            )


@dataclass(eq=False)
class _Stream:
    """One request on its way: `completion` and `cut` are the thread's, `take` and `next` the event loop's."""

    request: Request
    loop: asyncio.AbstractEventLoop
    completion: Completion = field(init=False)
    arrived_at: float = field(default_factory=time.perf_counter)
    sent: int = 0
    arrived: list[Tokens] = field(default_factory=list)
    failure: str | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False  # the thread knows it no more

    def cut(self) -> Tokens | None:
        """What was sampled since the last cut."""
        completion, start = self.completion, self.sent
        if len(completion.ids) == start:
            return None
        self.sent = len(completion.ids)
        return Tokens(
            ids=tuple(completion.ids[start:]),
            logprobs=tuple(completion.logprobs[start:]),
            top=tuple(completion.top[start:]),
            finish_reason=completion.finish_reason,
            cached_tokens=0 if start else completion.cached_tokens,
        )

    def take(self, piece: Tokens | None, failure: str | None) -> None:
        if piece:
            self.arrived.append(piece)
        self.failure = failure
        self.over = failure is not None or (piece is not None and piece.finish_reason is not None)
        self.ready.set()

    async def next(self) -> Tokens:
        """What has arrived since the last call. Raises RuntimeError after the last piece of a stream that has failed."""
        await self.ready.wait()
        if self.failure and not self.arrived:
            raise RuntimeError(self.failure)
        if not self.failure:  # else it stays, for the next call
            self.ready.clear()
        pieces, self.arrived = self.arrived, []
        if len(pieces) == 1:
            return pieces[0]
        return Tokens(
            ids=tuple(token for piece in pieces for token in piece.ids),
            logprobs=tuple(logprob for piece in pieces for logprob in piece.logprobs),
            top=tuple(best for piece in pieces for best in piece.top),
            finish_reason=pieces[-1].finish_reason,
            cached_tokens=pieces[0].cached_tokens,
        )


_Post = tuple[_Stream, Tokens | None, str | None]


def _post(posts: list[_Post]) -> list[_Stream]:
    """Hand pieces over to their event loops; returns streams whose loop is gone."""
    gone = []
    by_loop: dict[asyncio.AbstractEventLoop, list[_Post]] = {}
    for post in posts:
        by_loop.setdefault(post[0].loop, []).append(post)
    for loop, own in by_loop.items():
        try:
            loop.call_soon_threadsafe(_take_all, own)
        except RuntimeError:  # closed
            gone += [stream for stream, _, _ in own]
    return gone


def _take_all(posts: list[_Post]) -> None:
    for stream, piece, failure in posts:
        stream.take(piece, failure)
