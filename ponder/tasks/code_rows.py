"""From a row of a data set to a programming task. Which form a row has is seen by its fields:

    HumanEval      prompt, entry_point, test, canonical_solution
    LeetCode       prompt (imports, helper classes), entry_point "Solution().NAME", test, query (or problem_description
                   and starter_code), completion
    MBPP           text (or prompt), test_list, code, test_setup_code (or test_imports)
    LiveCodeBench  question_content (or prompt), public_test_cases, private_test_cases, starter_code, metadata
    own            prompt, tests, and if wanted solution, preamble, compare, tolerance, checker, language, limits,
                   score, whole_content (ponder.tasks.code_tests, ponder.verifiers.code.verifier)

Every fault is a ValueError that begins with the place it was found at.
"""

import ast
import builtins
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ponder.tasks.code_tests import JOB_FIELDS, check_tests
from ponder.tasks.fields import field, has_field
from ponder.tasks.livecodebench import PREAMBLE, read_cases
from ponder.tasks.prompts import ask, check_prompt
from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import Task

Row = Mapping[str, Any]
BUILTINS = frozenset(name for name in dir(builtins) if name.islower())
ROLES = ("prompt", "answer", "domain", "verifier")


@dataclass(frozen=True)
class Read:
    """What a row says: the question, the tests as the task's reference, and what the verifier needs besides."""

    question: str
    reference: dict[str, Any]
    metadata: dict[str, Any]


@dataclass(frozen=True)
class CodeRowReader:
    """Reads rows of one source; `prompt_field` and `tests_field` name the fields of the own form."""

    source: str
    domain: str
    prompt: str
    prompt_field: str = "prompt"
    tests_field: str = "tests"

    def task(self, row: Row, place: str) -> Task:
        """The row's task; ValueError that begins with `place` where it cannot be judged."""
        read = self._form(row, place)(row, place)
        return Task(
            messages=({"role": "user", "content": ask(read.question, self.prompt)},),
            domain=self.domain,
            verifier="code",
            reference=check_tests(read.reference, place),
            source=self.source,
            metadata={key: value for key, value in read.metadata.items() if value not in (None, "")},
            place=place,
        )

    def _form(self, row: Row, place: str) -> Callable[[Row, str], Read]:
        if "entry_point" in row and "test" in row:
            return read_leetcode if "." in str(row["entry_point"]) else read_humaneval
        if "test_list" in row:
            return read_mbpp
        if "public_test_cases" in row or "private_test_cases" in row:
            return read_livecodebench
        if has_field(row, self.tests_field):
            return self._own
        raise ValueError(
            f"{place}: the row has no tests, so no program could be judged by it. Known are the forms of HumanEval "
            "(entry_point, test), MBPP (test_list), LiveCodeBench (public_test_cases, private_test_cases), and "
            f"{self.tests_field}: [...]; the row has {', '.join(sorted(row)) or 'no fields'}"
        )

    def _own(self, row: Row, place: str) -> Read:
        tests = _parsed(field(row, self.tests_field, place), self.tests_field, place)
        if isinstance(tests, Mapping) and "tests" not in tests:
            raise ValueError(
                f"{place}: the tests are missing: field {self.tests_field!r} only says {json.dumps(tests)[:200]}, which "
                "names or describes tests that lie elsewhere; put the tests themselves into the row"
            )
        reference = dict(tests) if isinstance(tests, Mapping) else {"tests": tests}
        reference |= {name: row[name] for name in JOB_FIELDS[1:] if row.get(name) is not None}
        score = row.get("score")
        if score not in (None, "all", "fraction"):
            raise ValueError(f"{place}: {unknown_name('score', str(score), ('all', 'fraction'))}")
        metadata = {
            "solution": _optional_text(row, "solution", place),
            "score": score,
            "whole_content": bool(row.get("whole_content")) or None,
        }
        return Read(_text(row, self.prompt_field, place), reference, metadata)


def code_row_reader(
    fields: Mapping[str, str] | None, *, source: str, domain: str | None, prompt: str | None
) -> CodeRowReader:
    """A reader of programming tasks. `fields` may map "prompt" and "answer" (the tests) of the own form. ValueError."""
    fields = dict(fields or {})
    for role in fields:
        if role not in ROLES:
            raise ValueError(f"Field mapping of {source}: {unknown_name('key', role, ROLES)}")
    prompt = "code" if prompt is None else prompt
    check_prompt(prompt)
    return CodeRowReader(
        source=source,
        domain=domain or fields.get("domain", "code"),
        prompt=prompt,
        prompt_field=fields.get("prompt", "prompt"),
        tests_field=fields.get("answer", "tests"),
    )


def read_humaneval(row: Row, place: str) -> Read:
    """A function to complete, judged by check(candidate).

    What the prompt defines besides the function (imports, helpers) comes before the program, as evaluators have it, and
    is known to the tests as well.
    """
    prompt, entry_point = _text(row, "prompt", place), _text(row, "entry_point", place)
    prelude = _without_function(prompt, entry_point, place)
    canonical = _optional_text(row, "canonical_solution", place)
    test = {"code": _text(row, "test", place), "entry_point": entry_point, "setup": prelude}
    question = f"Complete this Python function; write all of it, and what it needs.\n```python\n{prompt.strip()}\n```"
    metadata = {
        "solution": None if canonical is None else prompt + canonical,
        "task_id": str(row.get("task_id", "")),
    }
    return Read(question, {"tests": [test]} | ({"preamble": prelude} if prelude else {}), metadata)


def read_leetcode(row: Row, place: str) -> Read:
    """A method of a class to complete, judged by check(candidate).

    The prompt is what comes before the program: imports, and classes such as ListNode that its starter code only names.
    The tests know it as well.
    """
    preamble, entry_point = _text(row, "prompt", place).strip(), _text(row, "entry_point", place)
    path = re.fullmatch(r"(\w+)(?:\(\))?\.(\w+)", entry_point)
    if path is None:
        raise ValueError(
            f"{place}: entry_point is {entry_point!r:.100}: a function's name is known, and Class().method"
        )
    test = {"code": _text(row, "test", place), "entry_point": f"{path[1]}.{path[2]}", "setup": preamble}
    question = _optional_text(row, "query", place)
    if question is None:
        starter = (_optional_text(row, "starter_code", place) or "").rstrip()
        question = (
            f"{_text(row, 'problem_description', place).strip()}\n\nComplete this code:\n```python\n{starter}\n```"
        )
    solution = next((_text(row, name, place) for name in ("canonical_solution", "completion") if row.get(name)), None)
    return Read(
        question,
        {"tests": [test], "preamble": preamble},
        {"solution": solution, "task_id": str(row.get("task_id", ""))},
    )


def read_mbpp(row: Row, place: str) -> Read:
    """A function described in words, judged by assert statements, of which the question shows the first.

    The first says what the function is called; were all of them shown, their answers could be copied.
    """
    asserts = row["test_list"]
    if not isinstance(asserts, list) or not asserts or not all(isinstance(a, str) and a.strip() for a in asserts):
        raise ValueError(f"{place}: the task has no tests: test_list must hold assert statements, not {asserts!r:.100}")
    text = _text(row, "text" if "text" in row else "prompt", place)
    solution = _optional_text(row, "code", place)
    imports = row.get("test_imports") or []
    setup = "\n".join(imports) if isinstance(imports, list) else str(imports)
    before = _optional_text(row, "test_setup_code", place)
    tests = [_assertion(assertion.strip(), before, setup, solution) for assertion in asserts]
    metadata = {"solution": solution, "task_id": str(row.get("task_id", ""))}
    return Read(f"{text.strip()}\nFor example:\n{asserts[0].strip()}", {"tests": tests}, metadata)


def _assertion(assertion: str, before: str | None, setup: str, solution: str | None) -> dict[str, Any]:
    """One assert statement as test code.

    A name that the solution defines is the program's, even where Python has one like it (MBPP asks for a `sum`).
    """
    code = assertion if before is None else f"{before.strip()}\n{assertion}"
    for name in BUILTINS.intersection(re.findall(r"^def (\w+)", solution or "", re.MULTILINE)):
        if re.search(rf"\b{name}\b", assertion):
            body = "\n".join(f"    {line}" for line in code.split("\n"))
            return {"code": f"def check({name}):\n{body}\n", "entry_point": name, "setup": setup}
    return {"code": code, "setup": setup}


def read_livecodebench(row: Row, place: str) -> Read:
    """A contest problem, judged by what the program prints, or by what a function of it returns, as LiveCodeBench's own
    judge does: after its imports, line by line, numbers by their value."""
    tests = read_cases(row, place)
    starter = row.get("starter_code") or ""
    if row.get("question_content") is None:
        question = _text(row, "prompt", place)
    elif starter.strip():
        question = f"{_text(row, 'question_content', place).strip()}\n\nComplete this code:\n```python\n{starter.rstrip()}\n```"
    else:
        question = (
            f"{_text(row, 'question_content', place).strip()}\n\nWrite a Python program that reads the input from "
            "standard input and prints the answer."
        )
    reference = {"tests": tests, "preamble": PREAMBLE, "compare": "lines"}
    metadata = {
        "solution": _optional_text(row, "solution", place),
        "task_id": str(row.get("question_id") or row.get("task_id") or ""),
    }
    return Read(question, reference, metadata)


def _without_function(prompt: str, name: str, place: str) -> str:
    """The prompt's code but for the function that it leaves unfinished."""
    try:
        tree = ast.parse(prompt.rstrip() + "\n    pass\n")
    except SyntaxError as error:
        raise ValueError(f"{place}: the prompt is no Python function to complete: {error.msg}") from None
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not found:
        raise ValueError(f"{place}: the prompt defines no function {name!r}, which entry_point names")
    lines = prompt.splitlines()
    first = min([found[-1].lineno, *(decorator.lineno for decorator in found[-1].decorator_list)])
    return "\n".join(lines[: first - 1] + lines[found[-1].end_lineno :]).strip()


def _parsed(value: Any, name: str, place: str) -> Any:
    """Tables of data sets keep nested values as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place}: field {name!r} is text, but not JSON: {error}") from None


def _text(row: Row, name: str, place: str) -> str:
    value = field(row, name, place)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{place}: field {name!r} must be text, and not empty")
    return value


def _optional_text(row: Row, name: str, place: str) -> str | None:
    return None if row.get(name) in (None, "") else _text(row, name, place)
