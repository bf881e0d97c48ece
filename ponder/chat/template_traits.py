"""What a chat template shows of tools, found by rendering small conversations with it.

A template is a program, and says nothing of itself: some show no tools, some drop calls or their results, some want
arguments as text, ids of nine characters, or one call at a time, and raise where they get something else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

# Words that no template has.
_TOOL, _CALL, _VALUE, _RESULT, _SYSTEM = "probe_fn_k7", "probe_call_j4", "value_q3", "result_w9", "system_z5"
_USER = {"role": "user", "content": "hi"}
_FUNCTION = {
    "name": _TOOL,
    "description": "none",
    "parameters": {"type": "object", "properties": {"x": {"type": "string", "description": "none"}}, "required": ["x"]},
}
_TOOLS = [{"type": "function", "function": _FUNCTION}]
_IDS = ("call_0123456789abcdef", "abcDEF123")

Run = Callable[[list[dict[str, Any]], list[dict[str, Any]] | None], str]


@dataclass(frozen=True)
class TemplateTraits:
    """tools, calls, results, system: whether it shows the functions, an assistant's calls, messages of the role tool, and
    those of the role system. arguments_as_text, short_ids, one_call: what it wants of calls."""

    tools: bool
    calls: bool
    results: bool
    system: bool
    arguments_as_text: bool = False
    short_ids: bool = False
    one_call: bool = False


def traits_of(run: Run) -> TemplateTraits:
    """`run` renders messages and tools; a ValueError is the template's refusal."""
    tools = _shown(run, [_USER], _TOOLS, _TOOL)
    system = _shown(run, [{"role": "system", "content": _SYSTEM}, _USER], None, _SYSTEM)
    given = _TOOLS if tools else None
    for call_id, as_text in product(_IDS, (False, True)):
        text = _rendered(run, _history([call_id], as_text), given)
        # {'x': ...} is Python's spelling: the template has put an object where it meant a text.
        if text is None or _CALL not in text or f"'x': '{_VALUE}'" in text:
            continue
        two = _rendered(run, _history([call_id, call_id[:-1] + "0"], as_text), given)
        return TemplateTraits(
            tools, True, _RESULT in text, system, as_text, call_id == _IDS[1], two is None or two.count(_CALL) < 2
        )
    spoken = [_USER, {"role": "assistant", "content": "ok"}, {"role": "tool", "content": _RESULT}]
    return TemplateTraits(tools, False, _shown(run, spoken, None, _RESULT), system)


def _history(ids: Sequence[str], as_text: bool) -> list[dict[str, Any]]:
    arguments = f'{{"x": "{_VALUE}"}}' if as_text else {"x": _VALUE}
    calls = [{"id": each, "type": "function", "function": {"name": _CALL, "arguments": arguments}} for each in ids]
    results = [{"role": "tool", "content": _RESULT, "tool_call_id": each} for each in ids]
    return [_USER, {"role": "assistant", "content": "", "tool_calls": calls}, *results]


def _shown(run: Run, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None, word: str) -> bool:
    return word in (_rendered(run, messages, tools) or "")


def _rendered(run: Run, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> str | None:
    try:
        return run(messages, tools)
    except ValueError:
        return None
