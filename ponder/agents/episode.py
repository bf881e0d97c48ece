"""The one agent loop, for serving and for training: a turn of the model, its calls carried out, their results appended as ids, the
next turn; until it answers without a call.

    episode = EpisodeRun(engine, renderer, tools, plan, EpisodeLimits(), "a name")
    async for event in episode.events(): ...     # Piece (of the model's), CallResult
    episode.ledger, episode.end, episode.content

Law 2: what was sampled stays as it is. The prompt of a turn is the ledger so far; a result is cut, never a turn.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ponder.agents.bridge import bridge
from ponder.agents.calling import CallLimits, CallResult, carry_out
from ponder.agents.tools.tool import Tool
from ponder.agents.turn.ends import FinishReason
from ponder.agents.turn.generation import Generation
from ponder.agents.turn.plan import Piece, Plan
from ponder.chat.deltas import text_of
from ponder.chat.parser import OutputParser
from ponder.chat.renderer import Prompt, Renderer
from ponder.chat.tool_calls import ToolCall
from ponder.engine.counting import key
from ponder.engine.stream import StreamEngine, Tokens
from ponder.ledger import Ledger, SpanKind, StopReason


class EpisodeEnd(StrEnum):
    """Why an episode is over."""

    ANSWERED = "answered"
    LENGTH = "length"
    TURNS = "turns"
    CALLS = "calls"
    BROKEN = "broken"

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    EpisodeEnd.ANSWERED: "The model ended a turn without a call.",
    EpisodeEnd.LENGTH: "The episode reached its tokens, or the context was full.",
    EpisodeEnd.TURNS: "The model made calls in the last turn that it may have.",
    EpisodeEnd.CALLS: "The model made more calls than it may make.",
    EpisodeEnd.BROKEN: "A tool was broken, so that the episode says nothing of the model.",
}
UNFINISHED = (EpisodeEnd.LENGTH, EpisodeEnd.TURNS, EpisodeEnd.CALLS)  # without an answer, by the model's own doing
_STOPS = {EpisodeEnd.LENGTH: StopReason.LENGTH, EpisodeEnd.BROKEN: StopReason.ABORTED}  # else the model ended its turn


@dataclass(frozen=True)
class EpisodeLimits:
    """Turns of the model, and calls, of a whole episode; its tokens are the plan's max_tokens, results of tools included."""

    turns: int = 16
    calls: int = 64
    call: CallLimits = field(default_factory=CallLimits)


class EpisodeRun:
    """
    Attributes:
        ledger: all of it, so far
        turns: of the model, begun
        results: of all calls, in order
        content, reasoning: what the last turn said
        last_turn: where in the ledger it begins, and whether inside a thought
        end: why it is over; None before
        failure: what was broken, where something was
    """

    def __init__(
        self,
        engine: StreamEngine,
        renderer: Renderer,
        tools: Sequence[Tool],
        plan: Plan,
        limits: EpisodeLimits,
        name: str,
    ):
        """plan: of the first turn, with the tools in its prompt; its max_tokens are the episode's."""
        self._engine, self._renderer, self._plan, self._limits, self._name = engine, renderer, plan, limits, name
        self._tools = {tool.name: tool for tool in tools}
        self._schemas = [tool.schema for tool in tools]
        self.ledger, self.turns, self.results = Ledger(), 0, list[CallResult]()
        self.content = self.reasoning = ""
        self.last_turn = len(plan.prompt.ids), plan.prompt.thinking_open
        self.end: EpisodeEnd | None = None
        self.failure: str | None = None
        self.ledger.append(SpanKind.PROMPT, plan.prompt.ids)

    async def events(self) -> AsyncIterator[Piece | CallResult]:
        """What happens, as it happens. Closing the iterator frees the engine and gives running calls up.

        Raises:
            ValueError: a request that can never run, or a template to which no turn can be appended.
            RuntimeError: the engine has failed.
        """
        prompt = self._plan.prompt
        while self.end is None:
            calls: list[ToolCall] = []
            generation = self._generation(prompt)
            async with aclosing(self._turn(generation, calls)) as pieces:
                async for piece in pieces:
                    yield piece
            if (end := self._end_after(generation.answer.finish_reason, calls)) is not None:
                self._finish(end)
                return
            results = await carry_out(calls, self._tools, self._limits.call, self._renderer)
            for result in results:
                yield result
            self.results += results
            self.failure = next((result.broken for result in results if result.broken), None)
            if self.failure is not None:
                self._finish(EpisodeEnd.BROKEN)
                return
            next_prompt = self._append(results)
            if next_prompt is None:
                self._finish(EpisodeEnd.LENGTH)
                return
            prompt = next_prompt

    def _finish(self, end: EpisodeEnd) -> None:
        self.end, self.ledger.stop = end, _STOPS.get(end, StopReason.STOP)

    def _generation(self, prompt: Prompt) -> Generation:
        turn, plan = self.turns, self._plan
        self.turns += 1
        plan = replace(
            plan,
            prompt=prompt,
            params=replace(plan.params, max_tokens=self._room()),
            seed=key(plan.seed, "turn", turn) if turn else plan.seed,
        )
        parser = OutputParser(self._renderer, prompt.thinking_open, self._schemas, "act", lenient=True)
        return Generation(self._engine, self._renderer, plan, parser, f"{self._name}/{turn}")

    async def _turn(self, generation: Generation, calls: list[ToolCall]) -> AsyncIterator[Piece]:
        self.content = self.reasoning = ""
        # A turn's end that was sampled stands only where the turn ends with it. Where a call is still owed, the engine goes on
        # without it, and so does the ledger.
        held: Tokens | None = None
        async with aclosing(generation.pieces()) as pieces:
            async for piece in pieces:
                if piece.forced:
                    self.ledger.append(SpanKind.FORCED, piece.tokens.ids)
                    held = None
                elif piece.tokens.ids:
                    sampled, held = _without_end(piece.tokens, self._plan.params.stop_ids)
                    self.ledger.append(SpanKind.POLICY, sampled.ids, sampled.logprobs)
                self.content += text_of(piece.deltas, "content")
                self.reasoning += text_of(piece.deltas, "reasoning")
                calls += [delta.tool_call for delta in piece.deltas if delta.tool_call is not None]
                yield piece
        if held is not None:
            self.ledger.append(SpanKind.POLICY, held.ids, held.logprobs)

    def _end_after(self, reason: FinishReason | None, calls: Sequence[ToolCall]) -> EpisodeEnd | None:
        if reason is FinishReason.LENGTH:
            return EpisodeEnd.LENGTH
        if not calls:
            return EpisodeEnd.ANSWERED
        if len(self.results) + len(calls) > self._limits.calls:
            return EpisodeEnd.CALLS
        return EpisodeEnd.TURNS if self.turns == self._limits.turns else None

    def _append(self, results: Sequence[CallResult]) -> Prompt | None:
        """The results, and with them the prompt of the next turn; None, and nothing appended, where they leave no room for one."""
        next_turn = bridge(
            self._renderer, results, self._schemas, self._plan.thinking or self._plan.prompt.thinking_open
        )
        assert self._renderer.turn_end is not None
        # A turn that was cut where its calls were whole has no end yet.
        end = () if self.ledger.ids[-1] == self._renderer.turn_end else (self._renderer.turn_end,)
        if len(end) + len(next_turn.ids) >= self._room():
            return None
        self.ledger.append(SpanKind.FORCED, end)
        self.ledger.append(SpanKind.TOOL, next_turn.ids)
        self.last_turn = len(self.ledger.ids), next_turn.thinking_open
        return Prompt(list(self.ledger.ids), "", next_turn.thinking_open)

    def _room(self) -> int:
        return self._plan.params.max_tokens - (len(self.ledger.ids) - len(self._plan.prompt.ids))


def _without_end(tokens: Tokens, stop_ids: frozenset[int]) -> tuple[Tokens, Tokens | None]:
    """Sampled tokens, and apart from them the stop id at their end, where there is one."""
    if tokens.ids[-1] not in stop_ids:
        return tokens, None
    return Tokens(tokens.ids[:-1], tokens.logprobs[:-1]), Tokens(tokens.ids[-1:], tokens.logprobs[-1:])
