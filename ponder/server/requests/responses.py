"""What may be asked of /v1/responses, and the chat request that it comes down to."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from ponder.server.requests.chat import ChatRequest, FunctionDescription
from ponder.server.requests.errors import ApiError, invalid
from ponder.server.requests.fields import Body, Ignored, ThinkingFields

TEXT_PARTS = ("input_text", "output_text", "text")


class FunctionTool(FunctionDescription):
    type: Literal["function"]


class FunctionChoice(Body):
    type: Literal["function"]
    name: str


class TextFormat(Body):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class TextSettings(Body):
    format: TextFormat | None = None
    verbosity: str | None = None


class ResponsesStreamOptions(Body):
    include_obfuscation: bool | None = None


class ResponsesRequest(Ignored, ThinkingFields):
    """POST /v1/responses: text, reasoning and function tools. Nothing is stored, so every request brings its history."""

    model: str
    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000, fail_fast=True)]
    )
    instructions: str | None = None
    max_output_tokens: int | None = Field(None, ge=1, lt=2**31)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**64)
    rope_factor: float | None = Field(None, ge=1)
    stream: bool | None = False
    stream_options: ResponsesStreamOptions | None = None
    tools: list[FunctionTool] | None = Field(None, max_length=512, fail_fast=True)
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextSettings | None = None
    include: list[str] | None = Field(None, max_length=64, fail_fast=True)
    truncation: Literal["auto", "disabled"] | None = None
    previous_response_id: str | None = None
    background: bool | None = None

    @model_validator(mode="after")
    def nothing_is_kept(self):
        if self.previous_response_id is not None:
            raise ValueError("previous_response_id: nothing is stored here; send the whole conversation as input")
        if self.background:
            raise ValueError("background: answers are not stored here; ask for a stream instead")
        return self


def to_chat(request: ResponsesRequest) -> ChatRequest:
    """
    Raises:
        ApiError: an item of the input that no conversation with this model has.
    """
    shared = ("model", "temperature", "top_p", "top_k", "seed", "rope_factor", "parallel_tool_calls")
    shared += tuple(ThinkingFields.model_fields)
    fields = {name: getattr(request, name) for name in shared} | {
        "messages": _messages(request),
        "max_completion_tokens": request.max_output_tokens,
    }
    if request.tools:
        described = [
            {name: value for name, value in tool.as_sent().items() if name != "type"} for tool in request.tools
        ]
        fields["tools"] = [{"type": "function", "function": function} for function in described]
    if isinstance(request.tool_choice, FunctionChoice):
        fields["tool_choice"] = {"type": "function", "function": {"name": request.tool_choice.name}}
    else:
        fields["tool_choice"] = request.tool_choice
    if request.text and request.text.format and request.text.format.type != "text":
        form = request.text.format
        fields["response_format"] = {"type": form.type}
        if form.type == "json_schema":
            fields["response_format"]["json_schema"] = {"name": form.name, "schema": form.schema_}
    try:
        return ChatRequest.model_validate(fields)
    except ValidationError as error:
        raise invalid(error.errors()) from error


def _messages(request: ResponsesRequest) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    thought = ""  # of the assistant's item that comes next; what of it the model reads again is decided in rendering
    if request.instructions:
        messages.append({"role": "system", "content": request.instructions})
    if isinstance(request.input, str):
        return [*messages, {"role": "user", "content": request.input}]
    for index, item in enumerate(request.input):
        kind = item.get("type", "message")
        if kind == "message":
            messages.append({"role": item.get("role"), "content": _content(item.get("content"), index)})
            thought = _think(messages[-1], thought)
        elif kind == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": ""})
            thought = _think(messages[-1], thought)
            messages[-1].setdefault("tool_calls", []).append({"id": item.get("call_id"), "function": function})
        elif kind == "function_call_output":
            output = _content(item.get("output"), index)
            messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": output})
        elif kind == "reasoning":
            thought += _reasoning(item.get("content"), index)
        else:
            raise ApiError(400, f"input[{index}] is of type {str(kind)[:50]!r}, which is not supported", param="input")
    return messages


def _think(message: dict[str, Any], thought: str) -> str:
    """Gives an assistant's message the thought before it; what is left of the thought for later messages: nothing."""
    if thought and message["role"] == "assistant":
        message["reasoning_content"] = message.get("reasoning_content", "") + thought
    return ""


def _content(content: Any, index: int) -> Any:
    if not isinstance(content, list):
        return content
    for part in content:
        if not isinstance(part, dict) or part.get("type") not in TEXT_PARTS:
            raise ApiError(400, f"input[{index}] has a part that is no text; this model reads text only", param="input")
    return [{"type": "text", "text": part.get("text")} for part in content]


def _reasoning(content: Any, index: int) -> str:
    """The text of a reasoning item. Its summary is another one's, and no thought."""
    parts = [] if content is None else content
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ApiError(400, f"input[{index}].content is no list of reasoning_text parts", param="input")
    texts = [part.get("text") for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise ApiError(400, f"input[{index}] has a part without text", param="input")
    return "".join(texts)
