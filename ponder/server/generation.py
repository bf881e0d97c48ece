"""One answer as a chain of segments, each a request to the engine: thinking policy, stops and structured output.

The engine only turns ids into ids. Whatever is forced (the end of a thought, the markers of a tool call) is appended to
the prompt of a further segment, which a prefix cache makes cheap; so budgets, "answer now", the rescue from loops and
grammars that begin at `</think>` are the same for every engine. A segment begins where

- the thought has to end: budget, user or loop. The end phrase is forced and counts as reasoning;
- the thought has ended and the answer has a grammar, or a tool call has to come;
- a tool call begins whose arguments have a grammar, and after it;
- the first request's max_tokens was only the budget, and the answer is not finished.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Literal

from ponder.chat.deltas import Delta
from ponder.chat.loops import RepeatDetector
from ponder.chat.parser import OutputParser
from ponder.chat.renderer import Renderer
from ponder.engine.counting import key
from ponder.engine.protocol import Request
from ponder.engine.stream import StreamEngine, Tokens
from ponder.server.plan import REPETITION, Answer, FinishReason, Piece, Plan, Structure, ThinkingEnd
from ponder.server.stops import StopText

Kind = Literal["thought", "free", "format", "call"]


class Generation:
    """One answer in the making. `pieces` yields it, `answer` says how it stands, `end_thinking` may be called meanwhile."""

    def __init__(self, engine: StreamEngine, renderer: Renderer, plan: Plan, parser: OutputParser, name: str):
        self.plan, self.answer = plan, Answer()
        self._engine, self._parser, self._name = engine, parser, name
        self._turn_ends, self._markers = renderer.stop_ids, renderer.markers
        self._structure = plan.structure or Structure()
        self._stop = StopText(plan.stops, plan.keep_stop)
        self._loops = RepeatDetector()
        self._sequence: list[int] = []  # what a further segment continues: `answer.ids`, but no stop id in the middle
        self._must_end: ThinkingEnd | None = None
        self._halted = False  # the answer is over, whatever the engine would still sample
        self._in_call = False  # the next segment writes the JSON of a call
        self._segments = 0
        self._over = False  # ended, or given up by whoever drew from it

    @property
    def thinking(self) -> bool:
        return self._parser.thinking and not self._over

    def end_thinking(self) -> bool:
        """The user has waited long enough: the answer comes after the next token. False where there is no thinking."""
        if self.thinking:
            self._must_end = "user"
        return self.thinking

    async def pieces(self) -> AsyncIterator[Piece]:
        """The answer as it is sampled. Closing the iterator frees the engine's row at once.

        Raises:
            ValueError: a request that can never run.
            RuntimeError: the engine has failed.
        """
        forced = () if self._parser.thinking else self._opening()
        try:
            while self.answer.finish_reason is None:
                if forced:
                    yield self._force(forced)
                    forced = ()
                elif self._room() < 1:
                    self._finish("length")
                elif self._budget_left() < 1:
                    forced = self._end_thought("budget")
                else:
                    kind, ended = self._kind(), "length"
                    async with aclosing(self._segment(kind)) as segment:
                        async for piece, ended in segment:  # noqa: B007 (the last `ended` is read below)
                            yield piece
                    forced = self._after(kind, ended)
            yield Piece(tuple(self._rest()), Tokens((), ()), thinking=False)
        finally:
            self._over = True

    async def _segment(self, kind: Kind) -> AsyncIterator[tuple[Piece, str]]:
        """One request to the engine, up to its end or to where it must be cut. With each piece, why it is the last:
        stop, length, marker (a tag at which something begins) or cut; "" where it is not."""
        request = self._request(kind)
        self._segments += 1
        async with aclosing(self._engine.stream(request)) as stream:
            async for tokens in stream:
                if self._segments == 1:
                    self.answer.cached_tokens = max(self.answer.cached_tokens, tokens.cached_tokens)
                piece, ended = self._take(tokens, kind, request.params.stop_ids)
                yield piece, ended
                if ended:
                    return

    def _request(self, kind: Kind) -> Request:
        plan, structure = self.plan, self._structure
        stops, room, mask = plan.params.stop_ids, self._room(), None
        if kind == "thought":
            room = min(room, self._budget_left())
            if plan.structure is not None:
                stops = stops | {self._markers.think_end}
        elif kind == "call":
            assert structure.call is not None
            # The segment ends with the JSON; the closing marker is forced.
            stops, mask = frozenset(), structure.call()
        elif structure.call is not None:
            stops = stops | {self._markers.tool_call}
        if kind == "format":
            assert structure.answer is not None
            # A model that may call tools may call one instead of answering, and end its turn when it has.
            mask = structure.answer(stops if self.answer.tool_calls else stops - plan.params.stop_ids)
        return Request(
            id=(self._name, self._segments),
            prompt=(*plan.prompt.ids, *self._sequence),
            params=replace(plan.params, max_tokens=room, stop_ids=stops),
            seed=key(plan.seed, self._segments) if self._segments else plan.seed,
            rope_factor=plan.rope_factor,
            mask=mask,
            answered=len(self._sequence),
        )

    def _kind(self) -> Kind:
        if self._parser.thinking:
            return "thought"
        if self._in_call:
            return "call"
        return "format" if self._structure.answer else "free"

    def _room(self) -> int:
        return self.plan.params.max_tokens - len(self.answer.ids)

    def _budget_left(self) -> int:
        """Tokens that may still be thought, as far as there is a bound."""
        if not self._parser.thinking or self.plan.budget is None:
            return self._room()
        return self.plan.budget - self._parser.reasoning_tokens

    def _take(self, tokens: Tokens, kind: Kind, stops: frozenset[int | None]) -> tuple[Piece, str]:
        """Read sampled tokens one by one, so that an answer does not depend on how they were cut into pieces."""
        deltas: list[Delta] = []
        count, ended = 0, ""
        for token in tokens.ids:
            count += 1
            self.answer.ids.append(token)
            if token in stops and token in self.plan.params.stop_ids:
                ended = "stop"
                if token not in self._turn_ends:
                    self.answer.stop_reason = token
                break
            self._sequence.append(token)
            was_thinking = self._parser.thinking
            deltas += self._read((token,))
            # A tag that is written as text ends the thought with no token that could be a stop.
            closed = self.plan.structure is not None and was_thinking and not self._parser.thinking
            if ended := "marker" if token in stops or closed else self._cut(token):
                break
        if count < len(tokens.ids):
            tokens = replace(tokens, ids=tokens.ids[:count], logprobs=tokens.logprobs[:count], top=tokens.top[:count])
        return Piece(tuple(deltas), tokens, self._parser.thinking), ended or tokens.finish_reason or ""

    def _cut(self, token: int) -> str:
        """Whether the segment has to end after this token."""
        loop = self._loops.push((token,))
        if self._parser.thinking:
            if loop:
                self._must_end = self._must_end or "loop"
            self._halted = self._parser.wants_stop
            return "cut" if self._halted or self._must_end or self._budget_left() < 1 else ""
        if self._stop.found is not None:
            self.answer.stop_reason = self._stop.found
        elif loop:
            self.answer.stop_reason = REPETITION
        self._halted = bool(self.answer.stop_reason) or (self.plan.single_call and self.answer.tool_calls > 0)
        return "cut" if self._halted else ""

    def _after(self, kind: Kind, ended: str) -> tuple[int, ...]:
        """What follows a segment: the ids to force before the next one, or the end of the answer."""
        if self._halted:
            return self._finish("stop")
        if self._parser.thinking:
            return self._after_thought(ended)
        if kind == "call":
            if ended != "stop":
                return self._finish("length")
            self._in_call = False
            return self._structure.call_close
        if kind == "thought" and ended != "stop":
            return self._opening(gap=True) if ended == "marker" else ()
        if ended == "marker":
            self._in_call = True
            return self._structure.call_open[1:]
        return self._finish("stop" if ended == "stop" else "length")

    def _after_thought(self, ended: str) -> tuple[int, ...]:
        if ended == "stop":
            # The model takes its turn for finished. What was asked for in a form is still missing.
            owed = self._structure.answer or self._structure.must_call
            if owed and not self._parser.held_calls:
                return self._end_thought("model", self._structure.close)
            return self._finish("stop")
        return self._end_thought(self._must_end or "budget") if self._room() > 0 else self._finish("length")

    def _end_thought(self, why: ThinkingEnd, phrase: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """The ids that end it from outside; calls that it has made already are made instead."""
        self._must_end = why
        forced = (*(self.plan.end_phrase if phrase is None else phrase), *self._opening())
        if self._parser.held_calls:
            return self._finish("stop")
        return forced if len(forced) < self._room() else self._finish("length")

    def _opening(self, gap: bool = False) -> tuple[int, ...]:
        """The ids that are forced at the beginning of the answer; `gap`: the model has just closed its thought."""
        structure = self._structure
        if not (structure.answer or structure.must_call):
            return ()
        self._in_call = structure.must_call
        return (*(structure.gap if gap else ()), *(structure.call_open if structure.must_call else ()))

    def _force(self, ids: tuple[int, ...]) -> Piece:
        self.answer.ids += ids
        self._sequence += ids
        deltas = self._read(ids, forced=True)
        certain = tuple(() for _ in ids) if self.plan.params.top_logprobs else ()
        tokens = Tokens(ids, (0.0,) * len(ids), certain)
        if self.plan.single_call and self.answer.tool_calls:
            self._finish("stop")
        return Piece(tuple(deltas), tokens, self._parser.thinking)

    def _read(self, ids: tuple[int, ...], forced: bool = False) -> list[Delta]:
        was_thinking = self._parser.thinking
        deltas = self._shown(self._parser.push(ids))
        if was_thinking and not self._parser.thinking:
            self.answer.thinking_end = self._must_end if forced else "model"
            self._loops = RepeatDetector()
        self.answer.reasoning_tokens = self._parser.reasoning_tokens
        return deltas

    def _shown(self, deltas: list[Delta]) -> list[Delta]:
        """What clients see: content up to a stop string, no more calls than asked for. One that breaks is none."""
        shown = []
        for delta in deltas:
            if delta.kind == "content":
                if text := self._stop.push(delta.text):
                    shown.append(replace(delta, text=text))
                continue
            if delta.index is not None:
                if self._stop.found is not None or (self.plan.single_call and self.answer.tool_calls):
                    continue
                if text := self._stop.flush():
                    shown.append(Delta("content", text))
            shown.append(delta)
            self.answer.tool_calls += delta.kind == "tool_call_end"
        return shown

    def _finish(self, reason: FinishReason) -> tuple[int, ...]:
        if self._parser.thinking:
            self.answer.thinking_end = "length" if reason == "length" else self._must_end or "model"
        self.answer.finish_reason = reason
        return ()

    def _rest(self) -> list[Delta]:
        """What was held back until the end."""
        answer = self.answer
        deltas = self._shown(self._parser.finish())
        if self._stop.found is not None:
            answer.stop_reason, answer.finish_reason = self._stop.found, "stop"
        elif text := self._stop.flush():
            deltas.append(Delta("content", text))
        if answer.tool_calls and answer.finish_reason == "stop":
            answer.finish_reason = "tool_calls"
        answer.tool_call_errors = tuple(self._parser.tool_call_errors)
        return deltas
