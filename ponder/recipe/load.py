"""From YAML to a Recipe. Every complaint names the field's path and what to write instead; torch is never imported."""

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from ponder.recipe.schema import Recipe


def load_recipe(path: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe file and apply `--set` overrides such as `stages.math.steps=40`.

    Raises:
        ValueError: every problem in the file, one a line, each with the field's path and a remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no recipe at {path}{_near_files(path)}")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {_one_line(error)}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from None
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
        lines = [f"  {_explain(tree, problem)}" for problem in error.errors()]
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
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {override!r}: the value is not valid YAML: {_one_line(error)}") from None
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


def _explain(tree: dict[str, Any], problem: Any) -> str:
    path = _readable_path(tree, problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            return f"{path}: there is no such field{_suggestion(problem['loc'])}"
        case "missing":
            return f"{path}: this field is required"
        case "union_tag_not_found":
            return f"{path}: say which kind it is, with a field `kind`"
        case "union_tag_invalid":
            return f"{path}: unknown kind {problem['ctx']['tag']!r}; there are: {problem['ctx']['expected_tags']}"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if problem["type"] == "value_error":
        return f"{path}: {message}"
    return f"{path}: must be {_lower_first(message)}, got {problem['input']!r}"


def _readable_path(tree: Any, loc: tuple) -> str:
    """stages.math.steps rather than stages.1.rl.steps: items by their name, without pydantic's union tags."""
    parts, node = [], tree
    for key in loc:
        if isinstance(node, list) and isinstance(key, int) and key < len(node):
            node = node[key]
            parts.append(str(node.get("name", key)) if isinstance(node, dict) else str(key))
        elif isinstance(node, dict) and key in node:
            node = node[key]
            parts.append(str(key))
        elif (isinstance(node, dict) and key == node.get("kind")) or str(key).startswith("<"):
            continue  # the tag of a union, which nobody wrote
        else:
            parts.append(str(key))
    return ".".join(parts) or "recipe"


def _suggestion(loc: tuple) -> str:
    """The nearest field name at the place where the unknown key stands, or the list of fields."""
    model = _model_at(Recipe, loc[:-1])
    if model is None:
        return ""
    names = list(model.model_fields)
    close = difflib.get_close_matches(str(loc[-1]), names, n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else f"; the fields here are: {', '.join(names)}"


def _model_at(model: type[BaseModel], loc: tuple) -> type[BaseModel] | None:
    """Follow a pydantic location through the schema's JSON form, which knows unions, lists and mappings alike."""
    from ponder.recipe import reward, sources, stages, trackers

    tags = {"gym": sources.GymSource, "hub": sources.HubSource}
    tags |= dict.fromkeys(("files", "jsonl"), sources.FileSource)
    tags |= {"programs": sources.ProgramsSource, **stages.STAGES}
    tags |= {"wandb": trackers.Wandb, "mlflow": trackers.Mlflow}
    tags |= {"<check>": reward.Check, "<gate>": reward.Gate, "<product>": reward.Product, "<sum>": reward.WeightedSum}
    tags["<python>"] = reward.PythonFunction
    current: type[BaseModel] | None = model
    for key in loc:
        if current is not None and key in current.model_fields:
            inner = _inner_model(current.model_fields[key].annotation)
            current = inner or current
        elif key in tags:
            current = tags[key]
    return current


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if isinstance(argument, type) and issubclass(argument, BaseModel):
            return argument
    return None


def _near_files(path: Path) -> str:
    candidates = [*path.parent.glob("*.yaml"), *Path("recipes").glob("*.yaml")]
    names = [str(p) for p in candidates]
    close = difflib.get_close_matches(str(path), names, n=1, cutoff=0.3)
    return f"; did you mean {close[0]}?" if close else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
