"""What may be asked of /v1/messages, Anthropic's Messages API, and the chat request that it comes down to.

What is another than in OpenAI's form: an answer is as long as the context leaves where `max_tokens` is more than that (its
clients send tens of thousands for any model); neighbouring messages of one role are one turn; results of tools stand in a
user's message, as blocks; a conversation that ends with the assistant's words is continued.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ponder.chat.json_schema import check_schema
from ponder.server.requests.chat import TOOL_NAME, ChatRequest
from ponder.server.requests.errors import ApiError, invalid
from ponder.server.requests.fields import MAX_STOPS, Body, Ignored, SamplingFields, Stop

Blocks = Annotated[list[dict[str, Any]], Field(max_length=10_000, fail_fast=True)]
BETWEEN = "\n"  # blocks of text: system prompts and documents are cut into blocks where one thought ends


class InputMessage(BaseModel):
    role: Literal["user", "assistant", "system"]
    content: str | Blocks


class MessagesTool(BaseModel):
    """A tool that the client runs. What else a client says of it (cache_control, input_examples) is not shown to the model."""

    model_config = ConfigDict(extra="allow")

    type: Literal["custom"] | None = None
    name: str = Field(pattern=TOOL_NAME)
    description: str | None = None
    input_schema: dict[str, Any]
    strict: bool | None = None
    eager_input_streaming: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def is_described(cls, fields: Any) -> Any:
        kind = fields.get("type") if isinstance(fields, dict) else None
        if isinstance(kind, str) and kind != "custom":
            raise ValueError(
                f"tools of type {kind[:60]!r} are run or described by Anthropic's servers, which this is not: give the "
                "tool a name, a description and an input_schema, and run it yourself"
            )
        return fields

    @field_validator("input_schema")
    @classmethod
    def is_a_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        check_schema(schema)
        return schema

    def as_function(self) -> dict[str, Any]:
        """In OpenAI's form."""
        function = {"name": self.name, "description": self.description, "parameters": self.input_schema}
        function |= {"strict": True} if self.strict else {}
        return {"type": "function", "function": {key: value for key, value in function.items() if value is not None}}


class ToolChoice(Body):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False

    @model_validator(mode="after")
    def a_tool_has_a_name(self):
        if (self.type == "tool") != (self.name is not None):
            raise ValueError("name goes with type tool, and only with it")
        return self


class Thinking(Body):
    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: int | None = Field(None, ge=1)
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(Body):
    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class OutputConfig(Body):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class MessagesPrompt(Ignored):
    """What makes the prompt. POST /v1/messages/count_tokens."""

    model: str
    messages: list[InputMessage] = Field(min_length=1, max_length=10_000, fail_fast=True)
    system: str | Blocks | None = None
    tools: list[MessagesTool] | None = Field(None, max_length=512, fail_fast=True)
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = Field(None, description="left out: the model thinks")
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    # Accepted, and of no effect: caching is by itself, and nothing is kept or run here.
    cache_control: dict[str, Any] | None = None
    context_management: dict[str, Any] | None = None
    diagnostics: dict[str, Any] | None = None
    betas: list[str] | None = Field(None, max_length=64, fail_fast=True)
    anthropic_version: str | None = None
    inference_geo: str | None = None
    speed: str | None = None
    user_profile_id: str | None = None
    workspace_id: str | None = None

    @property
    def shows_thoughts(self) -> bool:
        return self.thinking is None or self.thinking.display != "omitted"


class MessagesRequest(MessagesPrompt, SamplingFields):
    """POST /v1/messages."""

    max_tokens: int = Field(ge=1, lt=2**31)
    stop_sequences: list[Stop] = Field([], max_length=MAX_STOPS, fail_fast=True)
    stream: bool = False


def to_chat(request: MessagesPrompt) -> ChatRequest:
    """
    Raises:
        ApiError: a block that no conversation with this model has.
    """
    messages = list(_messages(request))
    fields: dict[str, Any] = {"model": request.model, "messages": messages} | _thinking(request)
    fields["continue_final_message"] = messages[-1]["role"] == "assistant"
    if request.tools:
        fields["tools"] = [tool.as_function() for tool in request.tools]
    if choice := request.tool_choice:
        fields["tool_choice"] = {
            "any": "required",
            "tool": {"type": "function", "function": {"name": choice.name}},
        }.get(choice.type, choice.type)
        fields["parallel_tool_calls"] = not choice.disable_parallel_tool_use
    form = request.output_format or (request.output_config and request.output_config.format)
    if form:
        fields["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": form.schema_}}
    if isinstance(request, MessagesRequest):
        fields |= request.sampling()
        fields |= {"max_tokens": request.max_tokens, "stop": request.stop_sequences, "stream": request.stream}
    try:
        return ChatRequest.model_validate(fields).cutting_max_tokens()
    except ValidationError as error:
        raise invalid(error.errors()) from error


def _thinking(request: MessagesPrompt) -> dict[str, Any]:
    """An effort is of all that the model does, and no wish to think."""
    asked = request.thinking
    if asked is not None and asked.type == "disabled":
        return {"enable_thinking": False}
    told: dict[str, Any] = {"thinking_budget": asked.budget_tokens if asked else None}
    if asked is not None and asked.type == "enabled":
        told["enable_thinking"] = True
    if request.output_config:
        told["reasoning_effort"] = request.output_config.effort
    return told


def _messages(request: MessagesPrompt) -> Iterator[dict[str, Any]]:
    """In OpenAI's form: the system prompt first, neighbours of one role as one message, results as messages of their own."""
    if request.system:
        yield {"role": "system", "content": _text(_blocks(request.system), "system")}
    turn: list[tuple[str, dict[str, Any]]] = []  # blocks of one turn, with their places
    for index, message in enumerate(request.messages):
        place = f"messages[{index}].content"
        turn += ((f"{place}[{number}]", block) for number, block in enumerate(_blocks(message.content)))
        after = request.messages[index + 1].role if index + 1 < len(request.messages) else None
        if message.role == after:
            continue
        if message.role == "assistant":
            yield _said(turn)
        else:
            yield from _asked(turn, message.role)
        turn = []


def _blocks(content: str | Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _asked(turn: Sequence[tuple[str, Mapping[str, Any]]], role: str) -> Iterator[dict[str, Any]]:
    """Results of tools, in front of what a user says: they follow their calls."""
    texts = []
    for place, block in turn:
        if block.get("type") == "tool_result" and role == "user":
            yield {
                "role": "tool",
                "tool_call_id": _string(block, "tool_use_id", place),
                "content": _result(block, place),
            }
        else:
            texts.append(_block_text(block, place))
    if texts or not turn:
        yield {"role": role, "content": BETWEEN.join(texts)}


def _result(block: Mapping[str, Any], place: str) -> str:
    content = block.get("content")
    if not isinstance(content, str | list | None):
        raise ApiError(400, f"{place}.content is {type(content).__name__}; give text or a list of blocks", param=place)
    text = _text(_blocks(content or ""), f"{place}.content")
    # No template has a place for it: an error has to say that it is one.
    return f"Error: {text}" if block.get("is_error") is True and "error" not in text[:40].lower() else text


def _said(turn: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """An assistant's turn. What of its thought the model reads again is decided in rendering."""
    texts, thoughts, calls = [], [], []
    for place, block in turn:
        match block.get("type"):
            case "thinking":
                thoughts.append(_string(block, "thinking", place))
            case "redacted_thinking":
                continue  # another one's, and no text
            case "tool_use":
                arguments = block.get("input")
                if not isinstance(arguments, dict | None):
                    raise ApiError(400, f"{place}.input is {type(arguments).__name__}; give an object", param=place)
                function = {"name": _string(block, "name", place), "arguments": arguments or {}}
                calls.append({"id": _string(block, "id", place), "type": "function", "function": function})
            case _:
                texts.append(_block_text(block, place))
    said: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    said |= {"reasoning_content": "".join(thoughts)} if any(thoughts) else {}
    return said | ({"tool_calls": calls} if calls else {})


def _text(blocks: Sequence[Any], place: str) -> str:
    return BETWEEN.join(_block_text(block, f"{place}[{number}]") for number, block in enumerate(blocks))


def _block_text(block: Any, place: str) -> str:
    kind = block.get("type") if isinstance(block, Mapping) else type(block).__name__
    if kind == "text":
        return _string(block, "text", place)
    source = block.get("source") if kind == "document" else None
    if isinstance(source, Mapping) and source.get("type") == "text":
        title = block.get("title")
        return (f"{title}\n" if isinstance(title, str) else "") + _string(source, "data", f"{place}.source")
    raise ApiError(
        400,
        f"{place} is of type {str(kind)[:50]!r}, which is not supported here: this model reads text, its own thinking and "
        "tool_use blocks, and tool_result blocks of users",
        param=place,
    )


def _string(block: Mapping[str, Any], key: str, place: str) -> str:
    value = block.get(key)
    if not isinstance(value, str):
        raise ApiError(400, f"{place}.{key} is {type(value).__name__}; give text", param=place)
    return value
