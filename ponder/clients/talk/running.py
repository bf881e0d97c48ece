"""An answer in the making: read as it comes, shown a few times a second, stopped at any time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from ponder.clients.talk.client import Asked, Client, WireError
from ponder.clients.talk.conversation import Answer
from ponder.clients.talk.events import Event, after, failed, finished, stopped, thinking_seconds

TICK_S = 0.1  # between two looks at it


class Running:
    """One answer. `answer`: as it stands."""

    def __init__(self, client: Client, asked: Asked, answer: Answer):
        self.answer = answer
        self._client, self._asked = client, asked
        self._task: asyncio.Task | None = None
        self._concluding = False

    async def snapshots(self, resumes: str | None) -> AsyncIterator[Answer]:
        """The answer whenever it has changed, the last one finished. Closing the iterator hangs up."""
        events = self._resumed(conclude=resumes == "conclude") if resumes else self._client.chat(self._asked)
        async for answer in self._followed(events):
            yield answer
        if self._concluding:
            self._concluding = False
            self.answer = replace(self.answer, stopped=None, phase="waiting")
            async for answer in self._followed(self._resumed(conclude=True)):
                yield answer

    def stop(self) -> None:
        """Keeps what has been said."""
        if self._task is not None:
            self._task.cancel()

    async def answer_now(self) -> None:
        """Ends the thinking. Where the server has no way to do that while it samples, it is stopped and asked again."""
        if not await self._told() and self.answer.phase in ("waiting", "thinking"):
            self._concluding = True
            self.stop()

    async def _told(self) -> bool:
        """Whether the server knows of it now."""
        if not self.answer.request_id:
            return False
        try:
            await self._client.end_thinking(self.answer.request_id, self._asked.api_key)
        except WireError:
            return False
        return True

    def _resumed(self, conclude: bool) -> AsyncIterator[Event]:
        return self._client.resume(self._asked, self.answer.thinking, self.answer.content, conclude)

    async def _followed(self, events: AsyncIterator[Event]) -> AsyncIterator[Answer]:
        self._task = asyncio.create_task(self._read(events))
        shown = None
        try:
            while not self._task.done():
                if (look := (self.answer, int(thinking_seconds(self.answer, time.monotonic())))) != shown:
                    shown = look
                    yield self.answer
                await asyncio.wait({self._task}, timeout=TICK_S)
            self._task.result()
            if not (self.answer.stopped and self._concluding):
                yield self.answer
        finally:
            self._task.cancel()

    async def _read(self, events: AsyncIterator[Event]) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    self.answer = after(self.answer, event, time.monotonic())
            self.answer = finished(self.answer, time.monotonic())
        except WireError as error:
            self.answer = failed(self.answer, str(error), time.monotonic())
        except asyncio.CancelledError:  # the user's wish, and no error: the task ends well
            self.answer = stopped(self.answer, time.monotonic())
