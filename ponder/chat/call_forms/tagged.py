"""JSON calls between tags of their own, as several families write them: `<function_call>`, `<functioncall>`, `<tool_calls>`,
`<tools>`, and Phi's and Granite's `<|tool_call|>`. The closing tag may be missing at the end of the text."""

import re

from ponder.chat.call_forms.call import MAX_CALLS, Call, MalformedCall, Properties, calls_of_values, json_values

OPENING = re.compile(r"<(function_calls?|functioncall|tool_calls|tools|\|tool_call\|)>")


def tagged_calls(text: str, properties: Properties) -> list[Call] | None:
    """The calls after each opening tag. MalformedCall for anything else there."""
    _, *parts = OPENING.split(text, MAX_CALLS + 1)
    if not parts:
        return None
    if len(parts) > 2 * MAX_CALLS:
        raise MalformedCall(f"more than {MAX_CALLS} calls")
    return [call for tag, part in zip(parts[::2], parts[1::2], strict=True) for call in _calls(tag, part)]


def _calls(tag: str, part: str) -> list[Call]:
    inside = part
    for closing in (f"</{tag}>", f"<|/{tag[1:]}>", f"</{tag[1:-1]}>"):
        inside = inside.partition(closing)[0]
    values, end = json_values(inside, 0)
    if not values or inside[end:].strip():
        raise MalformedCall(f"no call after <{tag}>: {inside[end : end + 80]!r}")
    return calls_of_values(values)
