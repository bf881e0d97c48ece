"""Any server that speaks OpenAI's API, asked in messages or text: for judges, teachers and evaluations.

A judge asks one thing, `await engine.chat(messages, sampling)`; an evaluation many at a time, `engine.answers(...)`. This
is no `Engine` of token ids, since what most servers tell is text alone; `openai_tokens.OpenAiTokenEngine` is one, over
servers that return token ids.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ponder.engine.openai_http import OpenAiFailure, OpenAiHttp, broken
from ponder.engine.openai_models import ModelCard, read_cards
from ponder.engine.openai_profile import OpenAiProfile, Patience
from ponder.engine.openai_wire import (
    Answer,
    AnswerReader,
    Message,
    TextPiece,
    TextSampling,
    chat_body,
    prompt_body,
)

CHAT, TEXT, MODELS = "/chat/completions", "/completions", "/models"
DEFAULT = TextSampling()


@dataclass(frozen=True)
class Outcome:
    """What became of one of many questions: an answer, or why there is none. `index`: its place among them."""

    index: int
    answer: Answer | None = None
    error: ValueError | OpenAiFailure | None = None


class OpenAiEngine:
    """Belongs to the event loop that first asks it.

    Args:
        concurrent: most requests at a time; further ones wait here
    """

    def __init__(self, profile: OpenAiProfile, *, concurrent: int = 16, patience: Patience = Patience()):  # noqa: B008
        if concurrent < 1:
            raise ValueError(f"concurrent must be at least 1, got {concurrent}")
        self.profile, self.concurrent = profile, concurrent
        self._http = OpenAiHttp(profile, patience, concurrent)

    async def chat(self, messages: Sequence[Message], sampling: TextSampling = DEFAULT) -> Answer:
        """The answer to a conversation.

        Raises:
            ValueError: the server refuses the request.
            OpenAiFailure: (a RuntimeError) it failed, cannot be reached, or sent what is no answer.
        """
        return await self._whole(CHAT, chat_body(messages, sampling, self.profile.model, stream=False))

    async def complete(self, prompt: str, sampling: TextSampling = DEFAULT) -> Answer:
        """What follows a text. Raises as `chat`."""
        return await self._whole(TEXT, prompt_body(prompt, sampling, self.profile.model, stream=False))

    def stream_chat(self, messages: Sequence[Message], sampling: TextSampling = DEFAULT) -> AsyncIterator[TextPiece]:
        """As `chat`, piece by piece; the last has the answer. Closing the iterator hangs up. Once a piece has come
        nothing is asked again."""
        return self._pieces(CHAT, chat_body(messages, sampling, self.profile.model, stream=True))

    def stream_completion(self, prompt: str, sampling: TextSampling = DEFAULT) -> AsyncIterator[TextPiece]:
        """As `complete`, piece by piece, like `stream_chat`."""
        return self._pieces(TEXT, prompt_body(prompt, sampling, self.profile.model, stream=True))

    async def answers(
        self, asked: Iterable[Sequence[Message] | str], sampling: TextSampling = DEFAULT
    ) -> AsyncIterator[Outcome]:
        """Many conversations (or texts to continue), each outcome as it comes, in any order. No more of `asked` is drawn
        than is asked at a time. One that fails is an outcome like others: an evaluation counts it, and never as a wrong
        answer."""
        running: set[asyncio.Task[Outcome]] = set()
        numbered = enumerate(asked)
        try:
            while True:
                while len(running) < self.concurrent and (drawn := next(numbered, None)) is not None:
                    running.add(asyncio.create_task(self._outcome(*drawn, sampling)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def models(self) -> dict[str, ModelCard]:
        """What the server has, by name. Raises as `chat`."""
        async with aclosing(self._http.ask("GET", MODELS)) as chunks:
            async for chunk in chunks:
                cards = read_cards(chunk)
                if cards is not None and all(
                    isinstance(c, dict) and isinstance(c.get("id"), str) for c in chunk["data"]
                ):
                    return cards
        raise broken(self.profile.url + MODELS, "there is no list of models")

    async def close(self) -> None:
        """What is being asked ends with an OpenAiFailure."""
        await self._http.close()

    async def __aenter__(self) -> "OpenAiEngine":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _outcome(self, index: int, asked: Sequence[Message] | str, sampling: TextSampling) -> Outcome:
        try:
            answer = await (self.complete if isinstance(asked, str) else self.chat)(asked, sampling)
            return Outcome(index, answer)
        except (ValueError, OpenAiFailure) as error:
            return Outcome(index, error=error)

    async def _whole(self, path: str, body: dict[str, Any]) -> Answer:
        async with aclosing(self._pieces(path, body)) as pieces:
            async for piece in pieces:
                last = piece
        assert last.answer is not None
        return last.answer

    async def _pieces(self, path: str, body: dict[str, Any]) -> AsyncIterator[TextPiece]:
        reader, url = AnswerReader(), self.profile.url + path
        async with aclosing(self._http.ask("POST", path, body)) as chunks:
            async for chunk in chunks:
                try:
                    piece = reader.read(chunk)
                except (ValueError, TypeError, LookupError, AttributeError) as error:
                    raise broken(url, str(error)) from error
                if piece.text or piece.reasoning:
                    yield piece
        if not reader.begun:
            raise broken(url, "there are no choices")
        if not reader.finish_reason:
            raise OpenAiFailure(f"{url} broke off: its answer has no finish_reason")
        yield TextPiece(answer=reader.answer())
