"""Tool calls carried out: at the same time, each within its time, and what they answer as text of a bounded length."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ponder.agents.tools.tool import Tool, ToolBroken, ToolError
from ponder.chat.renderer import Renderer
from ponder.chat.tool_calls import ToolCall


@dataclass(frozen=True)
class CallLimits:
    """Seconds that one call may take, and all calls of one turn together; tokens of a result, of which more is cut out of its middle."""

    seconds: float = 30.0
    turn_seconds: float = 120.0
    result_tokens: int = 2000


@dataclass(frozen=True)
class CallResult:
    """`text`: what the model is told. `is_error`: the call failed by its own fault. `broken`: why the tool could not do its work, where
    that was not the call's fault."""

    call: ToolCall
    text: str
    seconds: float
    is_error: bool = False
    broken: str | None = None


async def carry_out(
    calls: Sequence[ToolCall], tools: Mapping[str, Tool], limits: CallLimits, renderer: Renderer
) -> list[CallResult]:
    """What all of them answered, in the order of the calls. Nothing that a tool does raises here."""
    end = time.monotonic() + limits.turn_seconds
    return list(await asyncio.gather(*(_carry_out(call, tools, limits, renderer, end) for call in calls)))


async def _carry_out(
    call: ToolCall, tools: Mapping[str, Tool], limits: CallLimits, renderer: Renderer, end: float
) -> CallResult:
    began = time.monotonic()
    seconds = max(min(limits.seconds, end - began), 0.0)
    is_error, broken = True, None
    try:
        async with asyncio.timeout(seconds):
            text, is_error = as_text(await _asked(call, tools)), False
    except TimeoutError:
        text = f"Error: the call took longer than {seconds:g} s and was given up."
    except ToolBroken as error:
        text, broken = f"Error: {error}", str(error)
    except ToolError as error:
        text = f"Error: {error}"
    except Exception as error:  # a fault of the tool's own: its episode says nothing of the model, and the others go on
        broken = f"{type(error).__name__}: {error}"
        text = f"Error: {broken}"
    return CallResult(call, cut(text, renderer, limits.result_tokens), time.monotonic() - began, is_error, broken)


async def _asked(call: ToolCall, tools: Mapping[str, Tool]) -> Any:
    if (tool := tools.get(call.name)) is None:
        raise ToolError(f"there is no tool {call.name}; there are: {', '.join(tools)}")
    if isinstance(call.arguments, str):
        raise ToolError("the arguments are no JSON object")
    return await tool.call(call.arguments)


def as_text(value: Any) -> str:
    """A text as it is, all else as JSON. Raises ToolError for what JSON cannot say."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # a lone surrogate is no text
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolError(f"the tool returned {type(value).__name__}, which is no text") from error


def cut(text: str, renderer: Renderer, most: int) -> str:
    """A text of at most so many tokens, or its head and its tail with a remark between them."""
    # A long one is made shorter before it is counted: no token is longer than the longest.
    widest = most * renderer.longest_token
    first = last = renderer.encode(text[:widest])
    if len(text) > widest:
        last = renderer.encode(text[-widest:])
    elif len(first) <= most:
        return text
    half = max(most // 2, 1)
    head, tail = renderer.decode(first[:half]).rstrip("\ufffd"), renderer.decode(last[-half:]).lstrip("\ufffd")
    left = len(text) - len(head) - len(tail)
    return f"{head}\n[... {left:,} characters left out ...]\n{tail}"
