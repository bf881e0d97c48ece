"""/v1/responses on the wire: output items (reasoning, message, function_call) and the events that build them."""

import json
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from ponder.chat.deltas import Delta
from ponder.server.answer.turn import Turn
from ponder.server.replies.chat import call_id, errors_told
from ponder.server.requests.errors import ApiError
from ponder.server.requests.responses import ResponsesRequest

# Of an item that holds text: prefix of its id, type of its part, name of its events.
TEXT_ITEMS = {
    "reasoning": ("rs", "reasoning_text", "response.reasoning_text"),
    "content": ("msg", "output_text", "response.output_text"),
}


class ResponseBuilder:
    """Collects the deltas of one answer into a Response, and tells each step as an event.

    One item is open at a time. `output`: the items so far; those that are over have their final form. A call that
    breaks is told as incomplete.
    """

    def __init__(self, request: ResponsesRequest, turn: Turn, model: str):
        self._request, self._turn, self._model = request, turn, model
        self.output: list[dict[str, Any]] = []
        self._open: str | None = None  # kind of the open item: reasoning, content, call
        self._text: list[str] = []
        self._items = 0  # that were told: their places in the stream
        self._events = 0

    async def events(self) -> AsyncIterator[str]:
        """The whole stream; whatever goes wrong in it is its last event."""
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self.response("in_progress"))
        try:
            async with aclosing(self._turn.pieces()) as pieces:
                async for _, piece in pieces:
                    for delta in piece.deltas:
                        for event in self.take(delta):
                            yield event
        except ApiError as error:
            told = {"code": "server_error", "message": str(error)}
            yield self._event("response.failed", response=self.response("failed") | {"error": told})
            return
        for event in self.close():
            yield event
        status = self.status()
        yield self._event(f"response.{status}", response=self.response(status))

    def take(self, delta: Delta) -> Iterator[str]:
        if delta.kind in TEXT_ITEMS:
            if self._open != delta.kind:
                yield from self.close()
                yield from self._open_text(delta.kind)
            self._text.append(delta.text)
            extra = {"logprobs": []} if delta.kind == "content" else {}
            name = TEXT_ITEMS[delta.kind][2]
            yield self._of_item(f"{name}.delta", content_index=0, delta=delta.text, **extra)
        elif delta.kind == "tool_call_start":
            yield from self.close()
            item = {"id": "fc_" + secrets.token_hex(24), "type": "function_call", "call_id": call_id()}
            yield from self._open_item("call", item | {"name": delta.name, "arguments": ""})
        elif delta.kind == "tool_call_arguments":
            self._text.append(delta.text)
            yield self._of_item("response.function_call_arguments.delta", delta=delta.text)
        elif delta.tool_call is not None:
            yield from self.close("completed" if isinstance(delta.tool_call.arguments, dict) else "incomplete")

    def close(self, status: str = "completed") -> Iterator[str]:
        """End the open item, if there is one."""
        if self._open is None:
            return
        item, text, kind = self.output[-1], "".join(self._text), self._open
        self._open, self._text = None, []
        item["status"] = status
        if kind == "call":
            item["arguments"] = text
            if status == "completed":
                name = "response.function_call_arguments.done"
                yield self._of_item(name, name=item["name"], arguments=text)
        else:
            _, _, name = TEXT_ITEMS[kind]
            item["content"] = [_part(kind, text)]
            extra = {"logprobs": []} if kind == "content" else {}
            yield self._of_item(f"{name}.done", content_index=0, text=text, **extra)
            yield self._of_item("response.content_part.done", content_index=0, part=item["content"][0])
        yield self._event("response.output_item.done", output_index=self._items - 1, item=item)

    def status(self) -> str:
        """Of an answer that has ended."""
        return "incomplete" if self._turn.generations[0].answer.finish_reason == "length" else "completed"

    def response(self, status: str) -> dict[str, Any]:
        asked = self._request
        answer = self._turn.generations[0].answer
        params = self._turn.generations[0].plan.params
        return {
            "id": self._turn.id,
            "object": "response",
            "created_at": self._turn.created,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "metadata": asked.metadata or {},
            "model": self._model,
            "output": self.output,
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "reasoning": {"effort": _effort(asked), "summary": None},
            "reasoning_stop_reason": answer.thinking_end,
            "store": False,
            "temperature": params.temperature,
            "text": {"format": {"type": "text"}} if asked.text is None else asked.text.model_dump(by_alias=True),
            "tool_choice": _plain(asked.tool_choice) or "auto",
            "tools": [tool.as_sent() for tool in asked.tools or []],
            "top_p": params.top_p,
            "truncation": "disabled",
            "usage": None if status == "in_progress" else self._usage(),
        } | ({"tool_call_errors": errors_told(answer.tool_call_errors)} if answer.tool_call_errors else {})

    def _usage(self) -> dict[str, Any]:
        usage = self._turn.usage()
        return {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": usage["prompt_tokens_details"],
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": usage["completion_tokens_details"],
            "total_tokens": usage["total_tokens"],
            "rope_factor": usage["rope_factor"],
        }

    def _open_text(self, kind: str) -> Iterator[str]:
        prefix, _, _ = TEXT_ITEMS[kind]
        item: dict[str, Any] = {"id": f"{prefix}_{secrets.token_hex(24)}"}
        if kind == "reasoning":
            item |= {"type": "reasoning", "summary": [], "content": []}
        else:
            item |= {"type": "message", "role": "assistant", "content": []}
        yield from self._open_item(kind, item)
        yield self._of_item("response.content_part.added", content_index=0, part=_part(kind, ""))

    def _open_item(self, kind: str, item: dict[str, Any]) -> Iterator[str]:
        self._open = kind
        self._items += 1
        self.output.append(item | {"status": "in_progress"})
        yield self._event("response.output_item.added", output_index=self._items - 1, item=self.output[-1])

    def _of_item(self, kind: str, **fields: Any) -> str:
        place = {"item_id": self.output[-1]["id"], "output_index": self._items - 1}
        return self._event(kind, **place, **fields)

    def _event(self, kind: str, **fields: Any) -> str:
        body = {"type": kind, "sequence_number": self._events} | fields
        self._events += 1
        return f"event: {kind}\ndata: {json.dumps(body)}\n\n"


def whole_response(builder: ResponseBuilder, deltas: Sequence[Delta]) -> dict[str, Any]:
    """The response of an answer that has ended."""
    for delta in deltas:
        for _ in builder.take(delta):
            continue
    for _ in builder.close():
        continue
    return builder.response(builder.status())


def _effort(asked: ResponsesRequest) -> str | None:
    inside = asked.reasoning.get("effort") if isinstance(asked.reasoning, dict) else None
    return asked.reasoning_effort or inside


def _part(kind: str, text: str) -> dict[str, Any]:
    part = {"type": TEXT_ITEMS[kind][1], "text": text}
    return part | {"annotations": [], "logprobs": []} if kind == "content" else part


def _plain(model: Any) -> Any:
    return model.model_dump() if hasattr(model, "model_dump") else model
