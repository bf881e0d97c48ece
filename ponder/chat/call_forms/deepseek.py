"""DeepSeek's form: each call between `<｜tool▁call▁begin｜>` and `<｜tool▁call▁end｜>`, V3 and R1 as `function<｜tool▁sep｜>name`
with the arguments in a JSON fence, V3.1 as `name<｜tool▁sep｜>{arguments}`."""

import re

from ponder.chat.call_forms.call import MAX_CALLS, Call, MalformedCall, Properties, call_of

BEGIN, SEPARATOR, END = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
FENCED = re.compile(r"\s*(\S{1,200})\s*\n```(?:json)?[ \t]*\n(.*)\n\s*```\s*", re.DOTALL)


def deepseek_calls(text: str, properties: Properties) -> list[Call] | None:
    """The calls of all blocks. MalformedCall for one that is not closed or holds no call."""
    if BEGIN not in text:
        return None
    _, *parts = text.split(BEGIN, MAX_CALLS + 1)
    if len(parts) > MAX_CALLS:
        raise MalformedCall(f"more than {MAX_CALLS} calls")
    return [_call(part) for part in parts]


def _call(part: str) -> Call:
    block, closed, _ = part.partition(END)
    head, separated, rest = block.partition(SEPARATOR)
    if not closed or not separated:
        raise MalformedCall(f"a {BEGIN} without {SEPARATOR} and {END}")
    if head.strip() == "function" and (fenced := FENCED.fullmatch(rest)):
        return call_of(fenced[1], fenced[2])
    if not head.strip():
        raise MalformedCall("a call without a name")
    return call_of(head.strip(), rest.strip())
