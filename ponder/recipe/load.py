"""From YAML to a Recipe. Every complaint names the field's path and what to write instead; torch is never imported."""

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ponder.recipe.complaints import complaints
from ponder.recipe.schema import Recipe
from ponder.recipe.yaml_text import read_yaml


def load_recipe(path: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe file and apply `--set` overrides such as `stages.math.steps=40`.

    Raises:
        ValueError: every problem in the file, one a line, each with the field's path and a remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no recipe at {path}{_near_files(path)}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    try:
        tree = read_yaml(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(tree, dict):
        raise ValueError(f"{path} must hold a mapping of fields (name:, sources:, stages: ...)")
    for override in overrides or []:
        apply_override(tree, override)
    return parse_recipe(tree, str(path), path.parent)


def parse_recipe(tree: dict[str, Any], where: str = "recipe", beside: Path | None = None) -> Recipe:
    """The recipe of a mapping that stands at `where`, in the directory `beside`. ValueError as in `load_recipe`."""
    try:
        return Recipe.model_validate(tree, context={"beside": beside})
    except ValidationError as error:
        lines = [f"  {complaint}" for complaint in complaints(tree, error.errors())]
        count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
        raise ValueError(f"{where} has {count}:\n" + "\n".join(lines)) from None


def dump_recipe(recipe: Recipe) -> str:
    """The resolved recipe, every default spelled out; `load_recipe` reads it back to an equal Recipe."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def with_model(recipe: Recipe, path: str) -> Recipe:
    """The recipe with another `model.path`."""
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"path": path})})


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Set one field: `a.b.c=value`, the value read as YAML; items of a list are found by their `name`."""
    dotted, equals, text = override.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise ValueError(f"--set {override!r}: write it as path.to.field=value, such as stages.math.steps=40")
    try:
        value = read_yaml(text)
    except ValueError as error:
        raise ValueError(f"--set {override!r}: the value is not right: {error}") from None
    node: Any = tree
    for depth, key in enumerate(keys[:-1]):
        node = _child(node, key, ".".join(keys[:depth]), override)
    if not isinstance(node, dict):
        raise ValueError(f"--set {override!r}: {'.'.join(keys[:-1])} is not a mapping")
    node[keys[-1]] = value


def _child(node: Any, key: str, where: str, override: str) -> Any:
    if isinstance(node, list):
        named = {item.get("name"): item for item in node if isinstance(item, dict)}
        if key not in named:
            known = ", ".join(str(name) for name in named)
            raise ValueError(f"--set {override!r}: {where} has no item named {key!r}; there are: {known}")
        return named[key]
    if not isinstance(node, dict):
        raise ValueError(f"--set {override!r}: {where or 'the recipe'} is not a mapping")
    if node.get(key) is None:
        node[key] = {}
    return node[key]


def _near_files(path: Path) -> str:
    candidates = [*path.parent.glob("*.yaml"), *Path("recipes").glob("*.yaml")]
    names = [str(p) for p in candidates]
    close = difflib.get_close_matches(str(path), names, n=1, cutoff=0.3)
    return f"; did you mean {close[0]}?" if close else ""
