"""Reading what an OpenAI-compatible server sends: its streams, in all their dialects, and its refusals.

Thoughts come as `reasoning_content` (Ponder, DashScope, SGLang), as `reasoning` (vLLM, Ollama), or inside the content,
between <think> tags, from servers that do not take them apart. Usage may be missing, whole or in part.
"""

import json
from collections.abc import AsyncIterator, Callable
from http.client import responses as PHRASES
from typing import Any, TypeVar

import httpx

from ponder.clients.talk.conversation import Usage
from ponder.clients.talk.events import CallArguments, CallStarted, Counted, Ended, Event, Said, Started, Thought

THINK, THINK_END = "<think>", "</think>"
MOST_ERROR = 2_000  # characters of an error that are shown
MOST_PLAIN_ERROR = 200  # of one that is no JSON: longer ones are somebody's web page
NO_HTTP = ("illegal status line", "without sending a response")  # what the HTTP library says then
BROKEN = "the server's stream is broken"
T = TypeVar("T")


class WireError(Exception):
    """The server refused, failed, or cannot be reached. `status`: its HTTP status, 0 where there is none."""

    def __init__(self, message: str, status: int = 0):
        super().__init__(message[:MOST_ERROR])
        self.status = status


class ChatReader:
    """Turns the chunks of a chat completion into events."""

    def __init__(self, warning: str | None = None):
        self._warning, self._first = warning, True
        self._inline = InlineThought()

    def read(self, chunk: dict[str, Any]) -> list[Event]:
        """Raises WireError where the chunk has another form than the wire's."""
        return parse(self._events, chunk)

    def end(self) -> list[Event]:
        """What was held back, when nothing more comes."""
        return self._inline.flush()

    def _events(self, chunk: dict[str, Any]) -> list[Event]:
        choices = chunk.get("choices") or []
        choice = choices[0] if choices else {}
        delta = choice.get("delta") or {}
        events: list[Event] = []
        thinks = delta.get("reasoning_content") is not None or delta.get("reasoning") is not None
        if self._first:
            events.append(Started(str(chunk.get("id", "")), thinks, self._warning))
            self._first = False
        if thinks:
            events += self._inline.separate()
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            events.append(Thought(str(thought)))
        if said := delta.get("content"):
            events += self._inline.push(str(said))
        for place, call in enumerate(delta.get("tool_calls") or []):
            function = call.get("function") or {}
            index = int(call.get("index", place))
            if name := function.get("name"):
                events.append(CallStarted(index, str(call.get("id") or f"call_{index}"), str(name)))
            if arguments := function.get("arguments"):
                events.append(CallArguments(index, str(arguments)))
        if reason := choice.get("finish_reason"):
            events += self._inline.flush()
            events.append(
                Ended(str(reason), _text(choice.get("reasoning_stop_reason")), _text(choice.get("stop_reason")))
            )
        return [*events, *_counted(chunk)]


class Splitter:
    """Splits text into thought and answer at `</think>`, however it is cut into pieces."""

    def __init__(self, thinking: bool):
        self.thinking = thinking
        self._held = ""
        self._bare = False  # at the beginning of the answer, where the empty lines after the tag are left out

    def push(self, text: str) -> list[Event]:
        if not self.thinking:
            if self._bare:
                text = text.lstrip("\n")
                self._bare = not text
            return [Said(text)] if text else []
        text, self._held = self._held + text, ""
        thought, tag, rest = text.partition(THINK_END)
        if tag:
            self.thinking, self._bare = False, True
            events: list[Event] = [Thought(thought)] if thought else []
            return [*events, Ended(None, "model"), *self.push(rest)]
        keep = next((n for n in range(min(len(THINK_END), len(text)), 0, -1) if THINK_END.startswith(text[-n:])), 0)
        thought, self._held = text[: len(text) - keep], text[len(text) - keep :]
        return [Thought(thought)] if thought else []

    def flush(self) -> list[Event]:
        held, self._held = self._held, ""
        return [Thought(held)] if held else []


class InlineThought:
    """Takes a thought out of content that begins with one. Where thoughts have come apart, content is left alone."""

    def __init__(self) -> None:
        self._held = ""
        self._splitter: Splitter | None = None  # None: too little has come to decide

    def separate(self) -> list[Event]:
        if self._splitter is not None:
            return []
        self._splitter = Splitter(False)
        return self.flush()

    def push(self, text: str) -> list[Event]:
        if self._splitter is not None:
            return self._splitter.push(text)
        self._held += text
        begun = self._held.lstrip()
        if begun.startswith(THINK):
            self._splitter = Splitter(True)
            self._held = ""
            return [Thought(""), *self._splitter.push(begun.removeprefix(THINK).removeprefix("\n"))]
        return [] if THINK.startswith(begun) else self.separate()

    def flush(self) -> list[Event]:
        held, self._held = self._held, ""
        events: list[Event] = [Said(held)] if held else []
        return [*events, *(self._splitter.flush() if self._splitter else ())]


class TextReader:
    """Turns the chunks of a continued text into events. `new`: tokens of the last chunk, where they are told."""

    def __init__(self, thinking: bool):
        self._splitter, self.new = Splitter(thinking), 0

    @property
    def thinking(self) -> bool:
        return self._splitter.thinking

    def read(self, chunk: dict[str, Any]) -> list[Event]:
        """Raises WireError where the chunk has another form than the wire's."""
        return parse(self._events, chunk)

    def _events(self, chunk: dict[str, Any]) -> list[Event]:
        choices = chunk.get("choices") or []
        choice = choices[0] if choices else {}
        self.new = len(choice.get("token_ids") or ())
        events = self._splitter.push(str(choice.get("text") or ""))
        if choice.get("finish_reason"):
            thinking_end = "length" if self.thinking else None
            events += self._splitter.flush()
            events.append(Ended(str(choice["finish_reason"]), thinking_end, _text(choice.get("stop_reason"))))
        return events


async def chunks_of(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The chunks of a stream of server-sent events, or the whole answer of a server that does not stream, as one.

    Raises:
        WireError: it is broken, ends too early, or tells of an error.
    """
    if response.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        yield _as_chunk(_object(await response.aread()))
        return
    ended = False
    async for line in response.aiter_lines():
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            return
        chunk = _object(data)
        ended = ended or parse(_ends, chunk)
        yield chunk
    if not ended:
        raise WireError("the server's answer broke off")


def parse(reader: Callable[[dict[str, Any]], T], chunk: dict[str, Any]) -> T:
    """What `reader` finds in a chunk. Raises WireError where the chunk has another form than the wire's."""
    try:
        return reader(chunk)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise WireError(BROKEN) from error


def refusal(status: int, body: bytes, url: str) -> WireError:
    """The error of an answer that is none: what its body says, in OpenAI's form or whatever there is."""
    text = body.decode("utf-8", "replace").strip()
    phrase = PHRASES.get(status, "")
    try:
        said = message_of(json.loads(text))
    except (ValueError, RecursionError):
        said = text if len(text) <= MOST_PLAIN_ERROR and "<" not in text else ""
    if not said or said == phrase:
        hint = ": the address of an API usually ends with /v1" if status in (404, 405) else ""
        return WireError(f"{url} answers {status} {phrase}".rstrip() + hint, status)
    return WireError(f"the server refuses the API key: {said}" if status in (401, 403) else said, status)


def unreachable(error: httpx.HTTPError | httpx.InvalidURL, url: str) -> WireError:
    """The error of a connection."""
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            # This message of the library's says nothing that a person could use.
            why = str(error).removeprefix("All connection attempts failed")
            return WireError(f"no server can be reached at {url}" + (f": {why}" if why else ""))
        case httpx.TimeoutException():
            return WireError("the server has said nothing for too long")
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return WireError(f"{url} is no address of a server: it has to begin with http:// or https://")
        case httpx.RemoteProtocolError() if any(sign in str(error) for sign in NO_HTTP):
            return WireError(f"what is at {url} does not answer in HTTP")
    return WireError("the connection to the server broke off" + (f": {error}" if str(error) else ""))


def message_of(told: Any) -> str:
    """What an error body says; "" where it says nothing."""
    error = (told.get("error") or told) if isinstance(told, dict) else told
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return str(error) if error else ""


def _object(data: str | bytes) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError(BROKEN) from error
    if not isinstance(chunk, dict):
        raise WireError(BROKEN)
    if chunk.get("error"):
        raise WireError(message_of(chunk))
    return chunk


def _as_chunk(whole: dict[str, Any]) -> dict[str, Any]:
    def turned(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"choices": [choice | {"delta": choice.get("message")} for choice in body.get("choices") or []]}

    return parse(turned, whole)


def _ends(chunk: dict[str, Any]) -> bool:
    return any(choice.get("finish_reason") for choice in chunk.get("choices") or [])


def _counted(chunk: dict[str, Any]) -> list[Event]:
    usage = chunk.get("usage")
    if not isinstance(usage, dict):
        return []
    details = usage.get("completion_tokens_details") or {}
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"), details.get("reasoning_tokens"))
    factor = usage.get("rope_factor")
    return [Counted(Usage(*map(_count, counts), rope_factor=float(factor) if isinstance(factor, int | float) else 1.0))]


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
