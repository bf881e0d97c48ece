"""The choice verifier: which letter a response settles on, and whether it is the reference letter.

The last statement of an answer counts (ponder.verifiers.choice.statements says what one is). A statement that names
more than one letter is wrong; an empty one, or one that names no letter, is no answer. The reason quotes the statement.
"""

import re
from typing import Any

from ponder.tasks.task import Task
from ponder.verifiers.choice.context import SENTENCE_END
from ponder.verifiers.choice.fields import Statement
from ponder.verifiers.choice.statements import last_statement, plain_tail
from ponder.verifiers.choice.text import comparable
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict

MAX_REFERENCE = 1_000  # characters
REFERENCE = re.compile(r"\(?([A-Z])[).]?")
MAX_FROM = 60  # characters of the statement that a reason quotes


def decide(task: Task, response: Response) -> Verdict:
    """The verdict on the letter that the response states last.

    `task.reference` states one letter, "A" to "Z" in any case (`reference_letter`); `task.metadata["choices"]`, where present, lists the options'
    texts in order, and then an option's full text stands for its letter. ValueError for any other reference.
    """
    choices = option_texts(task.metadata.get("choices"))
    reference = reference_letter(task.reference, choices)
    text = plain_tail(response.content)
    stated = last_statement(text, choices)
    if stated is None:
        return Verdict("unparseable", 0.0, "states no choice: no answer field, box or 'answer is'", reference=reference)
    letters, source = stated.letters, f"; from: {quoted(text, stated)}"
    if not letters:
        what = "names no letter" if stated.text.strip() else "is empty"
        return Verdict("unparseable", 0.0, f"the last statement {what}{source}", stated.text, reference)
    parsed = ", ".join(letters)
    if len(letters) > 1:
        reason = f"names {len(letters)} letters where one is asked for{source}"
        return Verdict("wrong", 0.0, reason, parsed, reference)
    if parsed != reference:
        return Verdict("wrong", 0.0, f"chose {parsed}, not {reference}{source}", parsed, reference)
    return Verdict("correct", 1.0, f"chose {parsed}{source}", parsed, reference)


def quoted(text: str, stated: Statement) -> str:
    """Where the statement stands in the plain text, for a reason: its sentence, or the beginning of it, in quotes."""
    start = stated.start
    if text[start : start + 1] not in ('"', "'", "<", "\\"):  # a sentence, and no field, tag or box
        begins = [match.end() for match in SENTENCE_END.finditer(text, max(0, start - 30), start)]
        start = begins[-1] if begins else 0 if start <= 30 else start
    end = max(stated.end, text.find("\n\n", stated.end) if "\n\n" in text[stated.end :] else len(text))
    words = " ".join(text[start : min(end, start + 4 * MAX_FROM)].split())
    return f'"{words}"' if len(words) <= MAX_FROM else f'"{words[:MAX_FROM].rstrip()}..."'


def reference_letter(reference: Any, choices: tuple[str, ...] = ()) -> str:
    """The reference as one upper-case letter: "C", "(c)", "C. text", "\\boxed{C}", "The answer is C", a list that holds one of
    these, or the text of one of the choices. ValueError where it is none, or lies beyond the last of the choices."""
    if isinstance(reference, list | tuple) and len(reference) == 1:
        reference = reference[0]
    letters: tuple[str, ...] = ()
    if isinstance(reference, str) and len(reference) <= MAX_REFERENCE:
        if match := REFERENCE.fullmatch(reference.strip().upper()):
            letters = (match[1],)
        elif stated := last_statement(plain_tail(reference), choices):
            letters = stated.letters
    if len(letters) != 1:
        raise ValueError(f'the choice verifier needs a reference letter such as "C", not {reference!r:.200}')
    if choices and ord(letters[0]) - ord("A") >= len(choices):
        raise ValueError(f"the reference is {letters[0]}, but metadata lists only {len(choices)} choices")
    return letters[0]


def option_texts(choices: Any) -> tuple[str, ...]:
    """The options' texts in plain form, () where the task lists none. ValueError for anything but a list of strings."""
    if choices is None:
        return ()
    if not isinstance(choices, list | tuple) or not all(isinstance(choice, str) for choice in choices):
        raise ValueError(f"metadata 'choices' must be a list of the options' texts, not {choices!r:.200}")
    return tuple(comparable(choice) for choice in choices)
