"""The route of OpenAI's Responses API."""

from fastapi import FastAPI, Request, Response

from ponder.http.hanging_up import unless_gone
from ponder.server.answer.gateway import Gateway
from ponder.server.front.event_stream import STREAMED, EventStream
from ponder.server.front.middleware import caller_name, log_turn
from ponder.server.replies.responses import ResponseBuilder, whole_response
from ponder.server.replies.whole import whole_answer
from ponder.server.requests.responses import ResponsesRequest, to_chat


def add_responses_routes(app: FastAPI, gateway: Gateway) -> None:
    @app.post("/v1/responses", responses=STREAMED)
    async def responses(asked: ResponsesRequest, request: Request) -> Response:
        """A turn of a conversation as output items: reasoning, messages and function calls. Nothing is stored."""
        turn = await unless_gone(request, gateway.chat(to_chat(asked), caller_name(request), "resp_"))
        log_turn(request, turn, bool(asked.stream))
        headers = {"x-warning": turn.prepared.warning} if turn.prepared.warning else {}
        builder = ResponseBuilder(asked, turn, gateway.renderer)
        if asked.stream:
            return EventStream(builder.events(), headers)
        (pieces,) = await unless_gone(request, turn.all_pieces())
        return await whole_answer(lambda: whole_response(builder, pieces), headers=headers)
