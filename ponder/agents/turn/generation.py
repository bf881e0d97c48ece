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

from ponder.agents.turn.begun_answers import going_on
from ponder.agents.turn.ends import FinishReason, SegmentEnd, ThinkingEnd
from ponder.agents.turn.output_filter import OutputFilter
from ponder.agents.turn.plan import REPETITION, Answer, Piece, Plan, Structure
from ponder.agents.turn.stops import StopText
from ponder.chat.deltas import Delta
from ponder.chat.loops import RepeatDetector
from ponder.chat.parser import OutputParser
from ponder.chat.renderer import Renderer
from ponder.engine.counting import key
from ponder.engine.protocol import Request
from ponder.engine.stream import StreamEngine, Tokens

Kind = Literal["thought", "free", "format", "call"]
# After these the answer is over, whatever the engine would still sample.
OVER = {SegmentEnd.STOP_TEXT, SegmentEnd.REPETITION, SegmentEnd.CALLS_MADE}
# Here the model takes its turn for finished.
FINISHED = {SegmentEnd.TURN_END, SegmentEnd.STOP_ID, SegmentEnd.GRAMMAR_END}


class Generation:
    """One answer in the making. `pieces` yields it, `answer` says how it stands, `end_thinking` may be called meanwhile."""

    def __init__(self, engine: StreamEngine, renderer: Renderer, plan: Plan, parser: OutputParser, name: str):
        self.plan, self.answer = plan, Answer()
        self._engine, self._parser, self._name = engine, parser, name
        self._turn_ends, self._markers = renderer.stop_ids, renderer.markers
        self._structure = plan.structure or Structure()
        self._filter = OutputFilter(StopText(plan.stops, plan.keep_stop), plan.single_call)
        self._loops = RepeatDetector()
        self._sequence: list[int] = []  # what a further segment continues: `answer.ids`, but no stop id in the middle
        self._must_end: ThinkingEnd | None = None
        self._in_call = False  # the next segment writes the JSON of a call
        self._segments = 0
        self._over = False  # ended, or given up by whoever drew from it

    @property
    def thinking(self) -> bool:
        return self._parser.thinking and not self._over

    def end_thinking(self) -> bool:
        """The user has waited long enough: the answer comes after the next token. False where there is no thinking."""
        if self.thinking:
            self._must_end = ThinkingEnd.USER
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
                    self._finish(FinishReason.LENGTH)
                elif self._budget_left() < 1:
                    forced = self._end_thought(ThinkingEnd.BUDGET)
                else:
                    kind = self._kind()
                    async with aclosing(self._segment(kind)) as segment:
                        async for piece in segment:
                            yield piece
                    forced = self._after(kind, self.answer.segment_ends[-1])
            yield Piece(tuple(self._rest()), Tokens((), ()), thinking=False)
        finally:
            self._over = True

    async def _segment(self, kind: Kind) -> AsyncIterator[Piece]:
        """One request to the engine, up to its end or to where it must be cut; then `segment_ends` says why."""
        request = self._request(kind)
        self._segments += 1
        async with aclosing(self._engine.stream(request)) as stream:
            async for tokens in stream:
                if self._segments == 1:
                    self.answer.cached_tokens = max(self.answer.cached_tokens, tokens.cached_tokens)
                piece, end = self._take(tokens, request.params.stop_ids)
                if end is None:
                    yield piece
                    continue
                self.answer.segment_ends.append(end)
                yield piece
                return
        raise RuntimeError(f"the engine broke off request {request.id} without saying why")

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
        elif structure.call is not None and self._markers.tool_call is not None:
            stops = stops | {self._markers.tool_call}
        if kind == "format":
            assert structure.answer is not None
            # A model that may call tools may call one instead of answering, and end its turn when it has.
            mask = structure.answer(stops if self.answer.tool_calls else stops - plan.params.stop_ids)
            mask = going_on(mask, () if self.answer.ids else plan.prompt.answer_ids)
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

    def _take(self, tokens: Tokens, stops: frozenset[int | None]) -> tuple[Piece, SegmentEnd | None]:
        """Read sampled tokens one by one, so that an answer does not depend on how they were cut into pieces. With it,
        why the segment ends here, if it does."""
        deltas: list[Delta] = []
        count, end = 0, None
        for token in tokens.ids:
            count += 1
            self.answer.ids.append(token)
            if token in stops and token in self.plan.params.stop_ids:
                end = SegmentEnd.TURN_END
                if token not in self._turn_ends:
                    end, self.answer.stop_reason = SegmentEnd.STOP_ID, token
                break
            self._sequence.append(token)
            was_thinking = self._parser.thinking
            deltas += self._read((token,))
            # A tag that is written as text ends the thought with no token that could be a stop.
            closed = self.plan.structure is not None and was_thinking and not self._parser.thinking
            if closed:
                end = SegmentEnd.THOUGHT_END
            elif token in stops:
                end = self._marker(token)
            else:
                end = self._cut(token)
            if end:
                break
        else:
            end = self._engine_end(tokens)
        if count < len(tokens.ids):
            tokens = replace(tokens, ids=tokens.ids[:count], logprobs=tokens.logprobs[:count], top=tokens.top[:count])
        return Piece(tuple(deltas), tokens, self._parser.thinking), end

    def _marker(self, token: int) -> SegmentEnd:
        return SegmentEnd.THOUGHT_END if token == self._markers.think_end else SegmentEnd.CALL_BEGIN

    def _engine_end(self, tokens: Tokens) -> SegmentEnd | None:
        """Of a segment that the engine ended, at no stop id."""
        match tokens.finish_reason:
            case None:
                return None
            case "stop":
                return SegmentEnd.GRAMMAR_END
            case "length":
                return SegmentEnd.LENGTH
        raise RuntimeError(f"the engine ended a request with {tokens.finish_reason!r}")

    def _cut(self, token: int) -> SegmentEnd | None:
        """Why the segment has to end after this token, if it has to."""
        loop = self._loops.push((token,)) if self.plan.rescues else None
        if self._parser.thinking:
            if loop:
                self._must_end = self._must_end or ThinkingEnd.LOOP
            if self._parser.wants_stop:
                return SegmentEnd.CALLS_MADE
            if self._must_end in (ThinkingEnd.USER, ThinkingEnd.LOOP):
                return SegmentEnd(self._must_end)
            if self._budget_left() < 1:
                return SegmentEnd.BUDGET if self._room() > 0 else SegmentEnd.LENGTH
            return None
        if self._filter.stop is not None:
            self.answer.stop_reason = self._filter.stop
            return SegmentEnd.STOP_TEXT
        if loop:
            self.answer.stop_reason = REPETITION
            return SegmentEnd.REPETITION
        return SegmentEnd.CALLS_MADE if self.plan.single_call and self.answer.tool_calls else None

    def _after(self, kind: Kind, end: SegmentEnd) -> tuple[int, ...]:
        """What follows a segment: the ids to force before the next one, or the end of the answer."""
        if end in OVER:
            return self._finish(FinishReason.STOP)
        if self._parser.thinking:
            return self._after_thought(end)
        if end is SegmentEnd.THOUGHT_END:
            return self._opening(gap=True)
        if end is SegmentEnd.CALL_BEGIN:
            self._in_call = True
            return self._structure.call_open[1:]
        if end is SegmentEnd.GRAMMAR_END and kind == "call":
            self._in_call = False
            return self._structure.call_close
        if end is SegmentEnd.LENGTH and kind == "thought":
            return ()  # the request was as long as the budget, and the answer goes on
        return self._finish(FinishReason.STOP if end in FINISHED else FinishReason.LENGTH)

    def _after_thought(self, end: SegmentEnd) -> tuple[int, ...]:
        if end in FINISHED:
            # What was asked for in a form is still missing.
            owed = self._structure.answer or self._structure.must_call
            if owed and not self._parser.held_calls:
                return self._end_thought(ThinkingEnd.MODEL, self._structure.close)
            return self._finish(FinishReason.STOP)
        if self._room() < 1:
            return self._finish(FinishReason.LENGTH)
        return self._end_thought(self._must_end or ThinkingEnd.BUDGET)

    def _end_thought(self, why: ThinkingEnd, phrase: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """The ids that end it from outside; calls that it has made already are made instead."""
        self._must_end = why
        forced = (*(self.plan.end_phrase if phrase is None else phrase), *self._opening())
        if self._parser.held_calls:
            return self._finish(FinishReason.STOP)
        return forced if len(forced) < self._room() else self._finish(FinishReason.LENGTH)

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
            self._finish(FinishReason.STOP)
        return Piece(tuple(deltas), tokens, self._parser.thinking, forced=True)

    def _read(self, ids: tuple[int, ...], forced: bool = False) -> list[Delta]:
        was_thinking = self._parser.thinking
        deltas = self._filter.push(self._parser.push(ids))
        if was_thinking and not self._parser.thinking:
            self.answer.thinking_end = self._must_end if forced else ThinkingEnd.MODEL
            self._loops = RepeatDetector()
        self.answer.reasoning_tokens, self.answer.tool_calls = self._parser.reasoning_tokens, self._filter.calls
        return deltas

    def _finish(self, reason: FinishReason) -> tuple[int, ...]:
        if self._parser.thinking:
            cut_off = reason is FinishReason.LENGTH
            self.answer.thinking_end = ThinkingEnd.LENGTH if cut_off else self._must_end or ThinkingEnd.MODEL
        self.answer.finish_reason = reason
        return ()

    def _rest(self) -> list[Delta]:
        """What was held back until the end."""
        answer = self.answer
        deltas = self._filter.push(self._parser.finish()) + self._filter.finish()
        answer.tool_calls = self._filter.calls
        if self._filter.stop is not None:
            answer.stop_reason, answer.finish_reason = self._filter.stop, FinishReason.STOP
        if answer.tool_calls and answer.finish_reason is FinishReason.STOP:
            answer.finish_reason = FinishReason.TOOL_CALLS
        answer.tool_call_errors = tuple(self._parser.tool_call_errors)
        return deltas
