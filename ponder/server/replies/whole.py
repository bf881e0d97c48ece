"""Answers that are sent whole, and that nobody waits while a large one is written.

With log-probabilities an answer of some thousand tokens is a body of many megabytes. To build one and write it as JSON
takes seconds, in which the event loop would serve nobody: it is done in a thread, and in pieces, since the JSON library
holds the interpreter's lock for as long as one call takes.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import Response

PIECES_DEPTH = 5  # body, choices, choice, logprobs, their lists: what is inside is small


async def whole_answer(make: Callable[[], dict[str, Any]], headers: dict[str, str] | None = None) -> Response:
    """What `make` returns, as JSON that no text can break."""
    body = await asyncio.to_thread(lambda: "".join(json_pieces(make())).encode("ascii"))
    return Response(body, media_type="application/json", headers=headers)


def json_pieces(value: Any, depth: int = PIECES_DEPTH) -> Iterator[str]:
    """`json.dumps(value)`, cut so that no piece takes long: lists and objects down to `depth` item by item. An iterator
    in one of these places becomes a list, of which one item at a time is in memory."""
    if not depth or not isinstance(value, dict | list | Iterator):
        yield json.dumps(value)
        return
    is_object = isinstance(value, dict)
    yield "{" if is_object else "["
    for place, item in enumerate(value):
        yield ", " if place else ""
        if is_object:
            yield f"{json.dumps(item)}: "
        yield from json_pieces(value[item] if is_object else item, depth - 1)
    yield "}" if is_object else "]"
