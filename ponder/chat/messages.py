"""Chat messages in the one form that every template can render.

Templates are programs written for well-formed input. Real histories hold `"content": null`, arguments as JSON strings,
lists of content parts and answers that were cut off in the middle of a thought; a template then raises or, worse,
renders a prompt that the model never saw in training. All of that is settled here, before rendering.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from ponder.chat.tool_calls import json_object

ROLES = ("system", "user", "assistant", "tool")
REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")

# Prose may mention the tag, as in "the `<think>` tag": only one that begins a line opens a thought.
_THOUGHT_OPENS = re.compile(r"^[ \t]*<think>", re.MULTILINE)
_OPENING = re.compile(r"\A\s*<think>")
_THOUGHT_BEFORE_ANSWER = re.compile(r"\A[ \t\n]*<think>.*?</think>\n*", re.DOTALL)


def canonical_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A copy of `messages` that a chat template renders as it should; the input stays as it is.

    - content: None and missing become "", text parts are joined without anything between them.
    - role: `developer` becomes `system`. Templates drop roles that they do not know, so others are refused.
    - tool calls: `{"type", "function": {"name", "arguments"}}`, the type "function" where it is missing, arguments as a dict (from a JSON string where needed). A string
      that holds no JSON object stays the text that it is, and templates render what was written: a call that broke in
      the stream is in the client's history, and the conversation has to go on.
    - tool results: in the order of the calls that they answer by id (templates do not show ids), with the calls' names.
    - reasoning before the last user message goes, whether in a field of its own or in front of the answer.
    - reasoning of calls after it stays, as `reasoning_content`: the model is still at work on that turn, and would not
      know why it made them. In other messages the field goes.
    - thinking that was never closed goes. Other `<think>` in the content is left to the template, which knows its model.

    Raises ValueError with the place and the remedy: unknown role, a part that is not text, arguments that are neither object nor text.
    """
    if not messages:
        raise ValueError("messages is empty; give at least one message")
    canonical = [_canonical_message(message, f"messages[{index}]") for index, message in enumerate(messages)]
    last_user = max((index for index, message in enumerate(canonical) if message["role"] == "user"), default=-1)
    for index, (message, given) in enumerate(zip(canonical, messages, strict=True)):
        if message["role"] != "assistant":
            continue
        if index < last_user:
            message["content"] = _THOUGHT_BEFORE_ANSWER.sub("", message["content"])
        elif message.get("tool_calls"):
            reasoning, message["content"] = _split(given, message["content"], f"messages[{index}]")
            message |= {"reasoning_content": reasoning} if reasoning else {}
    return _results_in_order(canonical)


def split_thinking(message: Mapping[str, Any]) -> tuple[str, str]:
    """Reasoning and content of an assistant message, from its reasoning field or from `<think>` inside the content.

    The opening tag may be missing, as in outputs whose prompt ended in it. Both parts come without the newlines
    that separate them from the tags. Raises ValueError where `<think>` is never closed.
    """
    content = flat_text(message.get("content"), "the assistant message")
    if "</think>" not in content and _THOUGHT_OPENS.search(content):
        raise ValueError("the assistant message opens <think> and never closes it; leave such truncated answers out")
    return _split(message, content, "the assistant message")


def _split(message: Mapping[str, Any], content: str, where: str) -> tuple[str, str]:
    inline, closed, after = content.partition("</think>")
    if closed:
        content, inline = after.lstrip("\n"), _OPENING.sub("", inline).strip("\n")
    name, reasoning = next(((field, message[field]) for field in REASONING_FIELDS if message.get(field)), ("", None))
    if reasoning is None:
        return (inline if closed else ""), content
    if not isinstance(reasoning, str):
        raise ValueError(f"{where}.{name} is {type(reasoning).__name__}; give text")
    return reasoning.strip("\n"), content


def _results_in_order(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    ordered: list[dict[str, Any]] = []
    calls: dict[str, tuple[int, str]] = {}  # of the last assistant message: position and name by id
    for is_tool, group in groupby(messages, key=lambda message: message["role"] == "tool"):
        run = list(group)
        if is_tool:
            for result in run:
                if result.get("tool_call_id") in calls:
                    result.setdefault("name", calls[result["tool_call_id"]][1])
            if all(result.get("tool_call_id") in calls for result in run):
                run.sort(key=lambda result: calls[result["tool_call_id"]][0])
        else:
            made = run[-1].get("tool_calls", [])
            calls = {call["id"]: (place, call["function"]["name"]) for place, call in enumerate(made) if call.get("id")}
        ordered += run
    return ordered


def _canonical_message(message: Mapping[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise ValueError(f'{where} is {message!r}; write {{"role": "user", "content": "..."}}')
    role = "system" if message.get("role") == "developer" else message.get("role")
    if role not in ROLES:
        raise ValueError(f"{where}.role is {role!r}; use one of {', '.join(ROLES)}")
    content = flat_text(message.get("content"), where)
    canonical = {key: value for key, value in message.items() if value is not None and key not in REASONING_FIELDS}
    canonical |= {"role": role, "content": _without_open_thought(content) if role == "assistant" else content}
    if role == "tool" and not isinstance(canonical.get("tool_call_id", ""), str):
        raise ValueError(f"{where}.tool_call_id is {type(canonical['tool_call_id']).__name__}; give text")
    if calls := canonical.pop("tool_calls", None):
        if not isinstance(calls, list | tuple):
            raise ValueError(f"{where}.tool_calls is {type(calls).__name__}; give a list of calls")
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
        arguments = _object_or_text(arguments)
    elif arguments and not isinstance(arguments, Mapping):
        raise ValueError(f"{where}.function.arguments is {type(arguments).__name__}; give a JSON object")
    identity = {"type": "function"} | {key: call[key] for key in ("id", "type") if call.get(key) is not None}
    if not isinstance(identity.get("id", ""), str):
        raise ValueError(f"{where}.id is {type(identity['id']).__name__}; give text")
    arguments = arguments if isinstance(arguments, str) else dict(arguments or {})
    return {**identity, "function": {"name": function["name"], "arguments": arguments}}


def _object_or_text(arguments: str) -> dict[str, Any] | str:
    if not arguments.strip():
        return {}
    try:
        return json_object(arguments)
    except ValueError:
        return arguments
