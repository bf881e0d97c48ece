"""docs/recipe.md, made from the schema: every field of a recipe with its type, default and meaning."""

import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ponder.recipe.reward import Check
from ponder.recipe.schema import Recipe

_INTRODUCTION = """# The recipe: every field

A recipe is one YAML file. Every field has a default that works; unknown fields are errors with a suggestion. Before anything
is trained, `ponder train RECIPE --dry-run` prints the recipe with every default spelled out and said, and `--set
stages.math.steps=40` changes a field from the command line (items of a list go by their name).

This page is made from `ponder/recipe/`: `make docs`.
"""
_REWARD = """## reward

`task` (the task's own verifier), `format`, or one of the following. They may stand in one another, as deep as wanted:
`reward: {gate: [format], then: task}`.
"""
_FIRST = {"kind": 0, "name": 1}
_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "anything"}


def page() -> str:
    """docs/recipe.md."""
    sections = []
    for model in models():
        if model is Check:
            sections.append(_REWARD)
        sections.append(_section(model))
    return "\n".join([_INTRODUCTION, *sections])


def models() -> list[type[BaseModel]]:
    """The recipe's model and all that are part of it, each once: the parts of a field together, then what is in them."""
    return [Recipe, *_within(Recipe, {Recipe})]


def _within(model: type[BaseModel], seen: set[type[BaseModel]]) -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    for field in model.model_fields.values():
        new = [part for part in parts_of(field.annotation) if part not in seen]
        seen.update(new)
        found += new
        for part in new:
            found += _within(part, seen)
    return found


def parts_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from parts_of(argument)


def heading(model: type[BaseModel]) -> str:
    """What a model is called on the page: by its kind, where there are several."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in model.__name__).split()
    for family in ("source", "stage", "tracker"):
        if "kind" in model.model_fields and (words[-1] == family or model.__module__.endswith(f".{family}s")):
            return f"{family} of kind {model.model_fields['kind'].default}"
    return " ".join(words)


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Its fields, what says which kind it is and how it is called first."""
    return dict(sorted(model.model_fields.items(), key=lambda item: _FIRST.get(item[0], 2)))


def meaning(name: str, field: FieldInfo) -> str:
    """What a field is described by; a kind's own name says all."""
    return " ".join((field.description or ("which kind it is" if name == "kind" else "")).split())


def _section(model: type[BaseModel]) -> str:
    rows = [
        f"| `{name}` | {type_in_words(field)} | {_default(field)} | {meaning(name, field)} |"
        for name, field in fields_of(model).items()
    ]
    doc = " ".join((model.__doc__ or "").split())
    said = f"{doc}\n\n" if doc and model.__doc__ != BaseModel.__doc__ else ""
    table = "\n".join(["| field | type | default | meaning |", "| --- | --- | --- | --- |", *rows])
    return f"## {heading(model)}\n\n{said}{table}\n"


def type_in_words(field: FieldInfo) -> str:
    """ "whole number of at least 1", "one of `a`, `b`", or a link to the part of the page that has its fields."""
    words = _words(field.annotation)
    bounds = _bounds(field.metadata)
    return f"{words} {' and '.join(bounds)}" if bounds else words


def _words(annotation: Any) -> str:
    if annotation in _NAMES:
        return _NAMES[annotation]
    if Check in parts_of(annotation) and get_origin(annotation) in (typing.Union, types.UnionType):
        return "[reward](#reward)"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return _words(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        name = heading(annotation)
        return f"[{name}](#{''.join(c for c in name.replace(' ', '-') if c.isalnum() or c in '-_')})"
    if origin is Literal:
        values = ", ".join(f"`{value}`" for value in arguments)
        return values if len(arguments) == 1 else f"one of {values}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(a) for a in arguments if a is not type(None)))
    if origin is list:
        return f"list of {_words(arguments[0]).removeprefix('one of ')}"
    if origin is dict:
        return f"mapping of names to {_words(arguments[1])}"
    if origin is tuple:
        return f"[{', '.join(map(_words, arguments))}]"
    raise AssertionError(f"no words for the type {annotation}")


def _bounds(metadata: list[Any]) -> list[str]:
    said = []
    for bound in metadata:
        match bound:
            case annotated_types.Ge(ge=low):
                said.append(f"of at least {low:g}")
            case annotated_types.Gt(gt=low):
                said.append(f"above {low:g}")
            case annotated_types.Le(le=high):
                said.append(f"up to {high:g}")
            case annotated_types.Lt(lt=high):
                said.append(f"below {high:g}")
            case annotated_types.MultipleOf(multiple_of=step):
                said.append(f"a multiple of {step:g}")
    return said


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    value = field.default
    if value is None:
        return "empty"
    if isinstance(value, BaseModel):
        changed = value.model_dump(exclude_defaults=True)
        return ", ".join(f"`{name}: {given}`" for name, given in changed.items()) or "its defaults"
    if value in ([], {}, ""):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{list(value) if isinstance(value, tuple) else value}`"
