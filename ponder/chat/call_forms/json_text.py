"""Calls as bare JSON: the whole text, what its fences hold, or an object that names a given function at the end of a text.

A call is `{"name", "arguments"}`, OpenAI's form of it, `{"tool_calls": [...]}`, or, of a given function, one of the other
spellings that models have for it, such as `{"area": {"radius": 2}}`. Lists of calls are several calls.
"""

import re
from itertools import islice
from typing import Any

from ponder.chat.call_forms.call import MAX_CALLS, Call, MalformedCall, Properties, call_of, call_of_json, json_value

MAX_PROSE = 20_000  # characters at the end of a text in which an object is looked for

FENCE = re.compile(r"^[ \t]*```\w*[ \t]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
BEGUN = re.compile(r'[\[{\s]{1,20}"(?:name|function|tool_calls|type)"\s*:')
NAMES = ("name", "function", "tool", "tool_name", "function_name", "action")
ARGUMENTS = ("arguments", "parameters", "args", "kwargs", "input", "action_input")
# An object, or a list of objects, that begins a line or follows a colon.
IN_PROSE = re.compile(
    r'(?:^|[:：])\s{0,4}(?=\[?\s{0,20}\{\s{0,20}"(?:name|function|tool|tool_name|function_name|type)")', re.MULTILINE
)


def json_calls(text: str, properties: Properties) -> list[Call] | None:
    """The calls of each fence, or of the whole text, or of what ends it; None where none of them is about calls."""
    sources = sources_of(text)
    found = [calls for source in sources if (calls := _calls_of_source(source, properties)) is not None]
    if found:
        return [call for calls in found for call in calls]
    return _calls_at_the_end(text, properties)


def sources_of(text: str) -> list[str]:
    """What a text's fences hold, or where it has none the text itself."""
    fences = [fence[1].strip() for fence in islice(FENCE.finditer(text), MAX_CALLS + 1)]
    if len(fences) > MAX_CALLS:
        raise MalformedCall(f"more than {MAX_CALLS} fences")
    return fences or [text.strip().strip("`").strip()]


def _calls_of_source(source: str, properties: Properties) -> list[Call] | None:
    if not source.startswith(("{", "[")):
        return None
    try:
        return _calls_of_json(json_value(source), properties)
    except ValueError as error:
        objects = _one_a_line(source)
        if objects is not None:
            return _calls_of_json(objects, properties)
        if BEGUN.match(source):
            raise MalformedCall(f"no JSON: {str(error)[:200]}") from error
    return None


def _one_a_line(source: str) -> list[Any] | None:
    """The objects of JSON Lines, or None."""
    lines = [line for line in source.splitlines() if line.strip()]
    if not 1 < len(lines) <= MAX_CALLS or not all(line.lstrip().startswith("{") for line in lines):
        return None
    try:
        return [json_value(line) for line in lines]
    except ValueError:
        return None


def _calls_at_the_end(text: str, properties: Properties) -> list[Call] | None:
    """The calls of given functions in a JSON value that stands on lines of its own, with nothing behind it."""
    text = text.strip()[-MAX_PROSE:]
    begin = IN_PROSE.search(text)
    if begin is None or "```" in text:
        return None
    try:
        value = json_value(text[begin.end() :])
    except ValueError:
        return None
    calls = _calls_of_json(value, properties)
    return calls if calls and all(call.name in properties for call in calls) else None


def _calls_of_json(value: Any, properties: Properties) -> list[Call] | None:
    """The calls that a JSON value lists; None where it is JSON about something else."""
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        return [call_of_json(item) for item in value["tool_calls"]]
    items = [_usual(item, properties) for item in (value if isinstance(value, list) else [value])]
    return [call_of_json(item) for item in items] if any(_is_call(item) for item in items) else None


def _is_call(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    function = value.get("function", value)
    return isinstance(function, dict) and "name" in function and ("arguments" in function or "parameters" in function)


def _usual(value: Any, properties: Properties) -> Any:
    """A call of a given function, however spelt, as `{"name", "arguments"}`; any other value as it is."""
    if not isinstance(value, dict) or _is_call(value):
        return value
    if isinstance(inner := value.get("function_call"), dict):
        return inner
    if len(value) == 1:
        ((name, arguments),) = value.items()
        if name in properties and isinstance(arguments, dict):
            return {"name": name, "arguments": arguments}
    name = next((value[key] for key in NAMES if isinstance(value.get(key), str)), None)
    key = next((key for key in ARGUMENTS if key in value), None)
    if name in properties and key is not None:
        call = call_of(name, value[key])
        return {"name": call.name, "arguments": call.arguments}
    return value
