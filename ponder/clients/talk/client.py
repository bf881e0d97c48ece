"""A client of the chat API, in as much of it as a chat needs. It knows the wire and nothing of the server behind it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import httpx

from ponder.clients.talk.conversation import Usage
from ponder.clients.talk.events import Counted, Ended, Event, Started
from ponder.clients.talk.wire import (
    THINK_END,
    ChatReader,
    TextReader,
    WireError,
    chunks_of,
    refusal,
    unreachable,
)
from ponder.engine.openai_models import ModelCard, read_cards
from ponder.http.listening import is_loopback

__all__ = ["Asked", "Client", "WireError"]

# Servers like ours ping every 15 s; one that says nothing for so long is lost.
TIMEOUT = httpx.Timeout(10.0, read=120.0)
# What is asked for, and what instead where a server refuses that.
USAGE = ({"include_usage": True, "continuous_usage_stats": True}, {"include_usage": True}, None)
# What plain completions do not know.
CHAT_ONLY = ("enable_thinking", "chat_template_kwargs", "thinking_budget", "thinking_token_budget")
NO_RESUME = "this server cannot take up an answer again"


@dataclass(frozen=True)
class Asked:
    """A request: messages and functions in OpenAI's form, and the other fields of its body."""

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] = ()
    fields: tuple[tuple[str, Any], ...] = ()
    api_key: str = ""


class Client:
    """`base_url`: of the API, with /v1. All methods raise WireError."""

    def __init__(self, base_url: str, model: str, api_key: str | None = None):
        self.base_url, self.model, self.api_key = base_url.rstrip("/"), model, api_key
        self._beside = self.base_url.removesuffix("/v1")  # where vLLM and Ponder have /tokenize
        self._usage = 0  # how much of USAGE the server refuses
        # A server on this machine is never behind a proxy.
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT, limits=httpx.Limits(max_connections=None), trust_env=not _is_here(self.base_url)
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def models(self, api_key: str = "") -> dict[str, ModelCard]:
        """The server's models by name."""
        return read_cards(await self._json("GET", self.base_url + "/models", None, api_key)) or {}

    async def longest(self, api_key: str = "") -> int | None:
        """The most tokens of a prompt and its answer, None where the server does not say."""
        models = await self.models(api_key)
        if self.model not in models:
            raise WireError(f"the server has no model {self.model!r}", 404)
        return models[self.model].longest

    async def chat(self, asked: Asked) -> AsyncIterator[Event]:
        """A turn of the model. Closing the iterator hangs up, which stops the sampling."""
        body = dict(asked.fields) | {"model": self.model, "messages": asked.messages, "stream": True}
        if asked.tools:
            body["tools"] = asked.tools
        while True:
            options = USAGE[self._usage]
            told = body | ({"stream_options": options} if options else {})
            try:
                async with self._stream("/chat/completions", told, asked.api_key) as (chunks, warning):
                    reader = ChatReader(warning)
                    async for chunk in chunks:
                        for event in reader.read(chunk):
                            yield event
                    for event in reader.end():
                        yield event
                return
            except WireError as error:
                if not (options and error.status in (400, 422) and _names(error, options)):
                    raise
                self._usage += 1

    async def resume(self, asked: Asked, thinking: str, content: str, conclude: bool) -> AsyncIterator[Event]:
        """More of a turn that was cut off, in the words of the model's own template: the prompt's ids, then what has
        been said. With `conclude` the thought ends here. What follows is text: tool calls are not taken out of it.
        """
        fields = {name: value for name, value in asked.fields if name not in CHAT_ONLY}
        thinks = dict(asked.fields).get("enable_thinking") is not False
        is_thinking = thinks and not conclude and not content
        thought = thinking if is_thinking else f"{thinking.rstrip()}\n{THINK_END}\n\n" if thinks else ""
        rendered: dict[str, Any] = {"messages": asked.messages, "chat_template_kwargs": {"enable_thinking": thinks}}
        if asked.tools:
            rendered["tools"] = asked.tools
        prompt = await self._ids(rendered, asked.api_key)
        thought_ids = await self._ids({"prompt": thought}, asked.api_key)
        said = [*thought_ids, *await self._ids({"prompt": content}, asked.api_key)]
        # Completions have 16 tokens where nothing is said, and as many as fit where null is.
        body = {"max_tokens": None} | fields | {"model": self.model, "prompt": [*prompt, *said]}
        body |= {"stream": True, "return_token_ids": True}
        if conclude:
            yield Ended(None, "user")
        async with self._stream("/completions", body, asked.api_key) as (chunks, _):
            yield Started("", is_thinking)
            reader, usage = TextReader(is_thinking), Usage(len(prompt), len(said), len(thought_ids))
            async for chunk in chunks:
                for event in reader.read(chunk):
                    yield event
                more = reader.new if reader.thinking else 0
                usage = replace(usage, completion=usage.completion + reader.new, reasoning=usage.reasoning + more)
                yield Counted(usage)

    async def end_thinking(self, request_id: str, api_key: str = "") -> bool:
        """Lets a running turn answer now. False where it is not thinking any more."""
        body = {"id": request_id, "action": "reasoning_end"}
        return bool(
            (await self._json("POST", self.base_url + "/chat/completions/control", body, api_key)).get("success")
        )

    async def _ids(self, body: dict[str, Any], api_key: str) -> list[int]:
        if body.get("prompt") == "":
            return []
        try:
            told = await self._json("POST", self._beside + "/tokenize", body | {"model": self.model}, api_key)
        except WireError as error:
            raise (
                WireError(f"{NO_RESUME}: it has no /tokenize", 404) if error.status in (404, 405) else error
            ) from error
        tokens = told.get("tokens")
        if not isinstance(tokens, list):
            raise WireError(NO_RESUME)
        return tokens

    async def _json(self, method: str, url: str, body: dict[str, Any] | None, api_key: str) -> dict[str, Any]:
        try:
            response = await self._http.request(method, url, json=body, headers=self._headers(api_key))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(error, self.base_url) from error
        if response.status_code != 200:
            raise refusal(response.status_code, response.content, url)
        try:
            told = json.loads(response.content)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise WireError(f"what {url} answers is no JSON: is it the address of an OpenAI-compatible API?")
        return told

    @asynccontextmanager
    async def _stream(self, path: str, body: dict[str, Any], api_key: str):
        """The parsed events of a stream, and the server's warning."""
        url = self.base_url + path
        try:
            async with self._http.stream("POST", url, json=body, headers=self._headers(api_key)) as response:
                if response.status_code != 200:
                    raise refusal(response.status_code, await response.aread(), url)
                yield chunks_of(response), response.headers.get("x-warning")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(error, self.base_url) from error

    def _headers(self, api_key: str) -> dict[str, str]:
        key = api_key or self.api_key
        return {"authorization": f"Bearer {key}"} if key and key.isascii() and key.isprintable() else {}


def _names(error: WireError, options: dict[str, bool]) -> bool:
    return any(name in str(error) for name in ("stream_options", *options))


def _is_here(url: str) -> bool:
    """Whether it is an address of this machine."""
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
