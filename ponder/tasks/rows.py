"""From a row of a data set (a JSON object) to a task, by a mapping of field names. For the JSONL and hub sources."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ponder.tasks.code_rows import ROLES, CodeRowReader, code_row_reader
from ponder.tasks.code_tests import check_tests
from ponder.tasks.fields import field, has_field, what_there_is
from ponder.tasks.prompts import ask_messages, check_prompt
from ponder.tasks.python_rows import PythonRowReader, python_row_reader
from ponder.tasks.rule_rows import PROMPT_FIELDS, RuleRowReader, rule_row_reader
from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import Task


@dataclass(frozen=True)
class RowReader:
    """Reads rows of one source.

    `prompt_field` holds the question (text, or a list of chat messages), `answer_field` the reference. `domain` and
    `verifier` are literal values, or, where `by_row` names them, fields of the row. `prompt` is a standard prompt's
    name or a template (ponder.tasks.prompts).
    """

    source: str
    prompt_field: str
    answer_field: str
    domain: str
    verifier: str
    by_row: frozenset[str]
    prompt: str

    def task(self, row: Mapping[str, Any], place: str) -> Task:
        """The row's task; ValueError that begins with `place` where the row lacks something."""
        question = self._field(row, self.prompt_field, place)
        answer = self._field(row, self.answer_field, place)
        verifier = str(self._field(row, self.verifier, place)) if "verifier" in self.by_row else self.verifier
        if verifier == "code":
            answer = check_tests(answer, place)
        elif isinstance(answer, str):
            answer = final_answer(answer)
        return Task(
            messages=ask_messages(question, self.prompt, self.prompt_field, place),
            domain=str(self._field(row, self.domain, place)) if "domain" in self.by_row else self.domain,
            verifier=verifier,
            reference=answer,
            source=self.source,
            place=place,
        )

    def _field(self, row: Mapping[str, Any], name: str, place: str) -> Any:
        value = field(row, name, place)
        if value is None or (isinstance(value, str) and not value.strip()) or value == []:
            raise ValueError(f"{place}: field {name!r} is empty")
        return value


def reader_for(
    first_row: Mapping[str, Any],
    fields: Mapping[str, str] | None,
    *,
    place: str,
    source: str,
    domain: str | None,
    prompt: str | None,
    verifier: str | None,
) -> RowReader | CodeRowReader | RuleRowReader | PythonRowReader:
    """A reader for rows like `first_row`: of programming tasks where the verifier is "code", of what rules judge where
    it is one of theirs, of anything for a function of the user's own ("python") or a model that grades ("judge"), else of questions with answers (`row_reader`). ValueError."""
    named = (fields or {}).get("verifier")
    if verifier is None and (named is None or not has_field(first_row, named)):
        verifier = named
    if verifier == "code":
        return code_row_reader(fields, source=source, domain=domain, prompt=prompt)
    if verifier in ("python", "judge"):
        return python_row_reader(fields, source=source, domain=domain, prompt=prompt, verifier=verifier)
    if verifier in PROMPT_FIELDS:
        return rule_row_reader(fields, verifier, source=source, domain=domain, prompt=prompt)
    return row_reader(first_row, fields, place=place, source=source, domain=domain, prompt=prompt, verifier=verifier)


def row_reader(
    first_row: Mapping[str, Any],
    fields: Mapping[str, str] | None,
    *,
    place: str,
    source: str,
    domain: str | None,
    prompt: str | None,
    verifier: str | None,
) -> RowReader:
    """A reader for rows like `first_row`.

    `fields` maps "prompt" and "answer" to field names or paths (each maps to itself unless said otherwise;
    `ponder.tasks.fields`), and "domain" and "verifier" to a field name or, where the first row has no such field, to a literal. Raises ValueError.
    """
    fields = dict(fields or {})
    for role in fields:
        if role not in ROLES:
            raise ValueError(f"Field mapping of {source}: {unknown_name('key', role, ROLES)}")
    prompt = "boxed" if prompt is None else prompt
    check_prompt(prompt)
    for role in ("prompt", "answer"):
        name = fields.setdefault(role, role)
        if not has_field(first_row, name):
            raise ValueError(
                f"{place}: no field {name!r} to take the {role} from; {what_there_is(first_row, name)}. "
                f"Say which: fields: {{{role}: NAME}}, or NAME.INSIDE where it is nested"
            )
    return RowReader(
        source=source,
        prompt_field=fields["prompt"],
        answer_field=fields["answer"],
        domain=domain or fields.get("domain", "math"),
        verifier=verifier or fields.get("verifier", "math"),
        by_row=frozenset(
            role
            for role, literal in (("domain", domain), ("verifier", verifier))
            if literal is None and role in fields and has_field(first_row, fields[role])
        ),
        prompt=prompt,
    )


def final_answer(answer: str) -> str:
    """The answer proper: of a worked solution in GSM8K's form, what follows the last `####`, without thousands commas.

    >>> final_answer("5 * 250 = 1250\\n#### 1,250")
    '1250'
    """
    _, marker, last = answer.rpartition("\n#### ")
    return last.strip().replace(",", "") if marker else answer
