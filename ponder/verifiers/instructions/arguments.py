"""Arguments of an instruction: its `kwargs`, read and checked before any response is looked at.

The official checker draws at random what is not set or out of range. Here that is a ValueError: a verdict must not
depend on chance.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ponder.tasks.suggest import unknown_name

RELATIONS = ("less than", "at least")


@dataclass(frozen=True)
class Argument:
    """One of an instruction's `kwargs`. `read` gives the value as the check takes it, or says in a ValueError what it
    must be; `example` is a value that a message can show."""

    read: Callable[[Any], Any]
    example: Any
    required: bool = True


def read_arguments(instruction_id: str, known: Mapping[str, Argument], kwargs: Any) -> dict[str, Any]:
    """The arguments that are set. None stands for one that is not, as in the official files.

    ValueError for one that is missing, unknown or out of range.
    """
    if not isinstance(kwargs, Mapping):
        raise ValueError(f"{instruction_id}: its entry of 'kwargs' must be an object, not {type(kwargs).__name__}")
    given = {name: value for name, value in kwargs.items() if value is not None}
    for name in given:
        if name not in known:
            raise ValueError(f"{instruction_id}: {unknown_name('argument', str(name), known)}")
    arguments = {}
    for name, argument in known.items():
        if name in given:
            try:
                arguments[name] = argument.read(given[name])
            except ValueError as error:
                raise ValueError(f"{instruction_id}: {name!r} {error}") from None
        elif argument.required:
            raise ValueError(
                f"{instruction_id}: {name!r} is not set, and the check needs it; "
                f"give it in 'kwargs', for example {{{name!r}: {argument.example!r}}}"
            )
    return arguments


def number(value: Any) -> int | float:
    """A count: 0 or more. Some copies of IFEval hold whole numbers as 3.0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"must be a number, 0 or more, not {value!r}")
    return value


def relation(value: Any) -> str:
    if value not in RELATIONS:
        raise ValueError(f"must be 'less than' or 'at least', not {value!r}")
    return value


def text(value: Any) -> str:
    """A text, stripped."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be text that is not blank, not {value!r}")
    return value.strip()


def unstripped(value: Any) -> str:
    """A text, as it is."""
    text(value)
    return value


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts, none of them blank, as they are."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"must be a list of texts, not {value!r}")
    return tuple(unstripped(item) for item in value)


def letter(value: Any) -> str:
    """A character, in lower case.

    A few prompts of IFEval ask for `#` or `!`; the official checker counts a random letter then, here they are counted.
    """
    if not isinstance(value, str) or len(value) != 1 or value.isspace():
        raise ValueError(f"must be a single letter, not {value!r}")
    return value.lower()


def pattern(value: Any) -> str:
    """A regular expression, stripped: IFEval never escapes what a task names."""
    return _compiled(text(value))


def patterns(value: Any) -> tuple[str, ...]:
    """Regular expressions, as they are: those of a list are not stripped."""
    return tuple(_compiled(item) for item in texts(value))


def _compiled(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(
            f"is a regular expression, as in IFEval, and {value!r} is none ({error}); "
            f"to look for it literally write {re.escape(value)!r}"
        ) from None
    return value
