"""The one way from requests to an engine, for the HTTP routes and for whoever asks in the same process.

gateway = Gateway(engine, renderer, "my-model", defaults)
turn = await gateway.chat(ChatRequest(model="my-model", messages=[...]))
async with aclosing(turn.pieces()) as pieces:        # closing it stops the sampling and frees the engine
    async for choice, piece in pieces:
        ...                                          # piece.deltas: reasoning, content, tool calls
turn.generations[0].answer                           # finish_reason, thinking_end, reasoning_tokens, ...
gateway.end_thinking(turn.id)                        # "answer now", from anywhere in the event loop
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from ponder.agents.turn.generation import Generation
from ponder.agents.turn.plan import Piece
from ponder.chat.renderer import Renderer
from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.stream import StreamEngine
from ponder.server.answer.metrics import Metrics
from ponder.server.answer.plain import PlainParser
from ponder.server.answer.planning import Lengths, Planner, Prepared
from ponder.server.answer.whole import refuse_large_answers
from ponder.server.requests.chat import ChatRequest
from ponder.server.requests.errors import ApiError
from ponder.server.requests.oversize import is_long
from ponder.server.requests.text import CompletionRequest, GenerateRequest

T = TypeVar("T")


class Gateway:
    """A model behind an engine. `name`: what clients call it. `metrics`: what has been done."""

    def __init__(self, engine: StreamEngine, renderer: Renderer, name: str, defaults: SamplingParams | None = None):
        self.engine, self.renderer, self.name = engine, renderer, name
        self.created = int(time.time())
        self.lengths = Lengths(engine.context, engine.rope_factors, engine.longest)
        self.planner = Planner(renderer, defaults or SamplingParams(), self.lengths, engine.vocab_size)
        self.metrics = Metrics(name, engine.load)
        # One long request is prepared at a time: it takes a core, and short ones are not to wait behind ten of them.
        self._long = ThreadPoolExecutor(1, "ponder-long-requests")
        self._turns: WeakValueDictionary[tuple[str, str], Turn] = WeakValueDictionary()

    async def chat(self, request: ChatRequest, owner: str = "", prefix: str = "chatcmpl-") -> "Turn":
        """A turn of a conversation, of which nothing is sampled before its pieces are drawn.

        `owner`: who asks; only who has the same name may end its thinking. `prefix`: of the turn's id.

        Raises:
            ApiError: the request cannot be answered.
        """
        self.check_model(request.model)
        prepared = await self.prepare(request, lambda: self._checked(self.planner.chat(request)))
        turn = self._turn(prefix, prepared, lambda: prepared.parser(self.renderer), request.stream)
        self._turns[owner, turn.id] = turn
        return turn

    async def completion(self, request: CompletionRequest, prompts: Sequence[str | list[int]]) -> "Turn":
        """Prompts that are continued: n answers to each, in order. Raises ApiError."""
        self.check_model(request.model)
        prepared = await self.prepare(
            request, lambda: [self._checked(self.planner.completion(request, prompt)) for prompt in prompts]
        )
        plans = tuple(plan for one in prepared for plan in one.plans)
        return self._turn("cmpl-", Prepared(plans), lambda: PlainParser(self.renderer), request.stream)

    async def generate(self, request: GenerateRequest) -> "Turn":
        """Token ids that are continued. Raises ApiError."""
        self.check_model(request.model)
        prepared = await self.prepare(request, lambda: self._checked(self.planner.generate(request)))
        return self._turn("generate-", prepared, lambda: PlainParser(self.renderer), bool(request.stream))

    async def prepare(self, request: Any, make: Callable[[], T]) -> T:
        """What `make` computes from a request, in a thread: one for all requests that take long."""
        return await asyncio.get_running_loop().run_in_executor(self._long if is_long(request) else None, make)

    def end_thinking(self, turn_id: str, owner: str = "") -> bool | None:
        """Let a running turn answer now. False where it is not thinking (any more), None where there is no such turn."""
        turn = self._turns.get((owner, turn_id))
        if turn is None:
            return None
        ended = [generation.end_thinking() for generation in turn.generations]
        return any(ended)

    def check_model(self, name: str | None) -> None:
        if name is not None and name != self.name:
            raise ApiError(
                404,
                f"The model `{name[:100]}` does not exist here; there is `{self.name}`.",
                code="model_not_found",
                param="model",
            )

    def _checked(self, prepared: Prepared) -> Prepared:
        """Refuse what the engine can never run before an answer, perhaps a stream, has begun. Raises ApiError."""
        plan = prepared.plans[0]  # the others differ in their seeds
        request = Request("it", tuple(plan.prompt.ids), plan.params, plan.seed, plan.rope_factor)
        try:
            self.engine.check(request)
        except ValueError as error:
            raise ApiError(400, str(error).removeprefix("request it: ")) from error
        return prepared

    def _turn(self, prefix: str, prepared: Prepared, make_parser: Callable[[], Any], stream: bool) -> "Turn":
        if not stream:
            refuse_large_answers(prepared.plans)
        name = prefix + secrets.token_hex(12)
        generations = [
            Generation(self.engine, self.renderer, plan, make_parser(), f"{name}/{choice}")
            for choice, plan in enumerate(prepared.plans)
        ]
        return Turn(name, prepared, generations, self.metrics)


class Turn:
    """The answers to one request, all of them in the making at the same time."""

    def __init__(self, turn_id: str, prepared: Prepared, generations: list[Generation], metrics: Metrics):
        self.id, self.prepared, self.generations = turn_id, prepared, generations
        self.created = int(time.time())
        self._metrics = metrics

    async def pieces(self) -> AsyncIterator[tuple[int, Piece]]:
        """Pieces with the number of their answer. Closing the iterator frees all rows at once.

        Raises:
            ApiError: the engine cannot do it, or has failed.
        """
        for plan in {id(generation.plan.prompt): generation.plan for generation in self.generations}.values():
            self._metrics.prompt_tokens.inc(len(plan.prompt.ids))
            self._metrics.request_prompt.observe(len(plan.prompt.ids))
        try:
            if len(self.generations) == 1:
                async with aclosing(self._measured(self.generations[0])) as pieces:
                    async for piece in pieces:
                        yield 0, piece
                return
            async with aclosing(_together([self._measured(generation) for generation in self.generations])) as pieces:
                async for numbered in pieces:
                    yield numbered
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        except RuntimeError as error:
            raise ApiError(500, str(error)) from error

    async def all_pieces(self) -> list[list[Piece]]:
        """By answer, when all have ended. Raises ApiError."""
        collected: list[list[Piece]] = [[] for _ in self.generations]
        async with aclosing(self.pieces()) as pieces:
            async for choice, piece in pieces:
                collected[choice].append(piece)
        return collected

    def usage(self) -> dict[str, Any]:
        """In OpenAI's form, with the YaRN factor as an extension. Valid at any time."""
        answers = [generation.answer for generation in self.generations]
        prompts = {id(plan.prompt): len(plan.prompt.ids) for plan in self.prepared.plans}
        cached = dict.fromkeys(prompts, 0)  # of each prompt, which counts once, however many answers
        for generation in self.generations:
            prompt = id(generation.plan.prompt)
            cached[prompt] = max(cached[prompt], generation.answer.cached_tokens)
        prompt_tokens, completion_tokens = sum(prompts.values()), sum(len(answer.ids) for answer in answers)
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": sum(cached.values())},
            "completion_tokens_details": {"reasoning_tokens": sum(answer.reasoning_tokens for answer in answers)},
            "rope_factor": max(plan.rope_factor for plan in self.prepared.plans),
        }

    def summary(self) -> dict[str, Any]:
        """For a log: counts and reasons, no text."""
        answers = [generation.answer for generation in self.generations]
        usage = self.usage()
        return {
            "prompt_tokens": usage["prompt_tokens"],
            "completion_tokens": usage["completion_tokens"],
            "reasoning_tokens": usage["completion_tokens_details"]["reasoning_tokens"],
            "cached_tokens": usage["prompt_tokens_details"]["cached_tokens"],
            "rope_factor": usage["rope_factor"],
            "finish_reasons": [answer.finish_reason for answer in answers],
            "reasoning_stop_reasons": [answer.thinking_end for answer in answers],
        }

    async def _measured(self, generation: Generation) -> AsyncIterator[Piece]:
        metrics, answer = self._metrics, generation.answer
        metrics.yarn_factor(f"{generation.plan.rope_factor:g}").inc()
        begun = before = first = time.monotonic()
        thought_first = generation.thinking
        sampled, answering = 0, False
        try:
            async with aclosing(generation.pieces()) as pieces:
                async for piece in pieces:
                    now, count = time.monotonic(), len(piece.tokens.ids)
                    if count and not sampled:
                        first = now
                        metrics.first_token.observe(now - begun)
                    elif count:
                        metrics.between_tokens.observe((now - before) / count)
                    if count and not piece.thinking and not answering:
                        answering = True
                        metrics.first_answer.observe(now - begun)
                        if thought_first:
                            metrics.thinking.observe(now - begun)
                    if count:
                        sampled, before = sampled + count, now
                    yield piece
        finally:
            metrics.generation_tokens.inc(len(answer.ids))
            metrics.reasoning_tokens.inc(answer.reasoning_tokens)
            metrics.answer_tokens.inc(len(answer.ids) - answer.reasoning_tokens)
            metrics.request_success(answer.finish_reason or "abort").inc()
            if answer.finish_reason:
                metrics.whole.observe(time.monotonic() - begun)
                metrics.request_generation.observe(len(answer.ids))
                metrics.decode.observe(before - first)
                if sampled > 1:
                    metrics.per_token.observe((before - first) / (sampled - 1))
            if answer.thinking_end:
                metrics.reasoning_stop(answer.thinking_end).inc()
            metrics.tool_calls("made").inc(answer.tool_calls)
            metrics.tool_calls("broken").inc(len(answer.tool_call_errors))


async def _together(streams: Sequence[AsyncIterator[Piece]]) -> AsyncIterator[tuple[int, Piece]]:
    """Whatever comes next from any of them. No more than one piece of each waits, so that a slow reader slows them all."""
    pending: dict[asyncio.Task, int] = {}
    try:
        for number, stream in enumerate(streams):
            pending[asyncio.ensure_future(anext(stream, None))] = number
        while pending:
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=pending.__getitem__):
                number = pending.pop(task)
                piece = task.result()
                if piece is not None:
                    yield number, piece
                    pending[asyncio.ensure_future(anext(streams[number], None))] = number
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for stream in streams:
            await stream.aclose()
