"""From a row of a data set to a task that rules judge: instructions to follow, functions to call, a choice to make.

    instructions     prompt, instruction_id_list, kwargs                    (IFEval)
    function_calls   question, function, ground_truth (none: no call)       (BFCL, single turn)
    choice           question (or prompt), answer (a letter, or one of choices or an index into them), and if wanted
                     choices (a list) or options (a text); or Question, Correct Answer, Incorrect Answer 1 ... (GPQA)

Every fault is a ValueError that begins with the place it was found at.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from string import ascii_uppercase
from typing import Any

from ponder.tasks.fields import field_or_none, has_field
from ponder.tasks.prompts import ask_messages, check_prompt
from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import Task

Row = Mapping[str, Any]
PROMPT_FIELDS = {
    "instructions": ("prompt",),
    "function_calls": ("question", "prompt"),
    "choice": ("question", "prompt", "Question"),
}
GPQA = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
LETTER = re.compile(r"[\W_]{0,6}([A-Z])[\W_]{0,6}")  # also "(C)", "C.", "**C**"
JSON_TYPES = {"dict": "object", "float": "number", "tuple": "array"}  # BFCL's names of types that JSON Schema has not


@dataclass(frozen=True)
class RuleRowReader:
    """Reads rows of one source; `fields` maps "prompt" and "answer" to other field names than the usual ones."""

    source: str
    verifier: str
    domain: str
    prompt: str
    fields: Mapping[str, str]

    def task(self, row: Row, place: str) -> Task:
        """The row's task; ValueError that begins with `place` where it cannot be judged."""
        names = (self.fields["prompt"],) if "prompt" in self.fields else PROMPT_FIELDS[self.verifier]
        question = _first(row, names, place)
        tools: tuple[dict, ...] = ()
        metadata: dict[str, Any] = {}
        options = ""
        match self.verifier:
            case "instructions":
                reference = _instructions(row, place)
            case "function_calls":
                reference, tools = _calls(row, self.fields.get("answer", "ground_truth"), place)
            case _:
                reference, choices = _choice(row, self.fields.get("answer", "answer"), place)
                if choices:
                    metadata["choices"] = choices
                    options = f"\n{shown_options(choices)}"
                elif isinstance(row.get("options"), str):
                    options = f"\n{row['options']}"
        if isinstance(question, list) and len(question) == 1 and isinstance(question[0], list):
            question = question[0]  # BFCL's list of turns
        return Task(
            messages=ask_messages(question, self.prompt, names[0], place, options),
            domain=self.domain,
            verifier=self.verifier,
            reference=reference,
            tools=tools,
            source=self.source,
            metadata=metadata,
            place=place,
        )


def rule_row_reader(
    fields: Mapping[str, str] | None, verifier: str, *, source: str, domain: str | None, prompt: str | None
) -> RuleRowReader:
    """A reader for rows of one verifier. ValueError for a mapping or a prompt that there is not."""
    fields = dict(fields or {})
    for role in fields:
        if role not in ("prompt", "answer", "verifier"):
            raise ValueError(f"Field mapping of {source}: {unknown_name('key', role, ('prompt', 'answer'))}")
    prompt = prompt or ("choice" if verifier == "choice" else "plain")
    check_prompt(prompt)
    return RuleRowReader(source, verifier, domain or verifier, prompt, fields)


def _instructions(row: Row, place: str) -> dict[str, Any]:
    ids, kwargs = (_first(row, (name,), place) for name in ("instruction_id_list", "kwargs"))
    if not isinstance(ids, list) or not isinstance(kwargs, list) or len(ids) != len(kwargs):
        raise ValueError(f"{place}: instruction_id_list and kwargs must be two lists of one length")
    # Columns of a table hold every argument for every instruction; those that are not meant are null.
    given = [{key: value for key, value in (item or {}).items() if value is not None} for item in kwargs]
    return {"instruction_id_list": ids, "kwargs": given}


def _calls(row: Row, answer: str, place: str) -> tuple[list, tuple[dict, ...]]:
    functions = _first(row, ("function", "functions", "tools"), place)
    if not isinstance(functions, list) or not all(isinstance(function, dict) for function in functions):
        raise ValueError(f"{place}: the functions must be a list of objects")
    if not has_field(row, answer) and not str(row.get("id", "")).startswith(("irrelevance", "live_irrelevance")):
        raise ValueError(
            f"{place}: no field {answer!r}; where no call is right, write {answer}: []. Files of questions have their "
            "answers elsewhere (possible_answer/)"
        )
    return field_or_none(row, answer) or [], tuple(map(_tool, functions))


def _choice(row: Row, answer: str, place: str) -> tuple[str, list[str]]:
    if GPQA[0] in row:
        return _gpqa(row, place)
    value, choices = _first(row, (answer, answer.capitalize()), place), row.get("choices") or []
    if not isinstance(choices, list) or len(choices) > len(ascii_uppercase):
        raise ValueError(f"{place}: choices must be a list of at most {len(ascii_uppercase)} texts")
    choices = [str(choice) for choice in choices]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(choices):
        return ascii_uppercase[value], choices
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    said = str(value).strip()
    letter = LETTER.fullmatch(said.upper())
    if letter is None and isinstance(value, str) and said in choices:
        return ascii_uppercase[choices.index(said)], choices
    if letter is None:
        raise ValueError(
            f"{place}: the answer must be a letter, or one of `choices` or an index into them, not {value!r}"
        )
    return letter[1], choices


def _gpqa(row: Row, place: str) -> tuple[str, list[str]]:
    """The right answer always comes first in these rows, so the choices are put in an order that the texts decide."""
    texts = [str(_first(row, (name,), place)).strip() for name in GPQA]
    choices = sorted(texts, key=lambda text: blake2b("\n".join([text, *texts]).encode(), digest_size=8).digest())
    if len(set(choices)) < len(choices):
        raise ValueError(f"{place}: two of the choices are the same: {choices!r:.200}")
    return ascii_uppercase[choices.index(texts[0])], choices


def _tool(function: dict) -> dict:
    """A function in the OpenAI form, with JSON Schema's names of types."""
    if function.get("type") == "function":
        return function
    return {"type": "function", "function": with_types(function, JSON_TYPES)}


def with_types(schema: Any, names: Mapping[str, str]) -> Any:
    """A schema whose types have the names that `names` gives them; a parameter that is called "type" stays as it is."""
    if isinstance(schema, dict):
        return {
            key: names.get(inner, inner) if key == "type" and isinstance(inner, str) else with_types(inner, names)
            for key, inner in schema.items()
        }
    return [with_types(item, names) for item in schema] if isinstance(schema, list) else schema


def shown_options(choices: Sequence[Any]) -> str:
    """The choices as a question shows them: "A. ...", a line each."""
    return "\n".join(f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False))


def _first(row: Row, names: Sequence[str], place: str) -> Any:
    """The value of the first field of `names` that the row has."""
    for name in names:
        if (value := field_or_none(row, name)) not in (None, "", []):
            return value
    raise ValueError(f"{place}: no field {' or '.join(names)}; the row has {', '.join(sorted(row)) or 'no fields'}")
