"""What is said to an OpenAI-compatible server and what it answers, as text; token ids and log-probabilities where it
tells them.

Thoughts come as `reasoning_content` (Ponder, DashScope, SGLang) or as `reasoning` (vLLM, Ollama); a server that sends both
says the same twice. A whole answer is read as a stream of one chunk.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ponder.engine.protocol import MAX_TOP_LOGPROBS

OURS = ("model", "messages", "prompt", "stream", "stream_options", "n")
Message = Mapping[str, Any]


@dataclass(frozen=True)
class TextSampling:
    """How an answer is to be sampled. What is None is left to the server.

    `fields`: others of the body, by the server's own names: top_k, enable_thinking, response_format, or
    max_completion_tokens where a server refuses max_tokens.

    Raises:
        ValueError: a value out of its range, or a field that is not the caller's to set.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = (
        None  # how many likeliest tokens are told beside each one, 0 to 20; None: no log-probabilities
    )
    token_ids: bool = False  # ask for them (`return_token_ids`): vLLM and Ponder know it, others may refuse it
    fields: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self):
        if self.logprobs is not None and not 0 <= self.logprobs <= MAX_TOP_LOGPROBS:
            raise ValueError(f"logprobs must be between 0 and {MAX_TOP_LOGPROBS}, got {self.logprobs}")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, got {self.max_tokens}")
        for name in OURS:
            if name in self.fields:
                raise ValueError(f"fields[{name!r}] is not yours to set: it says how the engine asks")


@dataclass(frozen=True)
class TokenLogprob:
    token: str  # as the server spells it
    logprob: float
    top: tuple[tuple[str, float], ...] = ()  # the likeliest tokens at this place


@dataclass(frozen=True)
class Usage:
    """Tokens; None where the server does not tell."""

    prompt: int | None = None
    completion: int | None = None
    reasoning: int | None = None  # those of `completion` that are thought
    cached: int | None = None  # those of `prompt` that were not computed again


@dataclass(frozen=True)
class Answer:
    text: str
    reasoning: str
    finish_reason: str  # in the server's word: "stop", "length", "tool_calls", "content_filter"
    usage: Usage = Usage()
    logprobs: tuple[TokenLogprob, ...] | None = None  # of thought and text; None where there are none
    token_ids: tuple[int, ...] | None = None
    model: str = ""  # what the server says it was
    # {"name": ..., "arguments": ...}: a JSON object, or the text that is none
    tool_calls: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class TextPiece:
    """A piece of an answer. `answer`: the whole, on the last piece, whose text is empty."""

    text: str = ""
    reasoning: str = ""
    answer: Answer | None = None


def chat_body(messages: Sequence[Message], sampling: TextSampling, model: str, stream: bool) -> dict[str, Any]:
    body = _body(sampling, model, stream) | {"messages": list(messages)}
    if sampling.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
    return body


def prompt_body(prompt: str, sampling: TextSampling, model: str, stream: bool) -> dict[str, Any]:
    body = _body(sampling, model, stream) | {"prompt": prompt}
    if sampling.logprobs is not None:
        body["logprobs"] = sampling.logprobs
    return body


def _body(sampling: TextSampling, model: str, stream: bool) -> dict[str, Any]:
    given = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "return_token_ids": sampling.token_ids or None,
        "stream_options": {"include_usage": True} if stream else None,
    }
    said = {name: value for name, value in given.items() if value is not None}
    return {"model": model, "stream": stream} | said | dict(sampling.fields)


class AnswerReader:
    """Puts an answer together from the chunks of a stream, or from the whole as the only chunk."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._logprobs: list[TokenLogprob] | None = None
        self._ids: list[int] | None = None
        self._calls: dict[int, list[str]] = {}  # by index: name, arguments so far
        self.finish_reason, self._model, self._usage = "", "", Usage()
        self.begun = False  # there was a choice

    def read(self, chunk: Mapping[str, Any]) -> TextPiece:
        """
        Raises:
            ValueError, TypeError, LookupError or AttributeError: it has another form than a chunk's.
        """
        self._model = _text(chunk.get("model")) or self._model
        if (usage := chunk.get("usage")) is not None:
            self._usage = _usage(usage)
        choices = chunk.get("choices") or []
        if not choices:
            return TextPiece()
        choice, self.begun = choices[0], True
        said = choice.get("message") or choice.get("delta") or {}
        piece = TextPiece(
            _text(said.get("content")) + _text(choice.get("text")),
            _text(said.get("reasoning_content")) or _text(said.get("reasoning")),
        )
        self._text.append(piece.text)
        self._reasoning.append(piece.reasoning)
        for at, call in enumerate(said.get("tool_calls") or []):
            name, arguments = self._calls.setdefault(_count(call.get("index", at)), ["", ""])
            function = call.get("function") or {}
            self._calls[call.get("index", at)] = [
                name + _text(function.get("name")),
                arguments + _text(function.get("arguments")),
            ]
        if told := choice.get("logprobs"):
            self._logprobs = [] if self._logprobs is None else self._logprobs
            self._logprobs += _logprobs(told)
        if (ids := choice.get("token_ids")) is not None:
            self._ids = [] if self._ids is None else self._ids
            self._ids += map(_count, ids)
        self.finish_reason = _text(choice.get("finish_reason")) or self.finish_reason
        return piece

    def answer(self) -> Answer:
        """What has come, which is the whole where it has a finish_reason."""
        return Answer(
            "".join(self._text),
            "".join(self._reasoning),
            self.finish_reason,
            self._usage,
            None if self._logprobs is None else tuple(self._logprobs),
            None if self._ids is None else tuple(self._ids),
            self._model,
            tuple({"name": name, "arguments": _arguments(said)} for _, (name, said) in sorted(self._calls.items())),
        )


def _arguments(said: str) -> Any:
    try:
        return json.loads(said or "{}")
    except (ValueError, RecursionError):
        return said


def _logprobs(told: Mapping[str, Any]) -> list[TokenLogprob]:
    """OpenAI's two forms: an entry for each token (chat), or columns (text)."""
    if "content" in told:
        return [_entry(entry) for entry in told["content"] or []]
    tokens, logprobs = told.get("tokens") or [], told.get("token_logprobs") or []
    tops = told.get("top_logprobs") or [None] * len(tokens)
    return [
        TokenLogprob(_text(token), _logprob(logprob), tuple((_text(t), _logprob(p)) for t, p in (top or {}).items()))
        for token, logprob, top in zip(tokens, logprobs, tops, strict=True)
    ]


def _entry(entry: Mapping[str, Any]) -> TokenLogprob:
    top = tuple((_text(one["token"]), _logprob(one["logprob"])) for one in entry.get("top_logprobs") or [])
    return TokenLogprob(_text(entry["token"]), _logprob(entry["logprob"]), top)


def _usage(told: Mapping[str, Any]) -> Usage:
    def count(holder: Mapping[str, Any] | None, name: str) -> int | None:
        value = (holder or {}).get(name)
        return None if value is None else _count(value)

    return Usage(
        count(told, "prompt_tokens"),
        count(told, "completion_tokens"),
        count(told.get("completion_tokens_details"), "reasoning_tokens"),
        count(told.get("prompt_tokens_details"), "cached_tokens"),
    )


def _text(value: Any) -> str:
    """Half of a surrogate pair, which JSON can write and UTF-8 cannot, is shown as what cannot be read."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r:.40}")
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"not a count: {value!r:.40}")
    return value


def _logprob(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"not a log-probability: {value!r:.40}")
    return float(value)
