"""An engine that writes what a test says, so that a test can say what comes of it."""

import asyncio
from collections.abc import AsyncIterator, Callable

from ponder.chat.renderer import Renderer
from ponder.engine.protocol import Request
from ponder.engine.stream import EngineLoad, Tokens


class Scripted:
    """A `StreamEngine`. `reply` maps the text of everything so far to what the model would write next; at its end the
    model ends its turn, but not after the text in its attribute `without_end`. `piece`: tokens in each piece. `pause`: awaited before each piece, where a test wants to hold it.
    """

    exact, about = False, None

    def __init__(self, renderer: Renderer, reply: Callable[[str], str], piece: int = 1, context: int = 4096):
        self.renderer, self.reply, self.piece = renderer, reply, piece
        self.context, self.rope_factors, self.vocab_size = context, (1.0, 2.0), renderer.vocab_size
        self.longest = int(context * self.rope_factors[-1])
        self.requests: list[Request] = []
        self.running = 0
        self.pause: Callable[[], asyncio.Future] | None = None
        self.failure: Exception | None = None

    def check(self, request: Request) -> None:
        if len(request.prompt) + request.params.max_tokens > self.longest:
            raise ValueError(f"request {request.id}: more than {self.longest} tokens")

    async def stream(self, request: Request) -> AsyncIterator[Tokens]:
        self.requests.append(request)
        text, params = self.reply(self.renderer.decode(request.prompt)), request.params
        ids = self.renderer.encode(text)
        if text != getattr(self.reply, "without_end", None):
            ids.append(self.renderer.turn_end)
        ends = [place for place, token in enumerate(ids) if token in params.stop_ids]
        ids = ids[: min([ends[0] + 1 if ends else len(ids), params.max_tokens])]
        masked = request.mask is not None and not params.stop_ids  # ends with its grammar
        reason = "stop" if masked or ids[-1] in params.stop_ids else "length"
        self.running += 1
        try:
            for start in range(0, len(ids), self.piece):
                if self.pause:
                    await self.pause()
                if self.failure and start:
                    raise self.failure
                part = tuple(ids[start : start + self.piece])
                last = start + self.piece >= len(ids)
                top = tuple(((token, -0.5),) for token in part) if params.top_logprobs else ()
                yield Tokens(part, (-0.5,) * len(part), top, reason if last else None, 0 if start else 7)
        finally:
            self.running -= 1

    def load(self) -> EngineLoad:
        return EngineLoad(running=self.running)

    async def close(self) -> None:
        """Nothing is open."""
