"""A resolved recipe as YAML that says what each field means: `ponder train RECIPE --dry-run`."""

import textwrap
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel

from ponder.recipe import reward
from ponder.recipe.reference import fields_of, meaning
from ponder.recipe.schema import Recipe

_WIDTH = 120


def explain_recipe(recipe: Recipe) -> str:
    """The recipe with every default spelled out and every field described in a comment. `load_recipe` reads it back to an
    equal Recipe."""
    return "\n".join(_mapping(recipe, recipe.model_dump(mode="json"))) + "\n"


def _mapping(model: BaseModel, tree: dict[str, Any], indent: str = "") -> Iterator[str]:
    """`tree` is what the model holds, as plain data."""
    for name, field in fields_of(type(model)).items():
        value, said = getattr(model, name), meaning(name, field)
        if _has_fields(value):
            yield from _commented(f"{indent}{name}:", said)
            yield from _mapping(value, tree[name], indent + "  ")
        elif isinstance(value, dict) and any(map(_has_fields, value.values())):
            yield from _commented(f"{indent}{name}:", said)
            for key, part in value.items():
                yield f"{indent}  {_flow(key)}:"
                yield from _mapping(part, tree[name][key], indent + "    ")
        elif isinstance(value, list) and any(map(_has_fields, value)):
            yield from _commented(f"{indent}{name}:", said)
            for part, leaf in zip(value, tree[name], strict=True):
                first, *others = _mapping(part, leaf, indent + "  ")
                yield from [f"{indent}- {first.lstrip()}", *others]
        else:
            yield from _commented(f"{indent}{name}: {_flow(tree[name])}", said)


def _has_fields(value: Any) -> bool:
    """Whether a value is told field by field; rewards, which nest, stay in a line."""
    return isinstance(value, BaseModel) and type(value).__module__ != reward.__name__


def _commented(line: str, said: str) -> list[str]:
    """The line with its comment behind it, or before it where the two are too long."""
    if not said:
        return [line]
    if len(line) + 4 + len(said) <= _WIDTH:
        return [f"{line}  # {said}"]
    indent = " " * (len(line) - len(line.lstrip()))
    return [*textwrap.wrap(said, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "), line]


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n").strip()
