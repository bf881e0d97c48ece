"""Rows of files to judge (in all forms of ponder.tasks.files): a response, what it is compared with, and a label where somebody has said one.

    math, choice      response, reference                                 (choice: if wanted choices)
    instructions      response, reference: {instruction_id_list, kwargs}  (or these two as fields of the row)
    function_calls    response, reference, tools                          (or functions)
    code              response, reference: {tests: [...]}
    reasoning_gym     response, reference, metadata: {family, settings, entry}
    FILE.py:FUNCTION  response, if wanted reference, prompt               (the function sees all fields as task["row"])
    FILE.yaml         response, if wanted reference, prompt               (a judge and its rubric)

`response` is what ponder.verifiers.response.as_response reads; `response_parts`, [[text, times], ...], spells a long one.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ponder.recipe.python_function import FORM
from ponder.tasks.files import read_file
from ponder.tasks.task import Task
from ponder.verifiers.api import task_of
from ponder.verifiers.judge_model.file import ENDINGS as JUDGE_FILES
from ponder.verifiers.judge_model.file import read_judge
from ponder.verifiers.response import Response, as_response
from ponder.verifiers.table import VERIFIERS

OPTIONAL = ("label", "metadata", "tools", "functions", "choices", "response_parts")
MAX_JOINED = 20_000_000  # characters


@dataclass(frozen=True)
class LabelledPair:
    """A row: `label` is True (correct), False, "any" (either will do), or None where there is none; `place` says which
    line it is, and so does `id` where the row has none of its own."""

    id: str
    task: Task
    response: Response
    label: bool | str | None
    why: str
    place: str = ""


def read_pairs(
    path: Path, verifier: str, response: str = "response", reference: str = "reference"
) -> list[LabelledPair]:
    """All rows of a file, for a verifier by name, a function as FILE.py:FUNCTION or a judge as FILE.yaml; `response` and `reference` name their
    fields. ValueError that names the file and the line."""
    return list(_pairs(path, verifier, response, reference))


def _pairs(path: Path, verifier: str, response: str, reference: str) -> Iterator[LabelledPair]:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    for place, row in read_file(path):
        try:
            yield pair_of(_of_table(row), verifier, response, reference, place.removeprefix(f"{path}, "))
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None


def _of_table(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what is empty in it, and with lists, objects and labels that a table holds as text."""
    row = {name: value for name, value in row.items() if value is not None or name not in OPTIONAL}
    for name in OPTIONAL:
        if name == "label" and row.get(name) == "":
            del row[name]
        elif isinstance(row.get(name), str):
            text = row[name].lower() if name == "label" else row[name]
            with suppress(ValueError, RecursionError):
                row[name] = json.loads(text)
    return row


def pair_of(row: Mapping[str, Any], verifier: str, response: str, reference: str, place: str) -> LabelledPair:
    """One row, which stands at `place` ("line 3"). ValueError for what it lacks."""
    function = verifier if FORM.fullmatch(verifier) else None
    judge = read_judge(verifier)[1] if verifier.endswith(JUDGE_FILES) else None
    verifier = "python" if function is not None else verifier if judge is None else "judge"
    for name, kind in (("metadata", dict), ("tools", list), ("functions", list), ("response_parts", list)):
        if row.get(name) is not None and not isinstance(row[name], kind):
            raise ValueError(
                f"{name} must be {'an object' if kind is dict else 'a list'}, not {type(row[name]).__name__}"
            )
    if response not in row and "response_parts" in row:
        text: Any = _joined(row["response_parts"])
    else:
        text = _field(row, response, "response")
    try:
        expected = row[reference] if reference in row else VERIFIERS[verifier].row_reference(row)
    except KeyError:
        expected = _field(row, reference, "reference")
    label = row.get("label")
    if label not in (None, "any") and not isinstance(label, bool):
        raise ValueError(f'label must be true, false or "any", not {label!r}')
    metadata = dict(row.get("metadata") or {}) | ({"choices": row["choices"]} if "choices" in row else {})
    task = task_of(verifier, expected, tuple(row.get("tools") or row.get("functions") or ()), metadata)
    if function is not None or judge is not None:
        question = row["prompt"] if isinstance(row.get("prompt"), str) else ""
        asked = {"python": function} if judge is None else {"judge": judge.model_dump()}
        seen = asked | {"row": {key: value for key, value in row.items() if key != response}}
        task = replace(task, messages=({"role": "user", "content": question},), metadata=metadata | seen)
    name = str(row.get("id", place.rpartition(" ")[2]))
    return LabelledPair(name, task, as_response(text), label, row.get("why", ""), place)


def _joined(parts: list) -> str:
    length = 0
    for part in parts:
        match part:
            case [str() as text, int() as times] if not isinstance(times, bool):
                length += len(text) * max(0, times)
                continue
        raise ValueError("response_parts must be [[text, times], ...]")
    if length > MAX_JOINED:
        raise ValueError(f"response_parts spell {length:,} characters; at most {MAX_JOINED:,} are read")
    return "".join(text * times for text, times in parts)


def _field(row: Mapping[str, Any], name: str, role: str) -> Any:
    if name not in row:
        has = ", ".join(sorted(row)) or "no fields"
        raise ValueError(f"no field {name!r}; the row has {has}. Say which holds it: --{role} NAME")
    return row[name]


def shown(value: Any, length: int) -> str:
    """A value on one line, at most so many characters, for tables and reasons; what cannot be printed is escaped."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text[: 4 * length].split())
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    return line if len(line) <= length else line[: length - 3] + "..."
