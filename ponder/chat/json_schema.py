"""Whether what a client or a tool server calls a JSON schema can be one: enough to refuse nonsense before it reaches a prompt."""

from typing import Any

TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_VALUES = (
    (("enum",), list, "a list"),
    (("pattern", "format", "$ref"), str, "text"),
    (_NUMBERS, int | float, "a number"),  # true and false were limits in older drafts
    (_COUNTS, int | float, "a number"),
)
MAX_PARTS = 10_000
_SCHEMAS = ("items", "additionalProperties", "not", "contains")  # a schema each, or true or false
_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions", "patternProperties")


def check_schema(schema: dict[str, Any]) -> None:
    """Raises ValueError, naming the place, where a keyword has a value that no schema has."""
    left: list[tuple[str, Any]] = [("parameters", schema)]
    parts = 1
    while left:
        where, node = left.pop()
        if isinstance(node, bool):
            continue
        if not isinstance(node, dict):
            raise ValueError(f"{where[:200]} must be a JSON schema, an object")
        kinds = node.get("type", [])
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if unknown := [kind for kind in kinds if not isinstance(kind, str) or kind not in TYPES]:
            raise ValueError(f"{where[:200]}.type is {str(unknown[0])[:50]!r}; JSON has {', '.join(sorted(TYPES))}")
        for names, kind, word in _VALUES:
            if wrong := [name for name in names if name in node and not isinstance(node[name], kind)]:
                raise ValueError(f"{where[:200]}.{wrong[0]} must be {word}")
        required = node.get("required", [])
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise ValueError(f"{where[:200]}.required must be a list of names")
        left += [(f"{where}.{key}", node[key]) for key in _SCHEMAS if key in node and not isinstance(node[key], list)]
        for key in _LISTS:
            options = node.get(key, [])
            if not isinstance(options, list):
                raise ValueError(f"{where[:200]}.{key} must be a list of schemas")
            parts = _counted(parts, options)
            left += [(f"{where}.{key}[{index}]", option) for index, option in enumerate(options)]
        for key in _MAPS:
            named = node.get(key, {})
            if not isinstance(named, dict):
                raise ValueError(f"{where[:200]}.{key} must be an object of schemas")
            parts = _counted(parts, named)
            left += [(f"{where}.{key}.{str(name)[:50]}", part) for name, part in named.items()]


def _counted(parts: int, more: list | dict) -> int:
    if parts + len(more) > MAX_PARTS:
        raise ValueError(f"parameters has more than {MAX_PARTS} schemas in it")
    return parts + len(more)
