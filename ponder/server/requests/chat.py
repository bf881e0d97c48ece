"""What clients may ask of a chat, as pydantic models: OpenAI's fields, vLLM's extensions, and every spelling of thinking."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    field_validator,
    model_validator,
)

from ponder.chat.json_schema import check_schema
from ponder.server.requests.fields import Body, EndLoops, Sampling, ThinkingFields
from ponder.server.requests.parts import with_text_parts

TOOL_NAME = r"^[a-zA-Z0-9_.-]{1,128}$"  # OpenAI's are up to 64 characters, Anthropic's 128
SCHEMA_KEYS = frozenset({"type", "properties", "$ref", "anyOf", "allOf", "oneOf", "enum", "const"})


class Message(BaseModel):
    """A message of a conversation. What else it may hold depends on its role; see ponder.chat.messages."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[dict[str, Any] | str], Field(max_length=10_000, fail_fast=True)] | dict | None = None

    @model_validator(mode="after")
    def objects_are_results(self):
        if isinstance(self.content, dict) and self.role != "tool":
            raise ValueError("content is an object; give text or a list of text parts")
        return self


class AsSent(BaseModel):
    """An object whose fields a template shows to the model: in the client's order, with all that the client wrote."""

    model_config = ConfigDict(extra="allow")

    _sent: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def keep(cls, fields: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        made = handler(fields)
        if isinstance(fields, dict):
            made._sent = {name: value for name, value in fields.items() if value is not None}
        return made

    def as_sent(self) -> dict[str, Any]:
        """The fields as they came, without those that are null."""
        return dict(self._sent)


class FunctionDescription(AsSent):
    name: str = Field(pattern=TOOL_NAME)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    @field_validator("parameters")
    @classmethod
    def is_a_schema(cls, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        if parameters is not None:
            check_schema(parameters)
        return parameters


def refuse_hosted(tool: Any) -> None:
    """Raises ValueError for tools that OpenAI runs, or that take no JSON."""
    kind = tool.get("type") if isinstance(tool, dict) else None
    if isinstance(kind, str) and kind != "function":
        raise ValueError(
            f"tools of type {kind[:60]!r} are not run here, and this model calls functions only: describe it as a tool of "
            "type function, and run it yourself"
        )


class Tool(AsSent):
    type: Literal["function"]
    function: FunctionDescription

    @model_validator(mode="before")
    @classmethod
    def is_run_by_the_client(cls, fields: Any) -> Any:
        refuse_hosted(fields)
        return fields

    def as_sent(self) -> dict[str, Any]:
        return super().as_sent() | {"function": self.function.as_sent()}


class NamedFunction(Body):
    name: str


class NamedTool(Body):
    type: Literal["function"]
    function: NamedFunction


class AllowedFunctions(Body):
    mode: Literal["auto", "required"] = "auto"
    tools: list[NamedTool] = Field(min_length=1, max_length=512, fail_fast=True)


class AllowedTools(Body):
    """Those of the tools that may be called: the model is shown no others."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedFunctions


class StructuredOutputs(Body):
    """vLLM's field: exactly one of these."""

    json_schema: dict[str, Any] | str | None = Field(None, alias="json")
    regex: str | None = Field(None, max_length=10_000)
    choice: list[str] | None = Field(None, min_length=1, max_length=1_000, fail_fast=True)
    grammar: str | None = Field(None, max_length=100_000)

    @model_validator(mode="after")
    def exactly_one(self):
        if sum(value is not None for value in (self.json_schema, self.regex, self.choice, self.grammar)) != 1:
            raise ValueError("give exactly one of json, regex, choice, grammar")
        return self


class JsonSchema(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Body):
    """A schema stands in `json_schema.schema`, as OpenAI has it; in `schema`, as others do, also of type json_object; or
    it is `json_schema` itself."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")

    @field_validator("json_schema", mode="before")
    @classmethod
    def is_described(cls, given: Any) -> Any:
        bare = isinstance(given, dict) and "schema" not in given and not SCHEMA_KEYS.isdisjoint(given)
        return {"schema": given} if bare else given

    @model_validator(mode="after")
    def schema_is_given(self):
        if self.json_schema is not None and self.schema_ is not None:
            raise ValueError("schema is given twice: in json_schema, and beside it")
        if (self.type == "json_schema") != (self.json_schema is not None) and self.schema_ is None:
            raise ValueError("json_schema goes with type json_schema, and only with it")
        if self.type == "text" and self.schema_ is not None:
            raise ValueError("schema goes with type json_schema")
        return self

    @property
    def asked_schema(self) -> dict[str, Any] | None:
        return self.schema_ if self.json_schema is None else self.json_schema.schema_


def plain_messages(messages: list[Message]) -> list[dict[str, Any]]:
    """As clients wrote them, in the parts that ponder.chat.messages knows."""
    return [with_text_parts(message.model_dump(exclude_unset=True)) for message in messages]


class ChatRequest(Sampling, ThinkingFields):
    """POST /v1/chat/completions."""

    model: str
    messages: list[Message] = Field(min_length=1, max_length=10_000, fail_fast=True)
    max_tokens: int | None = Field(None, ge=1, lt=2**31)
    max_completion_tokens: int | None = Field(None, ge=1, lt=2**31)
    tools: list[Tool] | None = Field(None, max_length=512, fail_fast=True)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | AllowedTools | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=20)
    continue_final_message: bool = Field(False, description="go on with the last message, an assistant's")
    add_generation_prompt: bool | None = Field(None, description="false goes with continue_final_message")
    end_loops: EndLoops = None

    _cut: bool = PrivateAttr(False)

    @property
    def cuts_max_tokens(self) -> bool:
        """max_tokens is cut to what the context leaves, where OpenAI's form refuses one that is more."""
        return self._cut

    def cutting_max_tokens(self) -> Self:
        self._cut = True
        return self

    @property
    def ends_loops(self) -> bool:
        return not self.ignore_eos if self.end_loops is None else self.end_loops

    @property
    def forced_call(self) -> bool:
        return self.tool_choice == "required" or isinstance(self.tool_choice, NamedTool)

    @model_validator(mode="after")
    def only_allowed_tools(self):
        if isinstance(self.tool_choice, AllowedTools):
            allowed = self.tool_choice.allowed_tools
            names, there = (
                {tool.function.name for tool in allowed.tools},
                {one.function.name for one in self.tools or []},
            )
            if missing := names - there:
                raise ValueError(f"allowed_tools names {min(missing)[:64]!r}, which is not among the tools")
            self.tools = [tool for tool in self.tools or [] if tool.function.name in names]
            self.tool_choice = allowed.mode
        return self

    @model_validator(mode="after")
    def parts_fit(self):
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs: true")
        if self.max_tokens and self.max_completion_tokens and self.max_tokens != self.max_completion_tokens:
            raise ValueError("max_tokens and max_completion_tokens differ; give one of them")
        if self.add_generation_prompt is not None and self.add_generation_prompt == self.continue_final_message:
            raise ValueError("add_generation_prompt must be the opposite of continue_final_message; leave it out")
        if self.continue_final_message and self.forced_call:
            raise ValueError("continue_final_message does not go with a call that must begin the answer")
        names = [tool.function.name for tool in self.tools or []]
        if self.tool_choice == "required" and not names:
            raise ValueError("tool_choice 'required' needs tools")
        if isinstance(self.tool_choice, NamedTool) and self.tool_choice.function.name not in names:
            raise ValueError(f"tool_choice names {self.tool_choice.function.name[:64]!r}, which is not among the tools")
        if self.structured_outputs and self.response_format and self.response_format.type != "text":
            raise ValueError("response_format and structured_outputs are both given; give one of them")
        return self


class ControlRequest(Body):
    """POST /v1/chat/completions/control: end the thinking of a running answer."""

    id: str
    action: Literal["reasoning_end"]
