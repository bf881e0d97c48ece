"""What clients may ask beside the chat: text or token ids that are continued, tokenize and detokenize."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from ponder.server.requests.chat import Message, StructuredOutputs, Tool
from ponder.server.requests.fields import Body, Sampling, StreamOptions

ONE_TO_MANY = Field(min_length=1, fail_fast=True)
MAX_ANSWERS = 64  # to one request, which counts once where requests at a time are limited
MAX_TOKENIZED = 2**20  # characters or ids, several times the longest contexts
TokenIds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, fail_fast=True)]


class CompletionRequest(Sampling):
    """POST /v1/completions: text or token ids in, text out. Without max_tokens an answer has 16, as OpenAI's; with null, as
    with vLLM, as many as fit."""

    null_says: ClassVar[frozenset[str]] = frozenset({"max_tokens"})

    model: str
    prompt: str | TokenIds | Annotated[list[str], ONE_TO_MANY] | Annotated[list[TokenIds], ONE_TO_MANY]
    max_tokens: int | None = Field(16, ge=1, lt=2**31)
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: bool = False
    suffix: str | None = None
    best_of: int | None = None
    add_special_tokens: bool = Field(False, description="those of the tokenizer, around a prompt that is text")
    structured_outputs: StructuredOutputs | None = None

    @model_validator(mode="after")
    def not_supported(self):
        if self.suffix:
            raise ValueError("suffix is not supported")
        if self.echo and self.logprobs is not None:
            raise ValueError("echo with logprobs is not supported: a prompt's tokens have no log-probabilities here")
        if self.best_of not in (None, self.n):
            raise ValueError("best_of is not supported: it must be n, or left out")
        prompts = len(self.prompt) if isinstance(self.prompt, list) and not isinstance(self.prompt[0], int) else 1
        if prompts * self.n > MAX_ANSWERS:
            raise ValueError(f"{prompts} prompts, {self.n} answers to each: prompts times n is at most {MAX_ANSWERS}")
        return self


class TokenizeRequest(Body):
    """POST /tokenize: a text, or a conversation as it would be rendered."""

    model: str | None = None
    prompt: str | None = Field(None, max_length=MAX_TOKENIZED)
    messages: list[Message] | None = Field(None, min_length=1, max_length=10_000, fail_fast=True)
    tools: list[Tool] | None = Field(None, max_length=512, fail_fast=True)
    add_special_tokens: bool = False
    add_generation_prompt: bool = True
    chat_template_kwargs: dict[str, Any] | None = None
    return_token_strs: bool = False

    @model_validator(mode="after")
    def one_of_both(self):
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        return self


class DetokenizeRequest(Body):
    model: str | None = None
    tokens: list[Annotated[int, Field(ge=0)]] = Field(max_length=MAX_TOKENIZED, fail_fast=True)


class GenerateSampling(Sampling):
    """vLLM's SamplingParams. Empty fields are vLLM's defaults, an untruncated draw at temperature 1, not the model's:
    this is the way of programs that train."""

    max_tokens: int | None = Field(None, ge=1, lt=2**31)
    logprobs: int | None = Field(None, ge=0, le=20)
    prompt_logprobs: None = Field(None, description="not supported")
    detokenize: bool | None = None
    output_kind: int | None = None


class GenerateRequest(Body):
    """POST /inference/v1/generate, vLLM's: token ids in, token ids out."""

    model: str | None = None
    request_id: str | None = Field(None, min_length=1, max_length=200)
    token_ids: TokenIds
    sampling_params: GenerateSampling = GenerateSampling()
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    cache_salt: str | None = None
    priority: int | None = None
    return_token_ids: bool | None = None
