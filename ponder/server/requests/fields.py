"""Fields that several requests share: how tokens are drawn, how thinking is asked for, and what has no effect.

Unknown fields are refused, as OpenAI does, with the name that was meant where it can be guessed: a misspelt `max_token`
that is silently ignored costs hours. Fields that clients send and that change nothing here are listed in `Ignored`, those of
which some values change nothing in `neutral.py`. A field that is null says nothing, whatever its name: many clients write
null for all that they leave open.

A list ends its validation at the first wrong item (`fail_fast`): a body of two million of these would else become two
million errors.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ponder.chat.thinking import EFFORT_BUDGETS
from ponder.server.requests.neutral import ANY, NEUTRAL, is_neutral, meant

MAX_N = 16
MAX_FIELDS = 200
MAX_BIASES = 300
MAX_STOPS = 16


def _null_says_nothing(schema: dict[str, Any]) -> None:
    """For the OpenAPI document: what `Body` takes for left out."""
    schema["additionalProperties"] = {"type": "null"}
    for name, described in schema.get("properties", {}).items():
        kinds = described.get("anyOf", [])
        if name not in schema.get("required", []) and {"type": "null"} not in kinds and described.get("type") != "null":
            about = {key: described.pop(key) for key in ("default", "title", "description") if key in described}
            schema["properties"][name] = {"anyOf": [described, {"type": "null"}]} | about


def _neutral_too(schema: dict[str, Any]) -> None:
    """For the OpenAPI document: what `Ignored` takes besides its fields."""
    _null_says_nothing(schema)
    known = schema["properties"]
    told = {"description": "changes nothing"}
    schema["properties"] |= {name: told for name in sorted(ANY) if name not in known}
    schema["properties"] |= {
        name: {"enum": [*values, None]} | told for name, (values, _) in NEUTRAL.items() if name not in known
    }


class Body(BaseModel):
    """What every body has in common. `null_says`: fields in which null is not the same as nothing. `takes_neutral`: fields
    of other servers are taken with the values that change nothing."""

    null_says: ClassVar[frozenset[str]] = frozenset()
    takes_neutral: ClassVar[bool] = False
    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=_null_says_nothing)

    @model_validator(mode="before")
    @classmethod
    def json_as_it_is_meant(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        if len(fields) > MAX_FIELDS:
            raise ValueError(f"an object with {len(fields)} fields: none here has more than {MAX_FIELDS}")
        known = cls._known_of(fields)
        return {name: _whole(value) for name, value in known.items() if value is not None or name in cls.null_says}

    @classmethod
    def _known_of(cls, fields: dict[Any, Any]) -> dict[Any, Any]:
        """Without what changes nothing. Raises where something is left that nobody here knows."""
        names = {field.alias or name for name, field in cls.model_fields.items()}
        known = {}
        for name, value in fields.items():
            if name in names:
                known[name] = value
            elif not (value is None or (cls.takes_neutral and is_neutral(name, value))):
                told = {"name": str(name)[:100], "meant": meant(str(name)[:100], names)}
                raise PydanticCustomError("unknown_parameter", "{name} is not known here{meant}", told)
        return known


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 5.0 is a whole one, alone or in a list."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return [_whole(item) if isinstance(item, float) else item for item in value] if isinstance(value, list) else value


class Ignored(Body):
    """Fields that are accepted and have no effect."""

    takes_neutral: ClassVar[bool] = True
    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=_neutral_too)

    user: str | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    verbosity: str | None = None
    priority: int | None = None
    request_id: str | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None


class StreamOptions(Body):
    include_usage: bool = False
    continuous_usage_stats: bool = False
    include_obfuscation: bool | None = None


class SamplingFields(Ignored):
    """How tokens are drawn, at every path. Empty fields take the model's generation_config, else the guidelines."""

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1, description="0 and -1 are off")
    min_p: float | None = Field(None, ge=0, lt=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, ge=0.1, le=2)
    seed: int | None = Field(None, ge=-(2**63), lt=2**64)
    stop_token_ids: list[int] = Field([], max_length=64, fail_fast=True)
    ignore_eos: bool = Field(False, description="the model cannot end its turn: only max_tokens and stops end it")
    min_tokens: int | None = Field(None, json_schema_extra={"const": 0}, description="not supported")
    logit_bias: dict[int, Annotated[float, Field(ge=-100, le=100)]] = Field({}, max_length=MAX_BIASES)
    rope_factor: float | None = Field(None, ge=1, description="YaRN's factor; empty: the smallest that suffices")

    @field_validator("logit_bias", mode="before")
    @classmethod
    def keys_are_ids(cls, biases: Any) -> Any:
        """JSON has no objects with numbers as keys."""
        if not isinstance(biases, dict):
            return biases
        if len(biases) > MAX_BIASES:
            raise ValueError(f"at most {MAX_BIASES} tokens can have a bias")
        return {int(key) if str(key).isdecimal() and len(str(key)) < 12 else key: bias for key, bias in biases.items()}

    @field_validator("min_tokens")
    @classmethod
    def no_least_length(cls, tokens: int | None) -> int | None:
        if tokens:
            raise ValueError("min_tokens is not supported; leave it out, or ask with ignore_eos for exactly max_tokens")
        return tokens

    def sampling(self) -> dict[str, Any]:
        """Those that were given, for another request."""
        return {name: getattr(self, name) for name in SamplingFields.__annotations__ if name in self.model_fields_set}


Stop = Annotated[str, Field(min_length=1, max_length=200)]
Stops = Annotated[
    list[Stop],
    Field(max_length=MAX_STOPS, fail_fast=True),
    BeforeValidator(lambda stop: [stop] if isinstance(stop, str) else stop),
]


class Sampling(SamplingFields):
    """The same, of answers that may be many, whole or streamed."""

    n: int = Field(1, ge=1, le=MAX_N)
    stop: Stops = Field([])
    include_stop_str_in_output: bool = False
    stream: bool = False
    stream_options: StreamOptions | None = None
    return_token_ids: bool = False

    @model_validator(mode="after")
    def options_need_a_stream(self):
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is only allowed where stream is true")
        return self


EndLoops = Annotated[
    bool | None,
    Field(
        description="a thought that repeats itself is ended, an answer that does is stopped; left out: unless ignore_eos"
    ),
]
Budget = Annotated[int, Field(ge=0, description="tokens of thinking; 0 is off")] | None


class ThinkingFields(Body):
    """The spellings of ponder.chat.thinking, which gives them their one meaning."""

    chat_template_kwargs: dict[str, Any] | None = None
    enable_thinking: bool | None = None
    thinking: bool | dict[str, Any] | None = None
    think: bool | str | None = None
    reasoning_effort: str | None = Field(None, description=f"one of {', '.join(EFFORT_BUDGETS)}")
    reasoning: bool | dict[str, Any] | None = None
    thinking_budget: Budget = None
    thinking_token_budget: Budget = None
    thinking_budget_tokens: Budget = None
    max_thinking_tokens: Budget = None
    reasoning_budget: Budget = None
    reasoning_budget_tokens: Budget = None
    answer_reserve: int | None = Field(None, ge=0, description="tokens kept for the answer; 0: none")
    include_reasoning: bool = True
    separate_reasoning: bool = True
    tools_in_reasoning: Literal["act", "strict"] = "act"
