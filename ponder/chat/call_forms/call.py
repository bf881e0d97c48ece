"""One call, and what the parsers of all forms share: strict JSON, and the call that a JSON object states."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ponder.chat.tool_calls import json_object

MAX_CALLS = 1_000  # blocks, fences or objects in one text

Properties = Mapping[str, Mapping[str, Any]]  # the schemas of functions' parameters, by function and parameter

# What stands between two values of a stream of JSON: ";" in Llama's, white space elsewhere.
BETWEEN = re.compile(r"[\s;,]{0,100}")


@dataclass(frozen=True)
class Call:
    """One call of a response."""

    name: str
    arguments: dict[str, Any]


class MalformedCall(Exception):
    """A call that is begun and cannot be read. The message says which, and why."""


def call_of_json(value: Any) -> Call:
    """The call that a JSON value states: `{"name", "arguments"}` or with `parameters`, also within OpenAI's `{"function":
    ...}`."""
    function = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise MalformedCall("a call is no JSON object with a name")
    return call_of(function["name"], function.get("arguments", function.get("parameters")))


def call_of(name: str, arguments: Any) -> Call:
    """The call of a function with arguments that are an object, JSON text of one, or None for none."""
    if isinstance(arguments, str):
        try:
            arguments = json_object(arguments) if arguments.strip() else {}
        except ValueError as error:
            raise MalformedCall(f"the arguments of {name[:80]!r} are no JSON: {str(error)[:200]}") from error
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise MalformedCall(f"the arguments of {name[:80]!r} are no object: {type(arguments).__name__}")
    return Call(name, arguments)


def json_value(text: str) -> Any:
    """Any JSON value, under json_object's rules: ValueError also for NaN, lone surrogates and endless nesting."""
    text = text.strip()
    value, end = json_prefix(text, 0)
    if end != len(text):
        raise ValueError(f"more follows the JSON value, at character {end}")
    return value


def json_prefix(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. ValueError as in `json_value`."""
    try:
        value, end = DECODER.raw_decode(text, start)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value, end


def json_values(text: str, start: int) -> tuple[list[Any], int]:
    """The JSON objects and lists that follow one another from `start`, at most MAX_CALLS, and where the last one ends."""
    values: list[Any] = []
    at = start
    while (mark := BETWEEN.match(text, at)) and text.startswith(("{", "["), mark.end()):
        if len(values) == MAX_CALLS:
            raise MalformedCall(f"more than {MAX_CALLS} calls")
        try:
            value, at = json_prefix(text, mark.end())
        except ValueError as error:
            raise MalformedCall(f"no JSON: {str(error)[:200]}") from error
        values.append(value)
    return values, at


def calls_of_values(values: list[Any]) -> list[Call]:
    """The calls of JSON values that stand where nothing but calls may: objects, and lists of them."""
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [call_of_json(item) for item in items]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
