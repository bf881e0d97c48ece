"""Calls written as Python, as BFCL asks for them: `[f(a=1), g(b="x")]`, or one call of a given function alone."""

import ast
import os
import re
import threading
import warnings
from typing import Any

from ponder.chat.call_forms.call import Call, MalformedCall, Properties
from ponder.chat.call_forms.json_text import sources_of

MAX_PYTHON = 20_000  # characters of a Python list of calls
MAX_DEPTH = 50  # nested values in one

PYTHON_CALL = re.compile(r"([^\W\d][\w.]*)\(.*\)", re.DOTALL)
LISTED = re.compile(r"\[\s{0,20}([^\W\d][\w.]{0,200})\(")
STRING = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", re.DOTALL)
# Operators, calls of calls, long chains of dots, and words that begin an expression of another kind.
OPERATOR = re.compile(
    r"(?<!\d[eE])\+|[*/%&|^~<>@!;`$?\\]|-\s*-|[)\]}]\s*[(\[{.]|(?:\.\s*\w+\s*){20}|\b(?:lambda|if|else|not|and|or|is|in|for|await|yield)\b"
)
BRACKET = re.compile(r"[()\[\]{}]")
# CPython counts the depth of trees for all threads together: a deep one in one thread would spoil those of others.
PARSING = threading.Lock()
os.register_at_fork(before=PARSING.acquire, after_in_parent=PARSING.release, after_in_child=PARSING.release)


def python_calls(text: str, properties: Properties) -> list[Call] | None:
    """The calls of each fence, or of the whole text, or of a list of given functions' calls that ends it; None where none
    of them is written as calls."""
    found = [calls for source in sources_of(text) if (calls := _calls_of_source(source, properties)) is not None]
    if found:
        return [call for calls in found for call in calls]
    text = text.strip()[-MAX_PYTHON:]
    listed = LISTED.search(text) if text.endswith(")]") else None
    return _calls_of_python(text[listed.start() :]) if listed and listed[1] in properties else None


def _calls_of_source(source: str, properties: Properties) -> list[Call] | None:
    listed = source.startswith("[") and source.endswith("]")
    call = PYTHON_CALL.fullmatch(source[1:-1].strip().rstrip(",").rstrip() if listed else source)
    return _calls_of_python(source) if call and (listed or call[1] in properties) else None


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
