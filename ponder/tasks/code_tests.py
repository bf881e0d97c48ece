"""The tests of a programming task: its reference, as plain JSON, checked when the task is read.

The form is that of ponder.sandbox.Job without the program: {"tests": [...]} and, where they differ from their
defaults, "language", "preamble", "compare", "tolerance", "checker", "limits" and "reference". This room lies beside the
sandbox and cannot import it; a test holds the two to each other.
"""

import ast
from collections.abc import Mapping
from typing import Any

from ponder.tasks.suggest import unknown_name

# Fields of a test by form; the first of each tells the form.
FORMS: dict[str, dict[str, bool]] = {  # name: whether it is required
    "stdin/stdout": {"stdin": True, "stdout": True},
    "function call": {"function": True, "args": False, "kwargs": False, "expected": True},
    "test code": {"code": True, "entry_point": False, "setup": False},
}
TEXTS = ("stdin", "stdout", "function", "code", "setup")
JOB_FIELDS = ("tests", "language", "preamble", "compare", "tolerance", "checker", "limits", "reference")
COMPARISONS = ("exact", "tokens", "numeric", "unordered", "lines")
LIMITS = {  # least and most; all but seconds are whole numbers
    "timeout_s": (0.001, 3600),
    "memory_mb": (16, 1 << 20),
    "processes": (1, 1024),
    "output_bytes": (0, 1 << 30),
}


def check_tests(value: Any, place: str) -> dict[str, Any]:
    """The reference of a programming task; `value` is a list of tests, or an object that holds them as "tests".

    ValueError that begins with `place` where there are no tests, or one that no program could be judged by.
    """
    reference = dict(value) if isinstance(value, Mapping) else {"tests": value}
    tests = reference.get("tests")
    if not isinstance(tests, list) or not tests:
        raise ValueError(f"{place}: the task has no tests; a program can only be judged by some")
    for name in reference:
        if name not in JOB_FIELDS:
            raise ValueError(f"{place}: {unknown_name('field of the tests', name, JOB_FIELDS)}")
    forms = [_check_test(test, f"{place}, test {number}") for number, test in enumerate(tests, start=1)]
    if len(set(forms)) > 1:
        raise ValueError(f"{place}: the tests must all have one form, not {' and '.join(sorted(set(forms)))}")
    _check_settings(reference, forms[0], place)
    return reference


def _check_test(test: Any, place: str) -> str:
    """The form of a test."""
    if not isinstance(test, Mapping):
        raise ValueError(f"{place}: a test is an object, not {type(test).__name__}")
    found = [form for form, fields in FORMS.items() if next(iter(fields)) in test]
    if len(found) != 1:
        raise ValueError(
            f"{place}: a test has exactly one of stdin (with stdout), function (with args and expected), or code; "
            f"this one has {', '.join(sorted(map(str, test))) or 'nothing'}"
        )
    fields = FORMS[found[0]]
    for name in test:
        if name not in fields:
            raise ValueError(f"{place}: {unknown_name(f'field of a {found[0]} test', str(name), fields)}")
    for name, required in fields.items():
        if required and name not in test:
            raise ValueError(f"{place}: a {found[0]} test needs {name!r}")
    for name in TEXTS:
        if name in test and not isinstance(test[name], str):
            raise ValueError(f"{place}: {name!r} must be text, not {type(test[name]).__name__}")
    if test.get("function") == "" or not test.get("code", "x").strip():
        raise ValueError(f"{place}: {next(iter(fields))!r} is empty")
    if not isinstance(test.get("args", []), list):
        raise ValueError(f"{place}: 'args' must be a list of the arguments, not {type(test['args']).__name__}")
    if not isinstance(test.get("kwargs", {}), dict):
        raise ValueError(f"{place}: 'kwargs' must be an object, not {type(test['kwargs']).__name__}")
    if not isinstance(test.get("entry_point", ""), str | None):
        raise ValueError(f"{place}: 'entry_point' must be the name of a function")
    return found[0]


def _check_settings(reference: dict, form: str, place: str) -> None:
    if (compare := reference.get("compare", "exact")) not in COMPARISONS:
        raise ValueError(f"{place}: {unknown_name('comparison', str(compare), COMPARISONS)}")
    if not _is_number(reference.get("tolerance", 0)) or reference.get("tolerance", 0) < 0:
        raise ValueError(f"{place}: tolerance is {reference['tolerance']!r}: it must be a number of at least 0")
    language = reference.get("language", "python")
    if not isinstance(language, str):
        raise ValueError(f"{place}: language must be a name, not {language!r}")
    if language != "python" and form != "stdin/stdout":
        raise ValueError(f"{place}: {form} tests are for python; give {language} stdin/stdout tests")
    _check_preamble(reference.get("preamble", ""), language, place)
    checker = reference.get("checker")
    if not isinstance(checker, str | None):
        raise ValueError(f"{place}: checker must be Python code that defines check(input, output, expected)")
    if checker is not None and form == "test code":
        raise ValueError(f"{place}: a checker judges outputs and results; test code judges by itself")
    if not isinstance(reference.get("reference"), str | None):
        raise ValueError(f"{place}: reference must be a program known to be right, as text")
    limits = reference.get("limits", {})
    if not isinstance(limits, dict):
        raise ValueError(f"{place}: limits must be an object with some of {', '.join(LIMITS)}")
    for name, limit in limits.items():
        if name not in LIMITS:
            raise ValueError(f"{place}: {unknown_name('limit', name, LIMITS)}")
        least, most = LIMITS[name]
        if not _is_number(limit) or not least <= limit <= most or (name != "timeout_s" and limit != int(limit)):
            kind = "a number" if name == "timeout_s" else "a whole number"
            raise ValueError(f"{place}: limits.{name} is {limit!r}: it must be {kind} from {least:,} to {most:,}")


def _check_preamble(preamble: Any, language: str, place: str) -> None:
    if not isinstance(preamble, str):
        raise ValueError(f"{place}: preamble must be Python code that is run before the program, not {preamble!r:.100}")
    if preamble and language != "python":
        raise ValueError(f"{place}: a preamble is Python, and the programs are {language}")
    try:
        ast.parse(preamble)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{place}: the preamble is no Python: {error}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
