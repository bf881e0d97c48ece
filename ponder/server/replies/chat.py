"""Chat completions on the wire, as DashScope and OpenAI write them and as their clients read them.

Chunks of a stream, in order: the role; thinking (`reasoning_content`, and `reasoning` for those who read that); content
(without any key for reasoning: some clients take an empty one for thinking and drop the answer); tool calls (id and name
once, then fragments of the arguments); the finish, with `content: ""`; the usage, with no choices; [DONE].

A call whose arguments break has been told in part, since they are told as they are written. It stays a call, in the
whole answer too, with arguments that are no JSON; the finish says tool_calls, and names its index in `tool_call_errors`.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from ponder.agents.turn.generation import Generation
from ponder.agents.turn.plan import Answer, Piece
from ponder.chat.deltas import Delta, ToolCallError, text_of
from ponder.chat.renderer import Renderer
from ponder.engine.stream import Tokens
from ponder.server.answer.turn import Turn
from ponder.server.requests.chat import ChatRequest

DONE = "data: [DONE]\n\n"
LEAST_LOGPROB = -9999.0  # OpenAI's, for what JSON has no number for


def event(body: dict[str, Any]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(body)}\n\n"


class ChatChunks:
    """Makes the events of a streamed turn."""

    def __init__(self, request: ChatRequest, turn: Turn, renderer: Renderer):
        self._request, self._turn, self._renderer = request, turn, renderer
        options = request.stream_options
        self._with_usage = options is not None and options.include_usage
        self._running_usage = self._with_usage and options.continuous_usage_stats
        self._head = {"id": turn.id, "object": "chat.completion.chunk", "created": turn.created}
        self._head["model"] = request.model
        self._shown = [Shown(request, generation.thinking) for generation in turn.generations]
        self._logprobs: list[list[dict]] = [[] for _ in turn.generations]
        self._ids: list[list[int]] = [[] for _ in turn.generations]

    def opening(self) -> Iterator[str]:
        for choice, shown in enumerate(self._shown):
            thinks = {"content": None, "reasoning_content": ""} if shown.thinks else {"content": ""}
            extra = {"prompt_token_ids": self._turn.prepared.prompt.ids} if self._request.return_token_ids else {}
            yield self._chunk(choice, {"role": "assistant"} | thinks, **extra)

    def of(self, choice: int, piece: Piece) -> Iterator[str]:
        """The events of one piece. What belongs to its tokens (log-probabilities, ids) goes with the first of them."""
        if self._request.logprobs:
            self._logprobs[choice] += logprob_entries(piece.tokens, self._renderer)
        if self._request.return_token_ids:
            self._ids[choice] += piece.tokens.ids
        for delta in self._shown[choice].deltas(piece.deltas):
            yield self._chunk(choice, delta)
        answer = self._turn.generations[choice].answer
        if answer.finish_reason and not piece.thinking and not piece.tokens.ids:
            yield self._chunk(choice, {"content": ""}, answer)

    def closing(self) -> Iterator[str]:
        if self._with_usage:
            yield event(self._head | {"choices": [], "usage": self._turn.usage()})
        yield DONE

    def _chunk(self, choice: int, delta: dict[str, Any], finished: Answer | None = None, **extra: Any) -> str:
        entries, self._logprobs[choice] = self._logprobs[choice], []
        ids, self._ids[choice] = self._ids[choice], []
        told: dict[str, Any] = {"index": choice, "delta": delta, "logprobs": None, "finish_reason": None}
        if entries:
            told["logprobs"] = {"content": entries}
        if finished is not None:
            told |= how_it_ended(finished)
        if self._request.return_token_ids:
            told["token_ids"] = ids
        body = self._head | {"choices": [told]} | extra
        if self._with_usage:
            body["usage"] = self._turn.usage() if self._running_usage else None
        return event(body)


class Shown:
    """The deltas of one choice, in the form that its client asked for.

    `thinks`: thinking comes in fields of its own. With `separate_reasoning: false` it stands in the content, tags
    included; with `include_reasoning: false` it is left out.
    """

    def __init__(self, request: ChatRequest, thinking: bool):
        self._separate = request.separate_reasoning
        self._include = request.include_reasoning
        self.thinks = thinking and self._separate and self._include
        self._inside = False  # of tags, where thinking is not separate

    def deltas(self, deltas: Sequence[Delta]) -> Iterator[dict[str, Any]]:
        for delta in deltas:
            if delta.kind == "reasoning":
                if self._include and self._separate:
                    yield {"content": None, "reasoning_content": delta.text, "reasoning": delta.text}
                elif self._include:
                    opening, self._inside = "" if self._inside else "<think>\n", True
                    yield {"content": opening + delta.text}
                continue
            if self._inside:
                self._inside = False
                yield {"content": "\n</think>\n\n"}
            if delta.kind == "content":
                yield {"content": delta.text}
            elif delta.kind == "tool_call_start":
                function = {"name": delta.name, "arguments": ""}
                yield _call(delta, {"id": call_id(), "type": "function", "function": function})
            elif delta.kind == "tool_call_arguments":
                yield _call(delta, {"function": {"arguments": delta.text}})


def chat_response(
    request: ChatRequest, turn: Turn, pieces: Sequence[Sequence[Piece]], renderer: Renderer
) -> dict[str, Any]:
    """The whole of a turn that has ended, for `json_pieces`: log-probabilities are an iterator."""
    body = {
        "id": turn.id,
        "object": "chat.completion",
        "created": turn.created,
        "model": request.model,
        "choices": [
            _choice(index, request, generation, of_choice, renderer)
            for index, (generation, of_choice) in enumerate(zip(turn.generations, pieces, strict=True))
        ],
        "usage": turn.usage(),
    }
    if request.return_token_ids:
        body["prompt_token_ids"] = turn.prepared.prompt.ids
    return body


def _choice(
    index: int, request: ChatRequest, generation: Generation, pieces: Sequence[Piece], renderer: Renderer
) -> dict[str, Any]:
    deltas = [delta for piece in pieces for delta in piece.deltas]
    shown = [delta.get("content") or "" for delta in Shown(request, True).deltas(deltas)]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(shown)}
    reasoning = text_of(deltas, "reasoning")
    if reasoning and request.include_reasoning and request.separate_reasoning:
        message |= {"reasoning_content": reasoning, "reasoning": reasoning}
    calls = [delta.tool_call for delta in deltas if delta.tool_call]
    if calls:
        message["tool_calls"] = [
            {"id": call_id(), "type": "function", "function": {"name": call.name, "arguments": call.arguments_text}}
            for call in calls
        ]
    choice = {"index": index, "message": message, "logprobs": None} | how_it_ended(generation.answer)
    if request.logprobs:
        # Drawn while the body is written: all of them at a time would be a hundred times the size of the answer.
        choice["logprobs"] = {"content": chain.from_iterable(logprob_entries(p.tokens, renderer) for p in pieces)}
    if request.return_token_ids:
        choice["token_ids"] = generation.answer.ids
    return choice


def how_it_ended(answer: Answer) -> dict[str, Any]:
    """OpenAI's finish_reason, vLLM's stop_reason, and why thinking ended."""
    told: dict[str, Any] = {
        "finish_reason": answer.finish_reason,
        "stop_reason": answer.stop_reason,
        "reasoning_stop_reason": answer.thinking_end,
    }
    if answer.tool_call_errors:
        told["tool_call_errors"] = errors_told(answer.tool_call_errors)
    return told


def errors_told(errors: Sequence[ToolCallError]) -> list[dict[str, Any]]:
    """Attempts at calls that failed. `index`: of the call whose arguments are broken, null where it became text."""
    return [{"index": error.index, "name": error.name, "reason": error.reason} for error in errors]


def logprob_entries(tokens: Tokens, renderer: Renderer) -> list[dict[str, Any]]:
    """One entry for each token, in OpenAI's form."""
    tops = tokens.top or ((),) * len(tokens.ids)
    return [
        _token(token, logprob, renderer) | {"top_logprobs": [_token(*alternative, renderer) for alternative in top]}
        for token, logprob, top in zip(tokens.ids, tokens.logprobs, tops, strict=True)
    ]


def call_id() -> str:
    return f"call_{secrets.token_hex(12)}"


def _call(delta: Delta, fields: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [{"index": delta.index} | fields]}


def _token(token: int, logprob: float, renderer: Renderer) -> dict[str, Any]:
    spelled = renderer.token_bytes(token)
    return {
        "token": spelled.decode("utf-8", "replace"),
        "logprob": max(logprob, LEAST_LOGPROB),
        "bytes": list(spelled),
    }
