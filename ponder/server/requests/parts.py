"""Content of messages as clients write it, in parts of many names: what is text becomes text, a thought a thought."""

import json
from typing import Any

# Types of parts that hold text, and the field that it is in. A refusal is what an assistant said.
TEXTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
THOUGHTS = {"thinking": "thinking", "reasoning": "text", "reasoning_text": "text"}
UNREADABLE = ("redacted_thinking",)  # another one's thought


def with_text_parts(message: dict[str, Any]) -> dict[str, Any]:
    """The same message; its content is text or parts of type text, where it is that in other words. What is left is
    refused in rendering."""
    content = message.get("content")
    if message.get("role") == "tool" and _is_data(content):
        return message | {"content": as_json(content)}
    if not isinstance(content, list):
        return message
    thoughts = [] if message.get("role") == "assistant" else None
    parts = [part for given in content if (part := _part(given, thoughts)) is not None]
    made = message | {"content": parts}
    if thoughts and not any(message.get(name) for name in ("reasoning_content", "reasoning", "thinking")):
        made["reasoning_content"] = "".join(thoughts)
    return made


def as_json(value: Any) -> str:
    """As a model reads it. Raises ValueError for what is nested too deeply."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError("a tool's result is nested too deeply; give it as text") from None


def _part(part: Any, thoughts: list[str] | None) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        return part
    if (field := TEXTS.get(kind)) is not None and isinstance(part.get(field), str):
        return {"type": "text", "text": part[field]}
    if thoughts is not None and kind in UNREADABLE:
        return None
    if thoughts is not None and (field := THOUGHTS.get(kind)) is not None and isinstance(part.get(field), str):
        thoughts.append(part[field])
        return None
    return part


def _is_data(content: Any) -> bool:
    """Whether a tool's result is data, not parts: an object, or a list of what are no parts."""
    if isinstance(content, list):
        return any(not (isinstance(part, str) or (isinstance(part, dict) and "type" in part)) for part in content)
    return isinstance(content, dict)
