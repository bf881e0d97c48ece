"""/v1/messages on the wire: Anthropic's blocks (thinking, text, tool_use) and the events that build them.

A call is told when it is whole, as Anthropic tells it: its clients run what stands in a tool_use block, and one that broke
in the middle cannot be taken back. Tools with `eager_input_streaming` are told as the model writes them.
"""

import hashlib
import json
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from ponder.agents.turn.plan import REPETITION
from ponder.chat.deltas import Delta
from ponder.chat.tool_calls import ToolCall
from ponder.server.answer.turn import Turn
from ponder.server.requests.messages import MessagesRequest

# Of a block that holds text: its type, its field, and the type of its deltas.
TEXT_BLOCKS = {
    "reasoning": ("thinking", "thinking", "thinking_delta"),
    "content": ("text", "text", "text_delta"),
}


class MessageBuilder:
    """Collects the deltas of one answer into a message, and tells each step as an event. One block is open at a time.

    `content`: the blocks so far; those that are over have their final form.
    """

    def __init__(self, request: MessagesRequest, turn: Turn):
        self._request, self._turn = request, turn
        eager = request.tools or [] if request.stream else []
        self._eager = {tool.name for tool in eager if tool.eager_input_streaming}
        self.content: list[dict[str, Any]] = []
        self._open: str | None = None  # kind of the open block: reasoning, content, call
        self._text: list[str] = []

    async def events(self) -> AsyncIterator[str]:
        """The whole stream. Raises ApiError."""
        yield _event("message_start", message=self.message())
        async with aclosing(self._turn.pieces()) as pieces:
            async for _, piece in pieces:
                for delta in piece.deltas:
                    for event in self.take(delta):
                        yield event
        for event in self.close():
            yield event
        yield _event("message_delta", delta=self._ending(), usage=self._usage())
        yield _event("message_stop")

    def take(self, delta: Delta) -> Iterator[str]:
        if delta.kind in TEXT_BLOCKS:
            yield from self._take_text(delta)
        elif delta.kind == "tool_call_start":
            yield from self.close()
            if delta.name in self._eager:
                yield from self._open_call(delta.name)
        elif delta.kind == "tool_call_arguments" and self._open:
            self._text.append(delta.text)
            yield self._of_block({"type": "input_json_delta", "partial_json": delta.text})
        elif delta.kind == "tool_call_end":
            assert delta.tool_call is not None
            yield from self._end_call(delta.tool_call)

    def close(self) -> Iterator[str]:
        """End the open block, if there is one."""
        if self._open is None:
            return
        kind, text = self._open, "".join(self._text)
        if kind in TEXT_BLOCKS:
            _, name, _ = TEXT_BLOCKS[kind]
            self.content[-1][name] = text if kind == "content" or self._request.shows_thoughts else ""
        if kind == "reasoning":
            self.content[-1]["signature"] = _signature(text)
            yield self._of_block({"type": "signature_delta", "signature": _signature(text)})
        yield _event("content_block_stop", index=len(self.content) - 1)
        self._open, self._text = None, []

    def message(self) -> dict[str, Any]:
        """As it stands."""
        return {
            "id": self._turn.id,
            "type": "message",
            "role": "assistant",
            "model": self._request.model,
            "content": self.content,
            **self._ending(),
            "usage": self._usage(),
        }

    def _take_text(self, delta: Delta) -> Iterator[str]:
        kind, name, told = TEXT_BLOCKS[delta.kind]
        if self._open != delta.kind:
            yield from self.close()
            signed = {"signature": ""} if delta.kind == "reasoning" else {}
            yield from self._open_block(delta.kind, {"type": kind, name: ""} | signed)
        self._text.append(delta.text)
        if delta.kind == "content" or self._request.shows_thoughts:
            yield self._of_block({"type": told, name: delta.text})

    def _end_call(self, call: ToolCall) -> Iterator[str]:
        """A call that broke is text, behind a block without input where a beginning of it has been told."""
        if not isinstance(call.arguments, dict):
            yield from self.close()
            yield from self._take_text(Delta("content", call.raw))
            return
        if not self._open:
            yield from self._open_call(call.name)
            self._text.append(call.arguments_text)
            yield self._of_block({"type": "input_json_delta", "partial_json": call.arguments_text})
        self.content[-1]["input"] = call.arguments
        yield from self.close()

    def _open_call(self, name: str) -> Iterator[str]:
        block = {"type": "tool_use", "id": f"toolu_{secrets.token_hex(12)}", "name": name, "input": {}}
        yield from self._open_block("call", block)

    def _open_block(self, kind: str, block: dict[str, Any]) -> Iterator[str]:
        self._open = kind
        self.content.append(block)
        yield _event("content_block_start", index=len(self.content) - 1, content_block=block)

    def _of_block(self, delta: dict[str, Any]) -> str:
        return _event("content_block_delta", index=len(self.content) - 1, delta=delta)

    def _ending(self) -> dict[str, Any]:
        answer = self._turn.generations[0].answer
        reason = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", None: None}[
            answer.finish_reason
        ]
        if reason == "tool_use" and not any(block["type"] == "tool_use" for block in self.content):
            reason = "end_turn"  # the calls broke
        if answer.finish_reason == "length" and len(answer.ids) < self._request.max_tokens:
            reason = "model_context_window_exceeded"
        stop = answer.stop_reason if isinstance(answer.stop_reason, str) and answer.stop_reason != REPETITION else None
        return {
            "stop_reason": "stop_sequence" if stop is not None and reason == "end_turn" else reason,
            "stop_sequence": stop,
            "reasoning_stop_reason": answer.thinking_end,
        }

    def _usage(self) -> dict[str, Any]:
        """Anthropic's input_tokens are those that were computed; together the three are the prompt."""
        usage = self._turn.usage()
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        return {
            "input_tokens": usage["prompt_tokens"] - cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"thinking_tokens": usage["completion_tokens_details"]["reasoning_tokens"]},
            "rope_factor": usage["rope_factor"],
        }


def whole_message(builder: MessageBuilder, deltas: Sequence[Delta]) -> dict[str, Any]:
    """The message of an answer that has ended."""
    for delta in deltas:
        for _ in builder.take(delta):
            continue
    for _ in builder.close():
        continue
    return builder.message()


def _signature(thought: str) -> str:
    """Clients look for one. Nothing here asks for it: thoughts of a history are read as they come."""
    return b64encode(hashlib.sha256(thought.encode("utf-8", "surrogatepass")).digest()).decode()


def _event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n"
