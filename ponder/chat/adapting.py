"""Conversations with tools, put into what a template shows of them.

What a template would leave out stands in messages that it does show, in Hermes' form: the functions at the end of the
system message (or, where a template knows none, before the first user's), calls in the assistant's content, results in a
user's message. What it would refuse is put into the form that it takes.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from ponder.chat.template_traits import TemplateTraits
from ponder.chat.tool_calls import format_tool_call

NOTE = """# Functions

You can call these functions, each described by a line of JSON:
<tools>
{tools}
</tools>

To call one, write its name and its arguments as a JSON object between tags; several calls stand one after the other:
<tool_call>
{{"name": "...", "arguments": {{...}}}}
</tool_call>"""

_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")
Messages = list[dict[str, Any]]
Tools = list[dict[str, Any]] | None


def adapted(messages: Messages, tools: Tools, traits: TemplateTraits, origin: str) -> tuple[Messages, Tools]:
    """Canonical messages and tools, as the template of these traits shows them all.

    Raises ValueError where it can show no tools in any way.
    """
    if traits.calls:
        messages = [_wanted(message, traits) for message in messages]
        if traits.one_call:
            messages = _one_by_one(messages)
    else:
        messages = [_with_written_calls(message) for message in messages]
    if not traits.results:
        messages = _results_as_users(messages)
    if not tools or traits.tools:
        return messages, tools
    return _with_note(messages, tools_note(tools), traits.system, origin), None


def tools_note(tools: Sequence[Mapping[str, Any]]) -> str:
    """The words that tell a model of functions where its template has none for them."""
    return NOTE.format(tools="\n".join(json.dumps(tool.get("function", tool), ensure_ascii=False) for tool in tools))


def _wanted(message: dict[str, Any], traits: TemplateTraits) -> dict[str, Any]:
    if traits.short_ids and "tool_call_id" in message:
        message = message | {"tool_call_id": _short(message["tool_call_id"])}
    if "tool_calls" not in message:
        return message
    return message | {"tool_calls": [_wanted_call(call, traits) for call in message["tool_calls"]]}


def _wanted_call(call: dict[str, Any], traits: TemplateTraits) -> dict[str, Any]:
    function = call["function"]
    if traits.arguments_as_text and not isinstance(function["arguments"], str):
        call = call | {"function": function | {"arguments": json.dumps(function["arguments"], ensure_ascii=False)}}
    return call | {"id": _short(call.get("id", ""))} if traits.short_ids else call


def _short(call_id: str) -> str:
    """Nine letters and digits, the same for the same id."""
    return call_id if _SHORT_ID.fullmatch(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:9]


def _one_by_one(messages: Messages) -> Messages:
    """Several calls of one message become a message each, with its result behind it."""
    split: Messages = []
    calls: list[dict[str, Any]] = []
    for message in messages:
        if len(message.get("tool_calls", ())) > 1:
            first, *calls = message["tool_calls"]
            split.append(message | {"tool_calls": [first]})
            continue
        if message["role"] != "tool":
            split += [_of_call(call) for call in calls]
            calls = []
        elif calls and split[-1]["role"] == "tool":
            split.append(_of_call(calls.pop(0)))
        split.append(message)
    return split + [_of_call(call) for call in calls]


def _of_call(call: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def _with_written_calls(message: dict[str, Any]) -> dict[str, Any]:
    if "tool_calls" not in message:
        return message
    written = [message["content"]] if message["content"] else []
    written += [_written_call(**call["function"]) for call in message["tool_calls"]]
    plain = {key: value for key, value in message.items() if key != "tool_calls"}
    return plain | {"content": "\n".join(written)}


def _written_call(name: str, arguments: Mapping[str, Any] | str) -> str:
    if isinstance(arguments, str):  # a call that broke: as the model wrote it
        return f'<tool_call>\n{{"name": {json.dumps(name)}, "arguments": {arguments}}}\n</tool_call>'
    return format_tool_call(name, arguments)


def _results_as_users(messages: Messages) -> Messages:
    shown: Messages = []
    for is_result, group in groupby(messages, key=lambda message: message["role"] == "tool"):
        if not is_result:
            shown += group
            continue
        written = [f"<tool_response>\n{message['content']}\n</tool_response>" for message in group]
        shown.append({"role": "user", "content": "\n".join(written)})
    return shown


def _with_note(messages: Messages, note: str, shows_system: bool, origin: str) -> Messages:
    role = "system" if shows_system else "user"
    place = next((place for place, message in enumerate(messages) if message["role"] == role), None)
    if shows_system and place != 0:
        return [{"role": "system", "content": note}, *messages]
    if place is None:
        raise ValueError(
            f"the chat template in {origin} shows neither tools nor system messages, and there is no user's message to "
            "describe the tools in: add one, or leave the tools out"
        )
    parts = [messages[place]["content"], note] if shows_system else [note, messages[place]["content"]]
    told = messages[place] | {"content": "\n\n".join(part for part in parts if part)}
    return [*messages[:place], told, *messages[place + 1 :]]
