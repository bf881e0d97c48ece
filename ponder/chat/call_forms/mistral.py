"""Mistral's form: `[TOOL_CALLS]` and a JSON list of calls; since v11 `[TOOL_CALLS]name{arguments}` for each of them, also
with `[CALL_ID]...` and `[ARGS]` between."""

import re

from ponder.chat.call_forms.call import (
    MAX_CALLS,
    Call,
    MalformedCall,
    Properties,
    call_of,
    calls_of_values,
    json_prefix,
    json_values,
)

MARK = "[TOOL_CALLS]"
NAME = re.compile(
    r"\s{0,10}([A-Za-z_][\w.-]{0,199})\s{0,10}(?:\[CALL_ID\]\s{0,10}\w{0,64}\s{0,10})?(?:\[ARGS\])?\s{0,10}(?=\{)"
)


def mistral_calls(text: str, properties: Properties) -> list[Call] | None:
    """The calls after each mark. MalformedCall for anything else there."""
    if MARK not in text:
        return None
    _, *parts = text.split(MARK, MAX_CALLS + 1)
    if len(parts) > MAX_CALLS:
        raise MalformedCall(f"more than {MAX_CALLS} calls")
    return [call for part in parts for call in _calls(part.strip())]


def _calls(part: str) -> list[Call]:
    values, end = json_values(part, 0)
    calls = calls_of_values(values)
    if not values:
        while (name := NAME.match(part, end)) and len(calls) <= MAX_CALLS:
            try:
                arguments, end = json_prefix(part, name.end())
            except ValueError as error:
                raise MalformedCall(f"the arguments of {name[1][:80]!r} are no JSON: {str(error)[:200]}") from error
            calls.append(call_of(name[1], arguments))
    if not calls or part[end:].strip():
        raise MalformedCall(f"no call after {MARK}: {part[end : end + 80]!r}")
    return calls
