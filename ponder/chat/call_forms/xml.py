"""Calls between `<function=name>` and `</function>`: with `<parameter=name>` values (Qwen3-Coder), or with one JSON object
of all arguments (Llama 3.1's custom tools)."""

import re
from typing import Any

from ponder.chat.call_forms.call import MAX_CALLS, Call, MalformedCall, Properties, call_of, json_value

OPENING = re.compile(r"<function=([^>\n]{1,200})>")
CLOSING = "</function>"


def xml_calls(text: str, properties: Properties) -> list[Call] | None:
    """The calls of all `<function=name>` blocks that stand by themselves. MalformedCall for one that is not closed."""
    if "<function=" not in text or "<tool_call>" in text or "</tool_call>" in text:
        return None
    before, *parts = text.split("<function=", MAX_CALLS + 1)
    if len(parts) > MAX_CALLS:
        raise MalformedCall(f"more than {MAX_CALLS} blocks")
    if CLOSING in before:
        raise MalformedCall(f"a {CLOSING} without a <function=name>")
    calls = []
    for part in parts:
        call = (
            xml_call(f"<function={part[: part.rfind(CLOSING) + len(CLOSING)]}", properties) if CLOSING in part else None
        )
        if call is None:
            raise MalformedCall(f"a <function=name> without one {CLOSING}: {part[:80]!r}")
        calls.append(call)
    return calls


def xml_call(block: str, properties: Properties) -> Call | None:
    """The call that a block consists of, or None where it is no `<function=name>...</function>`."""
    block = block.strip()
    opening = OPENING.match(block)
    if opening is None or not block.endswith(CLOSING):
        return None
    name, body = opening[1].strip(), block[opening.end() : -len(CLOSING)]
    if body.lstrip().startswith("{"):
        return call_of(name, body.strip())
    arguments = {}
    for part in body.split("<parameter=")[1:]:
        key, _, rest = part.partition(">")
        value, closed, _ = rest.partition("</parameter>")
        if not closed:
            raise MalformedCall(f"a parameter of {name[:80]!r} has no </parameter>")
        value = value.removeprefix("\n").removesuffix("\n")
        arguments[key.strip()] = typed(value, properties.get(name, {}).get(key.strip()))
    return Call(name, arguments)


def typed(text: str, schema: Any) -> Any:
    """A parameter's value out of its text: JSON where the schema asks for another type than a string."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind in ("string", "any"):
        return text
    try:
        return json_value(text.lower() if kind == "boolean" else text)  # True and False, as Python writes them
    except ValueError:
        return text
