"""Instructions that the text be JSON, and our own: JSON by a schema."""

import json
import math
import re
from functools import lru_cache
from typing import Any

from ponder.verifiers.instructions.checked import Checked, quoted

STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
BRACKET = re.compile(r"[\[{]|([\]}])")
# Levels of nesting that are read. More would be a matter of how much stack the caller has left.
DEEPEST = 500
DEEPEST_BY_SCHEMA = 50
# Words of a schema by which validating can take more than a moment: regular expressions, recursion, comparing all with all.
SLOW = {"pattern", "patternProperties", "$ref", "$dynamicRef", "$recursiveRef", "uniqueItems"}
SLOW |= {"unevaluatedProperties", "unevaluatedItems"}
LONG = 20_000  # characters of JSON that are validated at once


def json_format(content: str) -> Checked:
    # By Python's parser: NaN, Infinity, bare numbers and texts, and doubled names are JSON to it.
    try:
        _parse(content, DEEPEST)
    except ValueError as error:
        return Checked(False, f"is not JSON: {error}")
    return Checked(True, "is JSON")


def schema(value: Any) -> str:
    """An argument: a JSON schema, as text in a fixed order."""
    if not isinstance(value, dict | bool):
        raise ValueError(f"must be a JSON schema, an object, not {type(value).__name__}")
    try:
        spelled = json.dumps(value, sort_keys=True)
        _validator(spelled)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None
    return spelled


def validated_at_once(content: str, schema: str) -> bool:
    return len(content) <= LONG and _is_quick(json.loads(schema))


def json_schema(content: str, schema: str) -> Checked:
    """Ours: JSON as in `json_format`, but without NaN and infinities, that is valid by the schema.

    ValueError for a reference in the schema that leads nowhere; nothing is fetched.
    """
    from referencing.exceptions import Unresolvable

    try:
        value = _parse(content, DEEPEST_BY_SCHEMA, parse_constant=_refuse, parse_float=_finite)
    except ValueError as error:
        return Checked(False, f"is not JSON: {error}")
    try:
        error = next(_validator(schema).iter_errors(value), None)
    except OverflowError:
        return Checked(False, "has a number too large to compare with the schema")
    except Unresolvable as problem:
        raise ValueError(f"the schema has a reference that leads nowhere: {problem}") from None
    if error is None:
        return Checked(True, "is JSON that is valid by the schema")
    return Checked(False, f"at {error.json_path[:100]}: {quoted(error.message, 200)}")


def _parse(content: str, deepest: int, **parsing: Any) -> Any:
    """The value in the content, in a fence or without. ValueError where there is none, or it is nested too deep."""
    # Fences as officially: four beginnings, one after the other, and an end.
    text = content.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(fence)
    text = text.removesuffix("```").strip()
    depth = most = 0
    if text.count("[") + text.count("{") > deepest:
        for bracket in BRACKET.finditer(STRING.sub("", text)):
            depth += -1 if bracket[1] else 1
            most = max(most, depth)
    if most > deepest:
        raise ValueError(f"it is nested deeper than {deepest} levels")
    return json.loads(text, **parsing)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


def _finite(number: str) -> float:
    if math.isinf(value := float(number)):
        raise ValueError(f"{number[:60]} is too large a number")
    return value


def _is_quick(schema: Any) -> bool:
    if isinstance(schema, list):
        return all(map(_is_quick, schema))
    if isinstance(schema, dict):
        return SLOW.isdisjoint(schema) and all(map(_is_quick, schema.values()))
    return True


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    """jsonschema's validator, by the draft that the schema names, else the newest."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from jsonschema_specifications import REGISTRY

    value = json.loads(schema)
    kind = validator_for(value)
    try:
        kind.check_schema(value)
    except SchemaError as error:
        raise ValueError(f"is not a valid JSON schema: {error.message} (at {error.json_path})") from None
    return kind(value, registry=REGISTRY)
