"""Routes of OpenAI's chat completions, and of ending the thinking of one."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from fastapi import FastAPI, Request, Response

from ponder.http.ascii_json import AsciiJson
from ponder.http.hanging_up import unless_gone
from ponder.server.answer.gateway import Gateway
from ponder.server.answer.turn import Turn
from ponder.server.front.event_stream import STREAMED, EventStream
from ponder.server.front.middleware import caller_name, log_turn
from ponder.server.replies.chat import ChatChunks, chat_response
from ponder.server.replies.whole import whole_answer
from ponder.server.requests.chat import ChatRequest, ControlRequest
from ponder.server.requests.errors import ApiError


def add_chat_routes(app: FastAPI, gateway: Gateway) -> None:
    @app.post("/v1/chat/completions", responses=STREAMED)
    async def chat(asked: ChatRequest, request: Request) -> Response:
        """A turn of a conversation: thinking, answer and tool calls, whole or as a stream of events."""
        turn = await unless_gone(request, gateway.chat(asked, caller_name(request)))
        headers = {"x-warning": turn.prepared.warning} if turn.prepared.warning else {}
        log_turn(request, turn, asked.stream)
        if asked.stream:
            return EventStream(_chat_events(asked, turn), headers)
        pieces = await unless_gone(request, turn.all_pieces())
        return await whole_answer(lambda: chat_response(asked, turn, pieces, gateway.renderer), headers=headers)

    async def _chat_events(asked: ChatRequest, turn: Turn) -> AsyncIterator[str]:
        chunks = ChatChunks(asked, turn, gateway.renderer)
        for event in chunks.opening():
            yield event
        async with aclosing(turn.pieces()) as pieces:
            async for choice, piece in pieces:
                for event in chunks.of(choice, piece):
                    yield event
        for event in chunks.closing():
            yield event

    @app.post("/v1/chat/completions/control")
    async def control(asked: ControlRequest, request: Request) -> Response:
        """Ends the thinking of an answer that is being streamed: the model answers now."""
        ended = gateway.end_thinking(asked.id, caller_name(request))
        if ended is None:
            raise ApiError(404, f"there is no running answer {asked.id[:100]!r}", param="id")
        return AsciiJson({"id": asked.id, "success": ended})
