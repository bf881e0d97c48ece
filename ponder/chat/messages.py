"""Chat messages in the one form that every template can render.

Templates are programs written for well-formed input. Real histories hold `"content": null`, arguments as JSON strings,
lists of content parts and answers that were cut off in the middle of a thought; a template then raises or, worse,
renders a prompt that the model never saw in training. All of that is settled here, before rendering.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ponder.chat.tool_calls import json_object

ROLES = ("system", "user", "assistant", "tool")
REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")

# Prose may mention the tag, as in "the `<think>` tag": only one that begins a line opens a thought.
_THOUGHT_OPENS = re.compile(r"^[ \t]*<think>", re.MULTILINE)


def canonical_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A copy of `messages` that a chat template renders as it should; the input stays as it is.

    - content: None and missing become "", text parts are joined without anything between them.
    - role: `developer` becomes `system`. Templates drop roles that they do not know, so others are refused.
    - tool calls: `{"function": {"name", "arguments"}}`, arguments as a dict (from a JSON string where needed).
    - assistant: reasoning fields are dropped, and so is thinking that was never closed. Closed thinking inside the
      content is left to the template, which knows its model: QwQ drops it, Qwen3 keeps it while tools are at work.

    Raises ValueError with the place and the remedy: unknown role, a part that is not text, broken arguments.
    """
    if not messages:
        raise ValueError("messages is empty; give at least one message")
    return [_canonical_message(message, f"messages[{index}]") for index, message in enumerate(messages)]


def split_thinking(message: Mapping[str, Any]) -> tuple[str, str]:
    """Reasoning and content of an assistant message, from its reasoning field or from `<think>` inside the content.

    The opening tag may be missing, as in outputs whose prompt ended in it. Both parts come without the newlines
    that separate them from the tags. Raises ValueError where `<think>` is never closed.
    """
    content = flat_text(message.get("content"), "the assistant message")
    inline, closed, after = content.partition("</think>")
    if closed:
        content, inline = after.lstrip("\n"), inline.removeprefix("<think>").strip("\n")
    elif _THOUGHT_OPENS.search(content):
        raise ValueError("the assistant message opens <think> and never closes it; leave such truncated answers out")
    reasoning = next((message[field] for field in REASONING_FIELDS if message.get(field)), None)
    return (reasoning.strip("\n") if reasoning else inline if closed else ""), content


def _canonical_message(message: Mapping[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise ValueError(f'{where} is {message!r}; write {{"role": "user", "content": "..."}}')
    role = "system" if message.get("role") == "developer" else message.get("role")
    if role not in ROLES:
        raise ValueError(f"{where}.role is {role!r}; use one of {', '.join(ROLES)}")
    content = flat_text(message.get("content"), where)
    canonical = {key: value for key, value in message.items() if value is not None and key not in REASONING_FIELDS}
    canonical |= {"role": role, "content": _without_open_thought(content) if role == "assistant" else content}
    if calls := canonical.pop("tool_calls", None):
        canonical["tool_calls"] = [
            _canonical_call(call, f"{where}.tool_calls[{index}]") for index, call in enumerate(calls)
        ]
    return canonical


def flat_text(content: Any, where: str) -> str:
    """The text of a message's content: text, None, or a list of text parts. ValueError that begins with `where`."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        raise ValueError(f"{where}.content is {type(content).__name__}; give text or a list of text parts")
    return "".join(_part_text(part, f"{where}.content[{index}]") for index, part in enumerate(content))


def _part_text(part: Any, where: str) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if kind != "text" or not isinstance(part.get("text"), str):
        raise ValueError(f'{where} is of type {kind!r}; this model reads text only: {{"type": "text", "text": "..."}}')
    return part["text"]


def _without_open_thought(content: str) -> str:
    after_thinking = content.rfind("</think>") + len("</think>") if "</think>" in content else 0
    opening = _THOUGHT_OPENS.search(content[after_thinking:])
    return content[: after_thinking + opening.start()] if opening else content


def _canonical_call(call: Any, where: str) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ValueError(f'{where} has no name; write {{"function": {{"name": "...", "arguments": {{...}}}}}}')
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json_object(arguments) if arguments.strip() else {}
        except ValueError as error:
            raise ValueError(f"{where}.function.arguments is no JSON object: {error}") from error
    if arguments and not isinstance(arguments, Mapping):
        raise ValueError(f"{where}.function.arguments is {type(arguments).__name__}; give a JSON object")
    identity = {key: call[key] for key in ("id", "type") if call.get(key) is not None}
    return {**identity, "function": {"name": function["name"], "arguments": dict(arguments or {})}}
