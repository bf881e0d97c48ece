"""/v1/responses on the wire: output items (reasoning, message, function_call) and the events that build them."""

import json
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any

from ponder.agents.turn.plan import Piece
from ponder.chat.deltas import Delta
from ponder.chat.renderer import Renderer
from ponder.engine.stream import Tokens
from ponder.server.answer.turn import Turn
from ponder.server.replies.chat import call_id, errors_told, logprob_entries
from ponder.server.requests.errors import ApiError
from ponder.server.requests.responses import ResponsesRequest, seal


@dataclass(frozen=True)
class TextItem:
    """How an item that holds text is told: prefix of its id, type and field of its part, names of its events."""

    prefix: str
    part: str
    field: str
    text_event: str
    part_event: str = "response.content_part"
    index: str = "content_index"


REASONING = TextItem("rs", "reasoning_text", "content", "response.reasoning_text")
# The thought itself, where a client reads summaries only.
SUMMARY = TextItem(
    "rs",
    "summary_text",
    "summary",
    "response.reasoning_summary_text",
    "response.reasoning_summary_part",
    "summary_index",
)
CONTENT = TextItem("msg", "output_text", "content", "response.output_text")


class ResponseBuilder:
    """Collects the deltas of one answer into a Response, and tells each step as an event.

    One item is open at a time. `output`: the items so far; those that are over have their final form. A call that
    breaks is told as incomplete.
    """

    def __init__(self, request: ResponsesRequest, turn: Turn, renderer: Renderer):
        self._request, self._turn, self._renderer = request, turn, renderer
        self._items_of = {"reasoning": SUMMARY if request.tells_summaries else REASONING, "content": CONTENT}
        self._waiting: list[dict[str, Any]] = []  # log-probabilities of tokens whose text has not been told yet
        self._logprobs: list[dict[str, Any]] = []  # those of the open message
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
                    for event in self.take(piece):
                        yield event
        except ApiError as error:
            told = {"code": "server_error", "message": str(error)}
            yield self._event("response.failed", response=self.response("failed") | {"error": told})
            return
        status = self.status()
        for event in self.close(status):
            yield event
        yield self._event(f"response.{status}", response=self.response(status))

    def take(self, piece: Piece) -> Iterator[str]:
        if any(delta.kind == "reasoning" for delta in piece.deltas):
            self._waiting = []
        if self._request.tells_logprobs and not piece.thinking:
            self._waiting += logprob_entries(_of_answer(piece.tokens, self._renderer), self._renderer)
        for delta in piece.deltas:
            yield from self._take(delta)

    def _take(self, delta: Delta) -> Iterator[str]:
        if delta.kind in self._items_of:
            if self._open != delta.kind:
                yield from self.close()
                yield from self._open_text(delta.kind)
            yield from self._text_of(delta)
        elif delta.kind == "tool_call_start":
            yield from self.close()
            item = {"id": "fc_" + secrets.token_hex(24), "type": "function_call", "call_id": call_id()}
            yield from self._open_item("call", item | {"name": delta.name, "arguments": ""})
        elif delta.kind == "tool_call_arguments":
            self._text.append(delta.text)
            yield self._of_item("response.function_call_arguments.delta", delta=delta.text)
        elif delta.tool_call is not None:
            yield from self.close("completed" if isinstance(delta.tool_call.arguments, dict) else "incomplete")
        if delta.kind.startswith("tool_call"):
            self._waiting = []

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
            told, part = self._items_of[kind], self._part(kind, text)
            item[told.field] = [part]
            if kind == "reasoning" and self._request.seals_thoughts:
                item["encrypted_content"] = seal(text)
            logprobs = {"logprobs": part["logprobs"]} if kind == "content" else {}
            place = {told.index: 0}
            yield self._of_item(f"{told.text_event}.done", **place, text=text, **logprobs)
            yield self._of_item(f"{told.part_event}.done", **place, part=part)
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
            "model": asked.model,
            "output": self.output,
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "reasoning": {
                "effort": _asked(asked, "effort") or asked.reasoning_effort,
                "summary": _asked(asked, "summary"),
            },
            "reasoning_stop_reason": answer.thinking_end,
            "store": False,
            "temperature": params.temperature,
            "text": {"format": {"type": "text"}} if asked.text is None else asked.text.model_dump(by_alias=True),
            "tool_choice": _plain(asked.tool_choice) or "auto",
            "tools": [tool.as_sent() for tool in asked.tools or []],
            "top_logprobs": asked.top_logprobs or 0,
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
        told = self._items_of[kind]
        item: dict[str, Any] = {"id": f"{told.prefix}_{secrets.token_hex(24)}"}
        if kind == "reasoning":
            item |= {"type": "reasoning", "summary": []} | ({"content": []} if told is REASONING else {})
        else:
            item |= {"type": "message", "role": "assistant", "content": []}
        self._logprobs = []
        yield from self._open_item(kind, item)
        yield self._of_item(f"{told.part_event}.added", **{told.index: 0}, part=self._part(kind, ""))

    def _text_of(self, delta: Delta) -> Iterator[str]:
        told, extra = self._items_of[delta.kind], {}
        if delta.kind == "content":
            if not self._text and not delta.text[:1].isspace():  # what parts it from the thought is not in the text
                self._waiting = list(dropwhile(lambda entry: entry["token"].isspace(), self._waiting))
            extra = {"logprobs": self._waiting}
            self._logprobs += self._waiting
            self._waiting = []
        self._text.append(delta.text)
        yield self._of_item(f"{told.text_event}.delta", **{told.index: 0}, delta=delta.text, **extra)

    def _part(self, kind: str, text: str) -> dict[str, Any]:
        part = {"type": self._items_of[kind].part, "text": text}
        return part | {"annotations": [], "logprobs": list(self._logprobs)} if kind == "content" else part

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


def whole_response(builder: ResponseBuilder, pieces: Sequence[Piece]) -> dict[str, Any]:
    """The response of an answer that has ended."""
    for piece in pieces:
        for _ in builder.take(piece):
            continue
    status = builder.status()
    for _ in builder.close(status):
        continue
    return builder.response(status)


def _of_answer(tokens: Tokens, renderer: Renderer) -> Tokens:
    """Without those of the thought, and the end of the turn."""
    ids, begin = tokens.ids, 0
    if renderer.markers.think_end in ids:
        begin = len(ids) - ids[::-1].index(renderer.markers.think_end)
    kept = [place for place in range(begin, len(ids)) if ids[place] not in renderer.stop_ids]
    tops = tokens.top or ((),) * len(ids)
    parts = (tuple(column[place] for place in kept) for column in (ids, tokens.logprobs, tops))
    return Tokens(*parts)


def _asked(asked: ResponsesRequest, name: str) -> Any:
    return asked.reasoning.get(name) if isinstance(asked.reasoning, dict) else None


def _plain(model: Any) -> Any:
    return model.model_dump() if hasattr(model, "model_dump") else model
