"""From a row of a data set to a task that a function of the user's judges, or a model: the question, and whatever else the
row holds.

The function gets the row's other fields as `task["row"]`, so the reference may be left out: many a reward needs none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ponder.tasks.prompts import ask_messages, check_prompt
from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import Task

ROLES = ("prompt", "answer")
PROMPT_FIELDS = ("prompt", "question", "problem")


@dataclass(frozen=True)
class PythonRowReader:
    """Reads rows of one source; `fields` maps "prompt" and "answer" to the names of fields."""

    source: str
    domain: str
    prompt: str
    fields: Mapping[str, str]
    verifier: str = "python"

    def task(self, row: Mapping[str, Any], place: str) -> Task:
        """The row's task; ValueError that begins with `place` where the row has no question, or lacks a field that was
        named for the answer."""
        names = (self.fields["prompt"],) if "prompt" in self.fields else PROMPT_FIELDS
        field = next((name for name in names if row.get(name) not in (None, "", [])), None)
        answer = self.fields.get("answer", "answer")
        missing = (
            " or ".join(names) if field is None else answer if answer not in row and "answer" in self.fields else ""
        )
        if field is None or missing:
            has = ", ".join(sorted(row)) or "no fields"
            raise ValueError(f"{place}: no field {missing}; the row has {has}. Say which: fields: {{prompt: NAME}}")
        rest = {name: _plain(value) for name, value in row.items() if name not in (field, answer)}
        return Task(
            messages=ask_messages(row[field], self.prompt, field, place),
            domain=self.domain,
            verifier=self.verifier,
            reference=_plain(row.get(answer)),
            source=self.source,
            metadata={"row": rest} if rest else {},
            place=place,
        )


def python_row_reader(
    fields: Mapping[str, str] | None, *, source: str, domain: str | None, prompt: str | None, verifier: str = "python"
) -> PythonRowReader:
    """A reader for rows of one source. ValueError for a mapping or a prompt that there is not."""
    fields = {role: name for role, name in (fields or {}).items() if role != "verifier"}
    for role in fields:
        if role not in ROLES:
            raise ValueError(f"Field mapping of {source}: {unknown_name('key', role, ROLES)}")
    prompt = prompt or "plain"
    check_prompt(prompt)
    return PythonRowReader(source, domain or verifier, prompt, fields, verifier)


def _plain(value: Any) -> Any:
    """A value as JSON holds it; what JSON cannot hold, such as a date in a table, as text."""
    return json.loads(json.dumps(value, default=str))
