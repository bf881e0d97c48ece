"""What is wrong with a recipe, in words: each complaint has the field's path and what to write instead."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from ponder.recipe.python_function import FORM
from ponder.recipe.schema import Recipe

Problem = Any  # pydantic's ErrorDetails, a typed mapping

# By the types of pydantic's errors.
_KINDS = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "text",
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping of fields"),
}
_MAPPINGS = ("dict_type", "model_type", "model_attributes_type")
_LONGEST = 100  # characters of a value that is shown


def complaints(tree: dict[str, Any], problems: Sequence[Problem], schema: type[BaseModel] = Recipe) -> list[str]:
    """One for each field that something is wrong with; `tree` is what the recipe says, or a file of another schema."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(_readable_path(tree, problem["loc"]), []).append(problem)
    # A value that may be of several types has a problem with each: what is wrong deeper inside of it says more.
    paths = [
        path for path in found if not any(other.startswith(f"{path}.") and _is_kind(found[path]) for other in found)
    ]
    return [f"{path}: {complaint}" for path in paths for complaint in _of_field(path, found[path], schema)]


def _is_kind(problems: Iterable[Problem]) -> bool:
    return all(problem["type"] in _KINDS for problem in problems)


def _of_field(path: str, problems: list[Problem], schema: type[BaseModel]) -> list[str]:
    if len(problems) > 1 and _is_kind(problems):
        kinds = " or ".join(dict.fromkeys(_KINDS[problem["type"]] for problem in problems))
        return [f"must be {kinds}, got {_shown(problems[0]['input'])}"]
    return list(dict.fromkeys(_of_problem(path, problem, schema) for problem in problems))


def _of_problem(path: str, problem: Problem, schema: type[BaseModel]) -> str:
    kind, given, field = problem["type"], problem["input"], path.rpartition(".")[2]
    context = problem.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return f"there is no such field{_suggestion(problem['loc'], schema)}"
        case "missing":
            return "this field is required"
        case "union_tag_not_found":
            return "say which kind it is, with a field `kind`"
        case "union_tag_invalid":
            return f"unknown kind {context['tag']!r}; there are: {context['expected_tags']}"
        case "value_error":
            return problem["msg"].removeprefix("Value error, ")
        case "too_short":
            return (
                "must not be empty" if context["min_length"] == 1 else f"needs {context['min_length']} items at least"
            )
        case "string_pattern_mismatch":
            return f"must match {context['pattern']}, got {_shown(given)}"
        case "literal_error" if isinstance(given, str) and FORM.fullmatch(given):
            return f"a function of your own is written {field}: {{python: {given}}}"
    if kind in _KINDS:
        said = f"must be {_KINDS[kind]}, got {_shown(given)}"
        return f"{said}; write {example}" if (example := _example(problem, field, schema)) else said
    message = problem["msg"].removeprefix("Input should be ")
    return f"must be {message[:1].lower()}{message[1:]}, got {_shown(given)}"


def _example(problem: Problem, field: str, schema: type[BaseModel]) -> str:
    """What to write in place of a value that is no mapping or no list, such as `objective: {name: grpo}`."""
    kind, given = problem["type"], problem["input"]
    plain = isinstance(given, str | int | float) and not isinstance(given, bool)
    if kind == "list_type":
        return f"{field}: [{given}]" if plain else ""
    if kind not in _MAPPINGS:
        return ""
    model = _model_at(schema, problem["loc"])
    if kind == "dict_type" or model is None:
        return ""
    if model is Recipe:  # a stage or a source, of one kind or another
        return "its fields, `kind` among them, indented below it"
    head = "-" if field.isdigit() else f"{field}:"
    if plain and (name := _takes(model, given)):
        others = [f"{other}: ..." for other, its in model.model_fields.items() if its.is_required() and other != name]
        return f"{head} {{{', '.join([f'{name}: {given}', *others])}}}"
    required = any(field.is_required() for field in model.model_fields.values())
    fields = f"its fields ({', '.join(model.model_fields)})"
    return fields if required else f"{head} {{}} for what it is by default, or {fields}"


def _takes(model: type[BaseModel], value: Any) -> str | None:
    """The first field that the value would be right for."""
    for name, field in model.model_fields.items():
        if field.annotation is Any:
            continue
        try:
            model.model_validate({name: value})
        except ValidationError as error:
            if any(not problem["loc"] or problem["loc"][0] == name for problem in error.errors()):
                continue
        return name
    return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _readable_path(tree: Any, loc: tuple) -> str:
    """stages.math.steps rather than stages.1.rl.steps: items by their name, without pydantic's tags of unions."""
    parts, node = [], tree
    for key in loc:
        if isinstance(node, list) and isinstance(key, int):
            node = node[key] if key < len(node) else None
            parts.append(str(node.get("name", key)) if isinstance(node, dict) else str(key))
        elif isinstance(node, dict) and key in node:
            node = node[key]
            parts.append(str(key))
        elif isinstance(node, dict) and key != node.get("kind") and not str(key).startswith("<"):
            parts.append(str(key))
        # All else is the tag of a union, which nobody wrote.
    return ".".join(parts) or "recipe"


def _suggestion(loc: tuple, schema: type[BaseModel]) -> str:
    """The nearest field name at the place where the unknown key stands, or the list of fields."""
    model = _model_at(schema, loc[:-1])
    if model is None:
        return ""
    names = list(model.model_fields)
    close = difflib.get_close_matches(str(loc[-1]), names, n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else f"; the fields here are: {', '.join(names)}"


def _model_at(model: type[BaseModel], loc: tuple) -> type[BaseModel] | None:
    """Follow a pydantic location through the schema's JSON form, which knows unions, lists and mappings alike."""
    from ponder.recipe import judge, reward, sources, stages, trackers

    tags = {"gym": sources.GymSource, "hub": sources.HubSource}
    tags |= dict.fromkeys(("files", "jsonl"), sources.FileSource)
    tags |= {"programs": sources.ProgramsSource, **stages.STAGES}
    tags |= {"wandb": trackers.Wandb, "mlflow": trackers.Mlflow}
    tags |= {"<check>": reward.Check, "<gate>": reward.Gate, "<product>": reward.Product, "<sum>": reward.WeightedSum}
    tags |= {"<python>": reward.PythonFunction, "<judge>": judge.JudgedBy, "<reward_model>": reward.ModelScore}
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
