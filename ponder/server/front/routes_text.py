"""Routes beside the chat: completions, token ids in and out, tokenize and detokenize."""

from fastapi import FastAPI, Request, Response

from ponder.http.ascii_json import AsciiJson
from ponder.http.hanging_up import unless_gone
from ponder.server.answer.gateway import Gateway
from ponder.server.front.event_stream import STREAMED, EventStream
from ponder.server.front.middleware import log_turn
from ponder.server.replies.text import (
    generate_events,
    generate_response,
    prompts_of,
    text_events,
    text_response,
    token_strings,
)
from ponder.server.replies.whole import whole_answer
from ponder.server.requests.chat import plain_messages
from ponder.server.requests.errors import ApiError, or_refuse
from ponder.server.requests.oversize import refuse_endless_messages
from ponder.server.requests.text import (
    MAX_TOKENIZED,
    CompletionRequest,
    DetokenizeRequest,
    GenerateRequest,
    TokenizeRequest,
)


def add_text_routes(app: FastAPI, gateway: Gateway) -> None:
    renderer = gateway.renderer

    @app.post("/v1/completions", responses=STREAMED)
    async def completions(asked: CompletionRequest, request: Request) -> Response:
        """Text or token ids that are continued, without a chat template."""
        turn = await unless_gone(request, gateway.completion(asked, prompts_of(asked)))
        log_turn(request, turn, asked.stream)
        if asked.stream:
            return EventStream(text_events(asked, turn, renderer))
        pieces = await unless_gone(request, turn.all_pieces())
        return await whole_answer(lambda: text_response(asked, turn, pieces, renderer))

    @app.post("/inference/v1/generate", responses=STREAMED)
    async def generate(asked: GenerateRequest, request: Request) -> Response:
        """vLLM's way of sampling by token ids: nothing is rendered, nothing parsed."""
        turn = await unless_gone(request, gateway.generate(asked))
        log_turn(request, turn, bool(asked.stream))
        request_id = asked.request_id or turn.id
        if asked.stream:
            return EventStream(generate_events(asked, turn, request_id))
        pieces = await unless_gone(request, turn.all_pieces())
        return await whole_answer(lambda: generate_response(asked, turn, pieces, request_id))

    @app.post("/tokenize")
    async def tokenize(asked: TokenizeRequest, request: Request) -> Response:
        """The token ids of a text, or of a conversation as the model would read it."""
        gateway.check_model(asked.model)
        ids = await unless_gone(request, gateway.prepare(asked, lambda: _tokenize(asked, gateway)))
        told = {"count": len(ids), "max_model_len": gateway.lengths.longest, "tokens": ids}
        return AsciiJson(told | {"token_strs": token_strings(ids, renderer) if asked.return_token_strs else None})

    @app.post("/detokenize")
    async def detokenize(asked: DetokenizeRequest, request: Request) -> Response:
        """The text of token ids, special tokens included."""
        gateway.check_model(asked.model)
        if max(asked.tokens, default=0) >= gateway.engine.vocab_size:
            raise ApiError(400, f"there are token ids up to {gateway.engine.vocab_size - 1}", param="tokens")
        text = await unless_gone(request, gateway.prepare(asked, lambda: renderer.decode(asked.tokens)))
        return AsciiJson({"prompt": text})


def _tokenize(asked: TokenizeRequest, gateway: Gateway) -> list[int]:
    renderer = gateway.renderer

    def ids() -> list[int]:
        if asked.prompt is not None:
            return renderer.encode(asked.prompt, asked.add_special_tokens)
        assert asked.messages is not None
        if asked.add_special_tokens and renderer.encode("", add_special_tokens=True):
            raise ValueError("add_special_tokens: the template writes a conversation's special tokens; leave it out")
        messages = plain_messages(asked.messages)
        refuse_endless_messages(messages, renderer, MAX_TOKENIZED)
        tools = [tool.as_sent() for tool in asked.tools or []]
        thinking = (asked.chat_template_kwargs or {}).get("enable_thinking") is not False
        return renderer.render(messages, tools, thinking=thinking, generation_prompt=asked.add_generation_prompt).ids

    return or_refuse(ids, "prompt" if asked.messages is None else "messages")
