"""What has to be well-formed in an answer: response_format, structured_outputs, tool calls that must come or be strict."""

import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from ponder.chat.renderer import Renderer
from ponder.chat.thinking import SHORT_END
from ponder.engine.grammar import GrammarCompiler, GrammarKind, GrammarMask, or_tokens
from ponder.server.errors import ApiError
from ponder.server.plan import Structure
from ponder.server.requests import (
    ChatRequest,
    FunctionDescription,
    NamedTool,
    ResponseFormat,
    StructuredOutputs,
)
from ponder.server.text_requests import CompletionRequest

KEPT = 64  # compiled grammars: applications send the same few again and again
NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}
ANY_ARGUMENTS = {"type": "object"}
MakeMask = Callable[[], GrammarMask]


class Structures:
    """Compiles what requests of one model ask for; may be used by several threads."""

    def __init__(self, renderer: Renderer, vocab_size: int):
        self._renderer, self._vocab_size = renderer, vocab_size
        self._lock = Lock()
        self._compiler: GrammarCompiler | None = None
        self._kept: OrderedDict[str, MakeMask] = OrderedDict()

    def of_chat(self, request: ChatRequest) -> Structure | None:
        """None where anything may come. Raises ApiError for a form that is none, or that this model cannot give."""
        answer = self._answer(request.response_format, request.structured_outputs)
        tools = [] if request.tool_choice == "none" else [tool.function for tool in request.tools or []]
        must_call = bool(tools) and (request.tool_choice == "required" or isinstance(request.tool_choice, NamedTool))
        strict = any(tool.strict for tool in tools)
        if must_call and self._renderer.markers.tool_call is None:
            raise ApiError(400, "this model does not know tool calls", param="tool_choice")
        call = None
        if tools and self._renderer.markers.tool_call is not None and (must_call or strict or answer):
            if isinstance(request.tool_choice, NamedTool):
                tools = [tool for tool in tools if tool.name == request.tool_choice.function.name]
            call = self._compile("json_schema", _call_schema(tools, all_strict=must_call), "tools")
        if call is None and answer is None:
            return None
        encode, ends = self._renderer.encode_written, self._renderer.stop_ids
        return Structure(
            answer=None if answer is None or must_call else lambda instead: _OrInstead(answer(), instead, ends),
            call=call,
            must_call=must_call,
            close=tuple(encode(SHORT_END)),
            gap=tuple(encode("\n\n")),
            call_open=tuple(encode("<tool_call>\n")) if call else (),
            call_close=tuple(encode("\n</tool_call>")) if call else (),
        )

    def of_completion(self, request: CompletionRequest) -> Structure | None:
        answer = self._answer(None, request.structured_outputs)
        return answer and Structure(answer=lambda instead: answer())

    def _answer(self, form: ResponseFormat | None, outputs: StructuredOutputs | None) -> MakeMask | None:
        if form is not None and form.json_schema is not None:
            return self._compile("json_schema", form.json_schema.schema_, "response_format")
        if form is not None and form.type == "json_object":
            return self._compile("json_object", None, "response_format")
        if outputs is None:
            return None
        if outputs.json_schema is not None:
            return self._compile("json_schema", _schema(outputs.json_schema), "structured_outputs")
        for kind in ("regex", "choice", "grammar"):
            if (spec := getattr(outputs, kind)) is not None:
                return self._compile(kind, spec, "structured_outputs")
        return None

    def _compile(self, kind: GrammarKind, spec: Any, param: str) -> MakeMask:
        name = f"{kind}:{json.dumps(spec)}"
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
            if self._compiler is None:
                tokenizer = self._renderer.tokenizer
                self._compiler = GrammarCompiler(tokenizer, self._renderer.stop_ids, self._vocab_size)
        try:
            made = self._compiler.compile(kind, spec)
        except ValueError as error:
            raise ApiError(400, str(error), code="invalid_schema", param=param) from error
        with self._lock:
            self._kept[name] = made
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


class _OrInstead:
    """A mask that lets other tokens come instead of all it stands for: a tool call, or the end of the turn after one.
    When it is complete only the end of the turn may come."""

    finished = False  # engines would let every stop id through, and that of a tool call is one

    def __init__(self, mask: GrammarMask, instead: Collection[int], ends: Iterable[int]):
        self._mask, self._begun = mask, False
        self.lark = or_tokens(mask.lark, instead)
        self._instead, self._ends = torch.tensor(sorted(instead), dtype=torch.int64), torch.tensor(sorted(ends))

    def allowed(self) -> Tensor:
        allowed = self._mask.allowed().clone()
        if self._mask.finished:
            allowed[:] = False
            allowed[self._ends] = True
        elif not self._begun:
            allowed[self._instead] = True
        return allowed

    def advance(self, token: int) -> None:
        self._begun = True
        self._mask.advance(token)


def _call_schema(tools: list[FunctionDescription], all_strict: bool) -> dict[str, Any]:
    """The JSON object of one call. Its name comes first, so that it can be streamed before its arguments."""
    calls = []
    for index, tool in enumerate(tools):
        place = f"#/anyOf/{index}/properties/arguments" if len(tools) > 1 else "#/properties/arguments"
        arguments = NO_ARGUMENTS if tool.parameters is None else tool.parameters
        arguments = _moved(arguments, place) if all_strict or tool.strict else ANY_ARGUMENTS
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"const": tool.name}, "arguments": arguments},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def _moved(schema: Any, place: str, depth: int = 0) -> Any:
    """A schema as a part of another one: its references to itself begin at `place`."""
    if depth > 100:
        raise ApiError(400, "a tool's parameters are nested too deeply", code="invalid_schema", param="tools")
    if isinstance(schema, list):
        return [_moved(part, place, depth + 1) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: place + value[1:]
        if key == "$ref" and isinstance(value, str) and value.startswith("#")
        else _moved(value, place, depth + 1)
        for key, value in schema.items()
    }


def _schema(schema: dict[str, Any] | str) -> Any:
    if isinstance(schema, dict):
        return schema
    try:
        return json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"structured_outputs.json is no JSON: {error}", param="structured_outputs") from error
