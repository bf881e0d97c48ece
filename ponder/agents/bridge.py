"""What stands between two turns of the model: the results of its calls, as the chat template writes them, in ids.

Nothing that was sampled is rendered again (law 2): the template writes a conversation of its own that holds calls of the same names and these
results, and what follows the calling turn's end is taken over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ponder.agents.calling import CallResult
from ponder.chat.renderer import Renderer


@dataclass(frozen=True)
class Bridge:
    """`ids`: from behind the token that ends the calling turn to the beginning of the next. `thinking_open`: that begins inside a thought."""

    ids: tuple[int, ...]
    thinking_open: bool


def bridge(
    renderer: Renderer, results: Sequence[CallResult], tools: Sequence[Mapping[str, Any]], thinking: bool = True
) -> Bridge:
    """Raises ValueError where the template writes a turn otherwise when results follow it, so that nothing can be appended."""
    calls, told = [], []
    for number, result in enumerate(results):
        name = {"id": f"call_{number:05d}", "type": "function"}
        calls.append({**name, "function": {"name": result.call.name, "arguments": {}}})
        told.append({"role": "tool", "tool_call_id": name["id"], "name": result.call.name, "content": result.text})
    asked = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "", "tool_calls": calls}]
    before = renderer.render(asked, tools, thinking=thinking, generation_prompt=False).ids
    after = renderer.render([*asked, *told], tools, thinking=thinking)
    ends = [place for place, token in enumerate(before) if token == renderer.turn_end]
    if not ends or after.ids[: ends[-1] + 1] != before[: ends[-1] + 1]:
        raise ValueError(
            f"the chat template of {renderer.origin} writes a turn with calls otherwise when results follow it, so an agent's turns "
            "cannot be appended to each other: take a model whose template only appends"
        )
    return Bridge(tuple(after.ids[ends[-1] + 1 :]), after.thinking_open)
