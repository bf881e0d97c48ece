"""What is too large: prompts that cannot fit, found before anything is rendered, and those that take a while.

Encoding two megabytes takes seconds. A server that is sent ten such prompts must refuse them at once and go on with its
honest streams.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from ponder.agents.turn.lengths import TooLong
from ponder.chat.continuing import begun
from ponder.chat.messages import canonical_messages
from ponder.chat.renderer import Renderer

LONG = 1 << 15  # characters and values, from which a request is one that takes a while
# Text in any language has fewer characters to a token, on average; runs of spaces and lines of dashes have more.
MOST_CHARACTERS = 6
LEAST_CALL = 4  # tokens: a call is JSON between two markers


def refuse_endless(texts: Iterable[str], renderer: Renderer, context: int, calls: int = 0) -> None:
    """Looks at texts that all go into one prompt, and encodes no more of them than it takes to know. `calls`: how many
    tool calls stand between them.

    Raises:
        TooLong: they are certainly longer than `context` tokens.
        ValueError: text that is no Unicode.
    """
    texts = [text.strip() for text in texts]  # some templates strip
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    least = size // renderer.longest_token + LEAST_CALL * calls
    if least > context:
        raise TooLong(least, context, at_least=True)
    longest = max(texts, key=len, default="")
    beginning = longest[: MOST_CHARACTERS * context]
    if len(longest) > len(beginning):
        # Where a text is cut, a few tokens are others than in the whole.
        least = len(renderer.encode(beginning)) * 15 // 16
        if least > context:
            raise TooLong(least, context, at_least=True)


def refuse_endless_messages(
    messages: Sequence[Mapping[str, Any]], renderer: Renderer, context: int, goes_on: bool = False
) -> None:
    """The same for a conversation, of which only that counts which every template renders. `goes_on`: the last message
    is continued.

    Raises:
        TooLong: it is certainly longer than `context` tokens.
        ValueError: messages that are malformed, or text that is no Unicode.
    """
    texts: list[str] = []
    if goes_on:
        *messages, last = messages
        texts += begun(last)
    read = canonical_messages(messages) if messages else []
    try:
        texts += (text for message in read for text in _texts(message))
    except RecursionError as error:
        raise ValueError("messages are nested too deeply") from error
    refuse_endless(texts, renderer, context, sum(len(message.get("tool_calls", ())) for message in read))


def is_long(value: Any) -> bool:
    """Whether a request, or a part of one, takes a while to prepare. Stops counting where it knows."""
    size, left = 0, [value]
    while left and size <= LONG:
        part = left.pop()
        size += len(part) if isinstance(part, str) else 1
        if isinstance(part, BaseModel):
            left += vars(part).values()
            left += (part.model_extra or {}).values()
        elif isinstance(part, dict):
            size += len(part)
            left += part.values()
        elif isinstance(part, list):
            size += len(part)
            left += part if size <= LONG else ()
    return size > LONG


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    """What a prompt certainly has of a canonical message. Templates leave out an assistant's thoughts, but for those of
    a turn that is still running, and write the arguments of its calls as JSON."""
    content = message["content"]
    yield content.rpartition("</think>")[2] if message["role"] == "assistant" else content
    reasoning = message.get("reasoning_content", "")
    if isinstance(reasoning, str):
        yield reasoning
    for call in message.get("tool_calls", ()):
        if arguments := call["function"]["arguments"]:
            is_text = isinstance(arguments, str)
            yield arguments if is_text else json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
