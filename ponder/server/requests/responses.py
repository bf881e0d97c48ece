"""What may be asked of /v1/responses, and the chat request that it comes down to."""

from base64 import b64decode, b64encode
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from ponder.server.requests.chat import ChatRequest, FunctionDescription, StructuredOutputs, refuse_hosted
from ponder.server.requests.errors import ApiError, invalid
from ponder.server.requests.fields import Body, EndLoops, SamplingFields, Stops, ThinkingFields
from ponder.server.requests.parts import TEXTS

LOGPROBS, SEALED = "message.output_text.logprobs", "reasoning.encrypted_content"  # of `include`
SEAL = "thought:"


class FunctionTool(FunctionDescription):
    type: Literal["function"]

    @model_validator(mode="before")
    @classmethod
    def is_run_by_the_client(cls, fields: Any) -> Any:
        refuse_hosted(fields)
        return fields


class FunctionChoice(Body):
    type: Literal["function"]
    name: str


class AllowedTools(Body):
    """Those of the tools that may be called."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"] = "auto"
    tools: list[FunctionChoice] = Field(min_length=1, max_length=512, fail_fast=True)


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


class ResponsesRequest(SamplingFields, ThinkingFields):
    """POST /v1/responses: text, reasoning and function tools. Nothing is stored, so every request brings its history."""

    model: str
    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000, fail_fast=True)]
    )
    instructions: str | None = None
    max_output_tokens: int | None = Field(None, ge=1, lt=2**31)
    stop: Stops = Field([])
    end_loops: EndLoops = None
    stream: bool | None = False
    stream_options: ResponsesStreamOptions | None = None
    tools: list[FunctionTool] | None = Field(None, max_length=512, fail_fast=True)
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | AllowedTools | None = None
    parallel_tool_calls: bool | None = None
    text: TextSettings | None = None
    structured_outputs: StructuredOutputs | None = None
    include: list[str] | None = Field(None, max_length=64, fail_fast=True)
    top_logprobs: int | None = Field(None, ge=0, le=20)
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

    @property
    def tells_logprobs(self) -> bool:
        return self.top_logprobs is not None or LOGPROBS in (self.include or [])

    @property
    def seals_thoughts(self) -> bool:
        """Whether thoughts come once more in `encrypted_content`: some clients send back nothing else."""
        return self.store is False or SEALED in (self.include or [])

    @property
    def tells_summaries(self) -> bool:
        """Whether thoughts come as summaries: some clients show nothing else."""
        asked = self.reasoning if isinstance(self.reasoning, dict) else {}
        return any(asked.get(name) not in (None, "none") for name in ("summary", "generate_summary"))


def seal(thought: str) -> str:
    """As `encrypted_content`. It is opaque to clients, and no secret: nothing of a thought is hidden here."""
    return SEAL + b64encode(thought.encode()).decode()


def _unseal(content: Any) -> str:
    """Empty where it is another server's."""
    if not isinstance(content, str) or not content.startswith(SEAL):
        return ""
    try:
        return b64decode(content.removeprefix(SEAL), validate=True).decode()
    except ValueError:
        return ""


def to_chat(request: ResponsesRequest) -> ChatRequest:
    """
    Raises:
        ApiError: an item of the input that no conversation with this model has.
    """
    shared = ("model", "stop", "end_loops", "parallel_tool_calls", "structured_outputs", *ThinkingFields.model_fields)
    fields = (
        {name: getattr(request, name) for name in shared}
        | request.sampling()
        | {
            "messages": _messages(request),
            "max_completion_tokens": request.max_output_tokens,
        }
    )
    if request.tools:
        described = [
            {name: value for name, value in tool.as_sent().items() if name != "type"} for tool in request.tools
        ]
        fields["tools"] = [{"type": "function", "function": function} for function in described]
    match request.tool_choice:
        case FunctionChoice(name=name):
            fields["tool_choice"] = {"type": "function", "function": {"name": name}}
        case AllowedTools(mode=mode, tools=tools):
            functions = [{"type": "function", "function": {"name": tool.name}} for tool in tools]
            allowed = {"mode": mode, "tools": functions}
            fields["tool_choice"] = {"type": "allowed_tools", "allowed_tools": allowed}
        case choice:
            fields["tool_choice"] = choice
    if request.tells_logprobs:
        fields |= {"logprobs": True, "top_logprobs": request.top_logprobs}
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
            thought += _thought(item, index)
        elif kind == "item_reference":
            told = "refers to an item, but nothing is stored here: send the item itself (clients do with store: false)"
            raise ApiError(400, f"input[{index}] {told}", param="input")
        else:
            raise ApiError(400, f"input[{index}] is of type {str(kind)[:50]!r}, which is not supported", param="input")
    return messages


def _think(message: dict[str, Any], thought: str) -> str:
    """Gives an assistant's message the thought before it; what is left of the thought for later messages: nothing."""
    if thought and message["role"] == "assistant":
        message["reasoning_content"] = message.get("reasoning_content", "") + thought
    return ""


def _content(content: Any, index: int) -> Any:
    """Parts keep their names: which of them are text is known to `parts.py`."""
    if not isinstance(content, list):
        return content
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or not isinstance(part.get(TEXTS.get(kind, "")), str):
            raise ApiError(400, f"input[{index}] has a part that is no text; this model reads text only", param="input")
    return content


def _thought(item: dict[str, Any], index: int) -> str:
    """The text of a reasoning item; where it has none the one that was sealed, or else its summary's, where we tell it when
    we are asked to."""
    content, summary = item.get("content"), item.get("summary")
    if content not in (None, []):
        return _texts(content, "content", index)
    return _unseal(item.get("encrypted_content")) or _texts(summary, "summary", index)


def _texts(given: Any, name: str, index: int) -> str:
    parts = [] if given is None else given
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ApiError(400, f"input[{index}].{name} is no list of parts with text", param="input")
    texts = [part.get("text") for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise ApiError(400, f"input[{index}].{name} has a part without text", param="input")
    return "".join(texts)
