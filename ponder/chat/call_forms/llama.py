"""Llama 3's form: `<|python_tag|>` and a JSON object with `name` and `parameters`; several follow after ";"."""

from ponder.chat.call_forms.call import Call, MalformedCall, Properties, calls_of_values, json_values
from ponder.chat.call_forms.python_text import python_calls

TAG = "<|python_tag|>"


def llama_calls(text: str, properties: Properties) -> list[Call] | None:
    """The calls after the tag: JSON objects, or Python calls. MalformedCall for anything else there."""
    if TAG not in text:
        return None
    rest = " ".join(text.split(TAG)[1:])
    rest = rest.strip()
    if calls := python_calls(rest, properties):
        return calls
    values, end = json_values(rest, 0)
    if not values or rest[end:].strip():
        raise MalformedCall(f"no call after {TAG}: {rest[end : end + 80]!r}")
    return calls_of_values(values)
