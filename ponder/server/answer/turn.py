"""The answers to one request: drawn together, counted, and told in numbers."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from ponder.agents.turn.generation import Generation
from ponder.agents.turn.plan import Piece
from ponder.server.answer.metrics import Metrics
from ponder.server.answer.planning import Prepared
from ponder.server.requests.errors import ApiError


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
            told = sum(error.index is not None for error in answer.tool_call_errors)
            metrics.tool_calls("made").inc(answer.tool_calls - told)
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
