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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from ponder.agents.turn.generation import Generation
from ponder.agents.turn.lengths import Lengths
from ponder.chat.renderer import Renderer
from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.stream import StreamEngine
from ponder.server.answer.metrics import Metrics
from ponder.server.answer.plain import PlainParser
from ponder.server.answer.planning import Planner, Prepared
from ponder.server.answer.size import refuse_large_answers
from ponder.server.answer.turn import Turn
from ponder.server.requests.chat import ChatRequest
from ponder.server.requests.errors import ApiError
from ponder.server.requests.oversize import is_long
from ponder.server.requests.text import CompletionRequest, GenerateRequest

T = TypeVar("T")


class Gateway:
    """A model behind an engine. `name`: what clients call it; `names`: that and its other names. `metrics`: what has been
    done."""

    def __init__(
        self,
        engine: StreamEngine,
        renderer: Renderer,
        name: str,
        defaults: SamplingParams | None = None,
        other_names: Sequence[str] = (),
    ):
        self.engine, self.renderer, self.name = engine, renderer, name
        self.names = tuple(dict.fromkeys((name, *other_names)))
        self.created = int(time.time())
        self.lengths = Lengths(engine.context, engine.rope_factors, engine.longest)
        self.planner = Planner(renderer, defaults or SamplingParams(), self.lengths, engine.vocab_size)
        self.metrics = Metrics(name, engine.load)
        # One long request is prepared at a time: it takes a core, and short ones are not to wait behind ten of them.
        self._long = ThreadPoolExecutor(1, "ponder-long-requests")
        self._turns: WeakValueDictionary[tuple[str, str], Turn] = WeakValueDictionary()

    async def chat(self, request: ChatRequest, owner: str = "", prefix: str = "chatcmpl-") -> Turn:
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

    async def completion(self, request: CompletionRequest, prompts: Sequence[str | list[int]]) -> Turn:
        """Prompts that are continued: n answers to each, in order. Raises ApiError."""
        self.check_model(request.model)
        prepared = await self.prepare(
            request, lambda: [self._checked(self.planner.completion(request, prompt)) for prompt in prompts]
        )
        plans = tuple(plan for one in prepared for plan in one.plans)
        return self._turn("cmpl-", Prepared(plans), lambda: PlainParser(self.renderer), request.stream)

    async def generate(self, request: GenerateRequest) -> Turn:
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
        if name is not None and name not in self.names:
            there = ", ".join(f"`{one}`" for one in self.names)
            raise ApiError(
                404,
                f"The model `{name[:100]}` does not exist here; there is {there}.",
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

    def _turn(self, prefix: str, prepared: Prepared, make_parser: Callable[[], Any], stream: bool) -> Turn:
        if not stream:
            refuse_large_answers(prepared.plans)
        name = prefix + secrets.token_hex(12)
        generations = [
            Generation(self.engine, self.renderer, plan, make_parser(), f"{name}/{choice}")
            for choice, plan in enumerate(prepared.plans)
        ]
        return Turn(name, prepared, generations, self.metrics)
