"""One browser tab: its conversation, and the answer that is being made for it."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from ponder.clients.page.keeping import restored
from ponder.clients.page.labels import Language, label
from ponder.clients.page.view import Pace, page
from ponder.clients.talk.acts import Act, Opening, begin
from ponder.clients.talk.asking import BadTools, Settings, ask
from ponder.clients.talk.client import Client, WireError
from ponder.clients.talk.conversation import Conversation
from ponder.clients.talk.running import Running


class Session:
    """`language` and `longest` (tokens of the model's context) are what the page is shown with. `key_problem`: what to say
    where the server refuses us for want of a right API key. `asks`: how often the page has asked for an answer; it sees by
    this what has arrived."""

    def __init__(self) -> None:
        self.conversation = Conversation()
        self.language: Language = "en"
        self.longest: int | None = None
        self.key_problem = ""
        self.asks = 0
        self._fresh = True
        self._running: Running | None = None
        self._paces: dict[int, Pace] = {}
        self._number = 0

    async def view(self, problem: str = "") -> dict[str, Any]:
        """What the page shows now. `number` grows, since views may overtake each other on their way to the page."""
        self._number = max(self._number + 1, time.time_ns() // 1000)
        number, state = self._number, (self.conversation, self.language, self.longest)
        # It takes some milliseconds where much is new.
        shown = await asyncio.to_thread(page, *state, problem=problem, paces=dict(self._paces))
        return shown | {"number": number, "asks": self.asks, "key_needed": bool(self.key_problem)}

    async def hello(self, client: Client, settings: Settings) -> str:
        """Asks the server about its model. The problem, where there is one."""
        key = settings.api_key.strip()
        self.key_problem = ""
        try:
            self.longest = await client.longest(key)
        except WireError as error:
            if error.status != 401:
                return str(error)
            self.key_problem = label(self.language, "key_refused" if key else "key_missing")
        return self.key_problem

    def restore(self, kept: object) -> None:
        """Takes up the conversation that a page has kept, if it is the first thing that happens here: the page says it
        again and again until it has been answered. Raises ValueError where that is none."""
        if self._fresh and not self.asks:
            self._fresh = False
            self.conversation = restored(kept)

    async def answers(self, client: Client, act: Act, settings: Settings) -> AsyncIterator[str]:
        """Does what needs the model. Comes by whenever there is something to show, with the problem, or "" for none."""
        if self._running:
            return
        before = self.conversation
        try:
            opening = begin(self.conversation, act)
            if isinstance(opening, Conversation):
                self.conversation = opening
                yield ""
                return
            running = Running(client, self._asked(opening, settings, act), opening.conversation.answer(opening.number))
        except BadTools as error:
            self.conversation = before
            yield label(self.language, "bad_tools", reason=error)
            return
        except ValueError as error:
            yield str(error)
            return
        self.conversation, self._running = opening.conversation, running
        began, first_s = time.monotonic(), 0.0
        try:
            async for answer in running.snapshots(opening.resumes):
                if not first_s and (answer.thinking or answer.content or answer.calls):
                    first_s = time.monotonic() - began
                if answer.phase == "done" and not opening.resumes:
                    self._paces[opening.number] = Pace(first_s, time.monotonic() - began)
                self.conversation = self.conversation.put(opening.number, answer)
                if answer.phase == "done":
                    self._running = None  # whoever sees this may ask at once
                yield self.key_problem if answer.error else ""
        finally:
            # Where the page has gone, the answer is left as it stands.
            running.stop()
            self._running = None

    def show(self, number: int) -> None:
        """Another version of a turn. Raises ValueError where there is none."""
        if not self._running:
            self.conversation = self.conversation.show(number)

    def clear(self) -> None:
        if not self._running:
            self.conversation, self._paces = Conversation(), {}

    def stop(self) -> None:
        if self._running:
            self._running.stop()

    async def answer_now(self) -> None:
        if self._running:
            await self._running.answer_now()

    def _asked(self, opening: Opening, settings: Settings, act: Act):
        return ask(opening.conversation, opening.number, settings, act)
