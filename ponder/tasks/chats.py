"""Chats that are shown to a model to be imitated, from the rows of files. Which form a row has is seen by its fields:

    messages          [{"role": "user", "content": "..."}, ...], and if wanted tools      (OpenAI's form)
    conversations     [{"from": "human", "value": "..."}, ...], and if wanted system, tools     (ShareGPT)
    prompt            a text or messages, with completion or response: a text or messages; if wanted system, reasoning

Every fault is a ValueError that begins with the place it was found at.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ponder.tasks.faults import listed_faults
from ponder.tasks.fields import field_or_none, what_there_is
from ponder.tasks.files import check_text, find_files, read_files
from ponder.tasks.suggest import unknown_name

Row = Mapping[str, Any]
ROLES = ("system", "developer", "user", "assistant", "tool")
FIELDS = ("messages", "prompt", "completion", "system", "tools", "reasoning")
COMPLETIONS = ("completion", "response")
REASONING = ("reasoning", "reasoning_content", "thinking")
# ShareGPT's names for those who speak; a function_call is an assistant's message of calls.
SPEAKERS = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "bing", "bard", "model", "function_call"), "assistant"),
    **dict.fromkeys(("tool", "observation", "function_response"), "tool"),
    "system": "system",
}


@dataclass(frozen=True)
class Chat:
    """`messages` in OpenAI's form, the last of them the assistant's; `tools` the functions that it could call; `place`
    where the row stands, for messages to people."""

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] = ()
    place: str = ""

    @property
    def id(self) -> str:
        """Content hash: 32 hex digits."""
        content = json.dumps([self.messages, self.tools], sort_keys=True, ensure_ascii=False, default=str)
        return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def read_chats(
    paths: str | Path | Sequence[str | Path],
    fields: Mapping[str, str] | None = None,
    system: str | None = None,
    limit: int | None = None,
) -> list[Chat]:
    """All chats of some files (`ponder.tasks.files`), or the first `limit`.

    `fields` names the fields of a row, or paths into nested ones, where they have other names than the usual; its keys
    are in FIELDS. `system`: a system prompt for chats that bring none of their own. ValueError with all faults counted,
    and the first listed by file and line.
    """
    fields = dict(fields or {})
    for role in fields:
        if role not in FIELDS:
            raise ValueError(f"Field mapping of demonstrations: {unknown_name('key', role, FIELDS)}")
    files = find_files(paths)
    chats, faults = [], []
    for place, row in read_files(files, limit):
        try:
            check_text(row, place)
            chats.append(chat_of(row, place, fields, system))
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError(listed_faults(faults, "demonstrations cannot be read"))
    if not chats:
        raise ValueError(f"{', '.join(map(str, files))}: no demonstrations, only empty files or white space")
    return chats


def chat_of(row: Row, place: str, fields: Mapping[str, str] | None = None, system: str | None = None) -> Chat:
    """The chat of a row. ValueError that begins with `place`."""
    fields = fields or {}
    messages = [*_messages(row, place, fields)]
    if messages[-1]["role"] != "assistant":
        raise ValueError(f"{place}: the last message must be the assistant's, which is what is learned")
    given = value_in(row, fields, "system") or system
    if given:
        messages = with_system(messages, given, place)
    return Chat(tuple(messages), tools_in(row, fields, place), place)


def with_system(messages: list[dict[str, Any]], system: Any, place: str) -> list[dict[str, Any]]:
    """The messages behind a system prompt, where they have none of their own."""
    if messages[0]["role"] in ("system", "developer"):
        return messages
    return [{"role": "system", "content": _text(system, f"{place}: system")}, *messages]


def tools_in(row: Row, fields: Mapping[str, str], place: str) -> tuple[dict[str, Any], ...]:
    """The functions that a row names, in OpenAI's form; it may hold them as JSON text."""
    tools = _parsed(value_in(row, fields, "tools"), f"{place}: tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, Mapping) for tool in tools):
        raise ValueError(f"{place}: tools must be a list of functions, each an object")
    return tuple(map(_tool, tools))


def _messages(row: Row, place: str, fields: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    listed = value_in(row, fields, "messages", "messages", "conversations")
    if listed is not None:
        yield from _read_messages(listed, place)
        return
    prompt = value_in(row, fields, "prompt")
    completion = value_in(row, fields, "completion", *COMPLETIONS)
    if prompt is None or completion is None:
        named = [fields[role] for role in ("messages", "prompt", "completion") if role in fields]
        missing = next((name for name in named if field_or_none(row, name) is None), "messages")
        raise ValueError(
            f"{place}: no chat. Known are messages: [...], conversations: [...] (ShareGPT), and prompt with completion or "
            f"response; {what_there_is(row, missing) or f'field {missing!r} is empty'}. Say which: fields: {{messages: NAME}}, "
            "or {prompt: NAME, completion: NAME}"
        )
    yield from turns_of(prompt, "user", f"{place}: prompt")
    said = list(turns_of(completion, "assistant", f"{place}: completion"))
    reasoning = value_in(row, fields, "reasoning", *REASONING)
    if reasoning:
        said[-1]["reasoning_content"] = _text(reasoning, f"{place}: reasoning")
    yield from said


def value_in(row: Row, fields: Mapping[str, str], role: str, *usual: str) -> Any:
    """What stands in the field of this role: the one that `fields` names, or else the first of the usual ones that is
    there."""
    for name in (fields[role],) if role in fields else usual or (role,):
        if (value := field_or_none(row, name)) is not None:
            return value
    return None


def turns_of(value: Any, role: str, where: str) -> Iterator[dict[str, Any]]:
    """The messages of a field: a text, a message or a list of these."""
    if isinstance(value, str):
        yield {"role": role, "content": value}
    else:
        yield from _read_messages([value] if isinstance(value, Mapping) else value, where)


def _read_messages(value: Any, place: str) -> Iterator[dict[str, Any]]:
    value = _parsed(value, place)
    if not isinstance(value, list) or not value:
        raise ValueError(f'{place}: a list of messages is expected, [{{"role": "user", "content": "..."}}, ...]')
    for number, message in enumerate(value, start=1):
        where = f"{place}, message {number}"
        if not isinstance(message, Mapping):
            raise ValueError(f"{where}: a message is an object, not {type(message).__name__}")
        yield _spoken(message, where) if "from" in message else _message(message, where)


def _message(message: Mapping[str, Any], where: str) -> dict[str, Any]:
    """In OpenAI's form, as it is; tables hold every field for every message, and null where it is not meant."""
    given = {name: value for name, value in message.items() if value is not None}
    if given.get("role") not in ROLES:
        raise ValueError(f"{where}: role is {given.get('role')!r}; use one of {', '.join(ROLES)}")
    if "content" not in given and not given.get("tool_calls"):
        raise ValueError(f"{where}: it has no content")
    return given


def _spoken(message: Mapping[str, Any], where: str) -> dict[str, Any]:
    """In ShareGPT's form."""
    speaker, value = message["from"], message.get("value")
    if speaker not in SPEAKERS:
        raise ValueError(f"{where}: {unknown_name('speaker', str(speaker), SPEAKERS)}")
    if speaker == "function_call":
        calls = _parsed(value, where)
        return {"role": "assistant", "content": "", "tool_calls": calls if isinstance(calls, list) else [calls]}
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False) if SPEAKERS[speaker] == "tool" and value is not None else value
    return {"role": SPEAKERS[speaker], "content": _text(value, where)}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    return dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)}


def _parsed(value: Any, where: str) -> Any:
    """Tables of data sets keep nested values as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is text, but not JSON: {error}") from None


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} must be text, not {type(value).__name__}")
    return value
