"""What has to be well-formed in an answer: response_format, structured_outputs, tool calls that must come or be strict."""

import json
from collections.abc import Callable
from typing import Any

from ponder.agents.turn.grammars import Grammars, MakeMask
from ponder.agents.turn.plan import Structure
from ponder.chat.renderer import Renderer
from ponder.server.requests.chat import ChatRequest, NamedTool, ResponseFormat, StructuredOutputs
from ponder.server.requests.errors import ApiError, or_refuse
from ponder.server.requests.text import CompletionRequest


class Structures:
    """Reads what requests to one model ask for; may be used by several threads."""

    def __init__(self, renderer: Renderer, vocab_size: int):
        self._renderer = renderer
        self._grammars = Grammars(renderer, vocab_size)

    def of_chat(self, request: ChatRequest) -> Structure | None:
        """None where anything may come. Raises ApiError for a form that is none, or that this model cannot give."""
        answer = self._answer(request.response_format, request.structured_outputs)
        tools = [] if request.tool_choice == "none" else request.tools or []
        must_call = bool(tools) and request.forced_call
        strict = any(tool.function.strict for tool in tools)
        knows_calls = self._renderer.markers.tool_call is not None
        call = None
        # Where <tool_call> is no token, nothing shows an engine that a call begins; one that must come is begun for it.
        if tools and (must_call or (knows_calls and (strict or answer))):
            if isinstance(request.tool_choice, NamedTool):
                tools = [tool for tool in tools if tool.function.name == request.tool_choice.function.name]
            described = [tool.as_sent() for tool in tools]
            call = _or_refuse(lambda: self._grammars.calls(described, all_strict=must_call), "tools")
        if call is None and answer is None:
            return None
        return self._grammars.structure(answer, call, must_call)

    def of_completion(self, request: CompletionRequest) -> Structure | None:
        answer = self._answer(None, request.structured_outputs)
        return answer and Structure(answer=lambda instead: answer())

    def _answer(self, form: ResponseFormat | None, outputs: StructuredOutputs | None) -> MakeMask | None:
        compile = self._grammars.compile
        if form is not None and (schema := form.asked_schema) is not None:
            return _or_refuse(lambda: compile("json_schema", schema), "response_format")
        if form is not None and form.type == "json_object":
            return _or_refuse(lambda: compile("json_object"), "response_format")
        if outputs is None:
            return None
        if outputs.json_schema is not None:
            schema = _schema(outputs.json_schema)
            return _or_refuse(lambda: compile("json_schema", schema), "structured_outputs")
        for kind in ("regex", "choice", "grammar"):
            if (spec := getattr(outputs, kind)) is not None:
                return _or_refuse(lambda kind=kind, spec=spec: compile(kind, spec), "structured_outputs")
        return None


def _or_refuse(make: Callable[[], MakeMask], param: str) -> MakeMask:
    return or_refuse(make, param, "invalid_schema")


def _schema(schema: dict[str, Any] | str) -> Any:
    if isinstance(schema, dict):
        return schema
    try:
        return json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"structured_outputs.json is no JSON: {error}", param="structured_outputs") from error
