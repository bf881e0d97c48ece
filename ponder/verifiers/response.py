"""What a verifier sees of a rollout."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ponder.chat.messages import flat_text
from ponder.verifiers.verdict import Verdict

OPENS, ENDS = "<think>", "</think>"


@dataclass(frozen=True)
class Response:
    """The last turn of a rollout, split by the chat parser.

    `content` is what follows the thinking; `thinking_closed` is False when the thinking never ended (then there is
    no content); `truncated` when the token limit cut the response off. `tool_calls` are the calls that the parser found,
    each `{"name": str, "arguments": dict}`. `tokens` is the length of the whole response, thinking included, where
    it is known. `outcome` is what the environment of an episode says of how it went.
    """

    reasoning: str
    content: str
    thinking_closed: bool
    truncated: bool
    tool_calls: tuple[dict, ...] = ()
    tokens: int | None = None
    outcome: Verdict | None = None


def split_response(text: str, truncated: bool = False) -> Response:
    """A response from the text of it, thinking and answer together, split as training and serving do it
    (ponder.chat.parser), so that one text has one verdict.

    A `<think>` before which there is nothing but white space opens a thought; the prompt may have opened it, so that it may be
    missing where there is a `</think>`. The first `</think>` ends it, and where there is none there is no answer. Any other
    tag is plain text, and text without a thought is all answer.

    >>> split_response("<think>2+2</think>4").content, split_response("<think>4").thinking_closed
    ('4', False)
    """
    begin = text.lstrip()
    if begin.startswith(OPENS):
        text = begin.removeprefix(OPENS)
    elif ENDS not in text:
        return Response("", text, thinking_closed=True, truncated=truncated)
    reasoning, end, content = text.partition(ENDS)
    return Response(reasoning.lstrip("\n"), content.lstrip("\n"), bool(end), truncated)


def as_response(value: Any) -> Response:
    """A response from what callers have of one: its text, a chat message in the OpenAI form, or a list of tool calls.

    Of a message `reasoning_content`, `content` (text, or a list of text parts) and `tool_calls` (or the older `function_call`) are read; of a conversation
    its last message, the assistant's. ValueError for anything else.
    """
    match value:
        case Response():
            return value
        case str():
            return split_response(value)
        case [*_, {"role": "assistant"} as message]:
            return as_response(message)
        case list() if value and all(_is_call(item) for item in value):
            return Response("", "", thinking_closed=True, truncated=False, tool_calls=tuple(map(dict, value)))
        case list() if not any(isinstance(item, Mapping) and "role" in item for item in value):
            return Response("", json.dumps(value, default=str), thinking_closed=True, truncated=False)
        case Mapping():
            response = split_response(flat_text(value.get("content"), "the message"))
            if isinstance(reasoning := value.get("reasoning_content"), str):
                response = replace(response, reasoning=reasoning)
            calls = value.get("tool_calls") or ([value["function_call"]] if value.get("function_call") else None)
            if isinstance(calls, list | tuple):
                return replace(response, tool_calls=tuple(calls))
            # What is no list is the response's fault, and for the verifier to say.
            return replace(response, tool_calls=(calls,)) if calls else response
    raise ValueError(f"a response is a text, a chat message or a list of tool calls, not {type(value).__name__}")


def _is_call(value: Any) -> bool:
    return isinstance(value, Mapping) and "role" not in value and ("name" in value or "function" in value)
