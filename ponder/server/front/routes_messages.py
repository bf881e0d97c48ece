"""The routes of Anthropic's Messages API."""

from fastapi import FastAPI, Request, Response

from ponder.http.ascii_json import AsciiJson
from ponder.http.hanging_up import unless_gone
from ponder.server.answer.gateway import Gateway
from ponder.server.front.event_stream import STREAMED, EventStream
from ponder.server.front.middleware import caller_name, log_turn
from ponder.server.replies.messages import MessageBuilder, whole_message
from ponder.server.replies.whole import whole_answer
from ponder.server.requests.errors import ANTHROPIC, ANTHROPIC_PROBLEMS
from ponder.server.requests.messages import MessagesPrompt, MessagesRequest, to_chat


def add_messages_routes(app: FastAPI, gateway: Gateway) -> None:
    @app.post(ANTHROPIC, responses=STREAMED | ANTHROPIC_PROBLEMS)
    async def messages(asked: MessagesRequest, request: Request) -> Response:
        """A turn of a conversation in Anthropic's form: blocks of thinking, text and tool_use, whole or as a stream."""
        turn = await unless_gone(request, gateway.chat(to_chat(asked), caller_name(request), "msg_"))
        log_turn(request, turn, asked.stream)
        headers = {"x-warning": turn.prepared.warning} if turn.prepared.warning else {}
        builder, request_id = MessageBuilder(asked, turn), request.scope["ponder"].request_id
        if asked.stream:
            return EventStream(builder.events(), headers, lambda error: error.anthropic_event(request_id))
        (pieces,) = await unless_gone(request, turn.all_pieces())
        deltas = [delta for piece in pieces for delta in piece.deltas]
        return await whole_answer(lambda: whole_message(builder, deltas), headers=headers)

    @app.post(f"{ANTHROPIC}/count_tokens", responses=ANTHROPIC_PROBLEMS)
    async def count_tokens(asked: MessagesPrompt, request: Request) -> Response:
        """How many tokens the prompt of such a turn has."""
        gateway.check_model(asked.model)
        chat = to_chat(asked)
        count = await unless_gone(request, gateway.prepare(chat, lambda: gateway.planner.prompt_tokens(chat)))
        return AsciiJson({"input_tokens": count})
