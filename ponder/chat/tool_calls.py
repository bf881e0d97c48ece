"""Tool calls in the form that Qwen models write: one JSON object between `<tool_call>` and `</tool_call>`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(frozen=True)
class ToolCall:
    """One call that the model asked for. `raw` is the text between the markers, unchanged."""

    name: str
    arguments: dict[str, Any]
    raw: str


def json_object(text: str) -> dict[str, Any]:
    """The JSON object that `text` holds, keys in their order. The text may come from a model or a client.

    Raises ValueError for anything else, also for what `json.loads` lets pass but no JSON reader or tokenizer behind us
    would: NaN and Infinity, lone surrogates, nesting deeper than the interpreter's stack.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {type(value).__name__}")
    return value


def parse_tool_call(raw: str) -> ToolCall | None:
    """The call in the text between the markers, or None where it is malformed.

    Missing or null arguments are `{}`; arguments given as a JSON string are read once more.
    """
    try:
        call = json_object(raw)
        arguments = call.get("arguments")
        if arguments is None:
            arguments = {}
        elif isinstance(arguments, str):
            arguments = json_object(arguments)
    except ValueError:
        return None
    name = call.get("name")
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        return None
    return ToolCall(name, arguments, raw)


def format_tool_call(name: str, arguments: Mapping[str, Any]) -> str:
    """The text that a model writes to call a tool, markers included."""
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
