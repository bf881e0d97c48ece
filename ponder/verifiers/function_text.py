"""Reading function calls out of a response's text.

Forms, the first that is there: Hermes `<tool_call>` blocks (with JSON, or Qwen3-Coder's `<function=name>` inside); JSON
in OpenAI's form, whole or in fences; BFCL's Python list, `[f(a=1), g(b="x")]`. Text around the first two is fine. A
call that is begun and cannot be read is a MalformedCall: it spoils the response, as it would spoil a turn with a server.
"""

import ast
import json
import os
import re
import threading
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn

from ponder.chat.tool_calls import json_object, parse_tool_call

MAX_CALLS = 1_000  # blocks or fences
MAX_PYTHON = 20_000  # characters of a Python list of calls
MAX_DEPTH = 50  # nested values in one

XML_FUNCTION = re.compile(r"\s*<function=([^>\n]+)>(.*)</function>\s*", re.DOTALL)
FENCE = re.compile(r"^[ \t]*```\w*[ \t]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
PYTHON_CALL = re.compile(r"([^\W\d][\w.]*)\(.*\)", re.DOTALL)
STRING = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", re.DOTALL)
# Operators, calls of calls, long chains of dots, and words that begin an expression of another kind.
OPERATOR = re.compile(
    r"(?<!\d[eE])\+|[*/%&|^~<>@!;`$?\\]|-\s*-|[)\]}]\s*[(\[{.]|(?:\.\s*\w+\s*){20}|\b(?:lambda|if|else|not|and|or|is|in|for|await|yield)\b"
)
BRACKET = re.compile(r"[()\[\]{}]")
# CPython counts the depth of trees for all threads together: a deep one in one thread would spoil those of others.
PARSING = threading.Lock()
os.register_at_fork(before=PARSING.acquire, after_in_parent=PARSING.release, after_in_child=PARSING.release)


@dataclass(frozen=True)
class Call:
    """One call of a response."""

    name: str
    arguments: dict[str, Any]


class MalformedCall(Exception):
    """A call that is begun and cannot be read. The message says which, and why."""


def calls_of_parser(tool_calls: Iterable[Any], content: str) -> list[Call]:
    """The calls that the chat parser found. What it could not read it leaves in the content, markers and all."""
    if "<tool_call>" in content:
        raise MalformedCall("the content still holds a <tool_call> block that is no call")
    return [call_of_json(call) for call in tool_calls]


def calls_in_text(text: str, properties: Mapping[str, Mapping[str, Any]]) -> list[Call]:
    """The calls in a text, none where it makes none. `properties` holds the tools' parameter schemas, by tool and name."""
    if "<tool_call>" in text or "</tool_call>" in text:
        return _tagged_calls(text, properties)
    fences = [fence[1].strip() for fence in islice(FENCE.finditer(text), MAX_CALLS + 1)]
    if len(fences) > MAX_CALLS:
        raise MalformedCall(f"more than {MAX_CALLS} fences")
    sources = fences or [text.strip().strip("`").strip()]
    return [call for source in sources for call in _calls_of_source(source, properties)]


def call_of_json(value: Any) -> Call:
    """The call that a JSON value states: `{"name", "arguments"}`, also within OpenAI's `{"function": ...}`."""
    function = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise MalformedCall("a call is no JSON object with a name")
    arguments = function.get("arguments", function.get("parameters"))
    if isinstance(arguments, str):
        try:
            arguments = json_object(arguments)
        except ValueError as error:
            raise MalformedCall(
                f"the arguments of {function['name'][:80]!r} are no JSON: {str(error)[:200]}"
            ) from error
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise MalformedCall(f"the arguments of {function['name'][:80]!r} are no object: {type(arguments).__name__}")
    return Call(function["name"], arguments)


def _tagged_calls(text: str, properties: Mapping[str, Mapping[str, Any]]) -> list[Call]:
    before, *rest = text.split("<tool_call>", MAX_CALLS + 1)
    if len(rest) > MAX_CALLS:
        raise MalformedCall(f"more than {MAX_CALLS} blocks")
    parts = [part.split("</tool_call>") for part in rest]
    if "</tool_call>" in before or any(len(part) != 2 for part in parts):
        raise MalformedCall("a <tool_call> without one </tool_call>, or the other way round")
    return [_tagged_call(block, properties) for block, _ in parts]


def _tagged_call(block: str, properties: Mapping[str, Mapping[str, Any]]) -> Call:
    if function := XML_FUNCTION.fullmatch(block):
        return _xml_call(function[1].strip(), function[2], properties)
    call = parse_tool_call(block)
    if call is None:
        raise MalformedCall(f"no JSON object with a name and an object of arguments in {block.strip()[:80]!r}")
    return Call(call.name, call.arguments)


def _xml_call(name: str, body: str, properties: Mapping[str, Mapping[str, Any]]) -> Call:
    """The call in Qwen3-Coder's form: `<parameter=name>`, a line break, the value as text, `</parameter>`, and so on."""
    arguments = {}
    for part in body.split("<parameter=")[1:]:
        key, _, rest = part.partition(">")
        value, closed, _ = rest.partition("</parameter>")
        if not closed:
            raise MalformedCall(f"a parameter of {name[:80]!r} has no </parameter>")
        value = value.removeprefix("\n").removesuffix("\n")
        arguments[key.strip()] = _typed(value, properties.get(name, {}).get(key.strip()))
    return Call(name, arguments)


def _typed(text: str, schema: Any) -> Any:
    """A parameter's value out of its text: JSON where the schema asks for another type than a string."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind in ("string", "any"):
        return text
    try:
        return _json(text.lower() if kind == "boolean" else text)  # True and False, as Python writes them
    except ValueError:
        return text


def _calls_of_source(source: str, properties: Mapping[str, Mapping[str, Any]]) -> list[Call]:
    """The calls of one fence or of the whole text, as JSON or as Python; none where it is something else."""
    if source.startswith(("{", "[")):
        try:
            return _calls_of_json(_json(source))
        except ValueError as error:
            if re.match(r'[\[{\s]{1,20}"(?:name|function|tool_calls|type)"\s*:', source):
                raise MalformedCall(f"no JSON: {str(error)[:200]}") from error
    listed = source.startswith("[") and source.endswith("]")
    call = PYTHON_CALL.fullmatch(source[1:-1].strip().rstrip(",").rstrip() if listed else source)
    return _calls_of_python(source) if call and (listed or call[1] in properties) else []


def _json(text: str) -> Any:
    """Any JSON value, under json_object's rules: ValueError also for NaN, lone surrogates and endless nesting."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _calls_of_json(value: Any) -> list[Call]:
    """The calls that a JSON value lists; none where it is JSON about something else."""
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        return [call_of_json(item) for item in value["tool_calls"]]
    items = value if isinstance(value, list) else [value]
    return [call_of_json(item) for item in items] if any(_is_call(item) for item in items) else []


def _is_call(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    function = value.get("function", value)
    return isinstance(function, dict) and "name" in function and ("arguments" in function or "parameters" in function)


def _calls_of_python(source: str) -> list[Call]:
    if len(source) > MAX_PYTHON:
        raise MalformedCall(f"a list of calls of more than {MAX_PYTHON} characters")
    _refuse_deep(source)
    try:
        with PARSING, warnings.catch_warnings(action="ignore"):  # of odd escapes in what a model wrote
            body = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError) as error:
        raise MalformedCall(f"no Python: {str(error)[:200]}") from error
    return [_call_of_node(node) for node in (body.elts if isinstance(body, ast.List) else [body])]


def _refuse_deep(source: str) -> None:
    """MalformedCall for what would make a deep tree. Calls of literals need no operators, and few brackets in brackets."""
    bare = STRING.sub("''", source)
    if found := OPERATOR.search(bare):
        raise MalformedCall(f"{found[0]!r} in a list of calls, which may hold names and literals only")
    depth = 0
    for bracket in BRACKET.findall(bare):
        depth += 1 if bracket in "([{" else -1
        if depth > MAX_DEPTH:
            raise MalformedCall(f"values nested deeper than {MAX_DEPTH}")


def _call_of_node(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call):
        raise MalformedCall("the list holds something that is no call")
    name = _dotted(node.func)
    if node.args or any(keyword.arg is None for keyword in node.keywords):
        raise MalformedCall(f"{name[:80]!r} has arguments without a name")
    return Call(name, {keyword.arg: _literal(keyword.value, MAX_DEPTH) for keyword in node.keywords if keyword.arg})


def _dotted(node: ast.expr) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise MalformedCall("the function is no name")
    return ".".join([node.id, *reversed(parts)])


def _literal(node: ast.expr, depth: int) -> Any:
    """The value of a literal. A bare name stands for its text, as BFCL reads it; nothing is computed."""
    if depth == 0:
        raise MalformedCall(f"values nested deeper than {MAX_DEPTH}")
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None):
            return node.value
        case ast.Name():
            return node.id
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.List():
            return [_literal(item, depth - 1) for item in node.elts]
        case ast.Tuple():
            return tuple(_literal(item, depth - 1) for item in node.elts)
        case ast.Dict() if all(isinstance(key, ast.Constant) for key in node.keys):
            return {key.value: _literal(value, depth - 1) for key, value in zip(node.keys, node.values, strict=True)}
    raise MalformedCall(f"a value that is no literal: {type(node).__name__}")
