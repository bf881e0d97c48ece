"""Hermes form, which Qwen writes: one JSON object between `<tool_call>` and `</tool_call>`. Qwen3-Coder writes
`<function=name>` in there (ponder.chat.call_forms.xml)."""

from ponder.chat.call_forms.call import MAX_CALLS, Call, MalformedCall, Properties
from ponder.chat.call_forms.xml import xml_call
from ponder.chat.tool_calls import parse_tool_call


def hermes_calls(text: str, properties: Properties) -> list[Call] | None:
    """The calls of all blocks; text around them is fine. MalformedCall for one that is not closed or holds no call."""
    if "<tool_call>" not in text and "</tool_call>" not in text:
        return None
    before, *rest = text.split("<tool_call>", MAX_CALLS + 1)
    if len(rest) > MAX_CALLS:
        raise MalformedCall(f"more than {MAX_CALLS} blocks")
    parts = [part.split("</tool_call>") for part in rest]
    if "</tool_call>" in before or any(len(part) != 2 for part in parts):
        raise MalformedCall("a <tool_call> without one </tool_call>, or the other way round")
    return [_call(block, properties) for block, _ in parts]


def _call(block: str, properties: Properties) -> Call:
    if call := xml_call(block, properties):
        return call
    parsed = parse_tool_call(block)
    if parsed is None:
        raise MalformedCall(f"no JSON object with a name and an object of arguments in {block.strip()[:80]!r}")
    return Call(parsed.name, parsed.arguments)
