"""The audit's cases: what is sent to a sandbox, and what may come back, read from the YAML files beside this module.

A file is a mapping with `kind`, `group`, `about`, `defaults` (fields for every job of the file), `preludes` (named
program beginnings) and `cases`. A case has a name, a `containment` sentence and either one job written flat
(`source`, `tests`, `limits`, ...), or `steps` (jobs in a row, or at once with `together: true`), or `cells`.

`asserts` is a list of test codes, short for as many `tests`. Two things make long and secret texts writable. A text may be a list of texts (joined) or {repeat: text, times: n}. And
`@@NAME@@` marks are replaced when the case runs: `@@NONCE@@` by a new secret per run, others by what host.py plants.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from ponder.sandbox.audit.asserts import taken_apart
from ponder.sandbox.job import Job, Limits, Outcome

OUTCOMES = frozenset(get_args(Outcome))
# What an attack may get unless its case says otherwise: anything that scores as a failure of the program.
FAILURES = OUTCOMES - {"passed", "infrastructure_error"}
ATTACK_GROUPS = ("forgery", "exhaustion", "escape", "leak")
FILES = ("forgery", "exhaustion", "escape", "leak", "honest", "sessions")
# What a case may need from the machine that runs the audit; `host` alone means: the sandbox runs on this machine.
NEEDS = frozenset({"host"})

Kind = Literal["attack", "honest", "session"]
_MARK = re.compile(r"@@([A-Z_]+)@@")
_CASE_FIELDS = {"name", "containment", "why", "needs", "together", "steps", "cells", "group"}
_STEP_FIELDS = {"prelude", "asserts", "outcome", "outcomes", "plant", "times", "passed", "got"}
_CELL_FIELDS = {"code", "session", "timeout_s", "interrupt_after_s", "outcome", "outcomes", "alive", "result"}
_CELL_FIELDS |= {"stdout", "stdout_has", "stderr_has", "error_has", "lacks", "longest"}


class CaseError(ValueError):
    """A data file says something the audit cannot use; the message starts with the file and the case."""


@dataclass(frozen=True)
class Step:
    """One job of a case, `times` copies of it, and the outcomes it may have.

    `job` is what Job.model_validate reads, with marks still in it. `passed` (number of tests) and `got` (text that
    some test's answer must contain) are further expectations of honest cases. With `each`, every single test must have
    one of the outcomes: so it is for attacks on test code, whose assertions are taken apart into tests of their own.
    """

    job: Mapping[str, Any]
    outcomes: frozenset[str]
    each: bool = False
    times: int = 1
    passed: int | None = None
    got: str | None = None


@dataclass(frozen=True)
class CellStep:
    """One cell: `session` names which of the case's sessions runs it (opened on first use).

    `stdout` and `result` are compared whole (`result` where `checks_result`: None then means that there is none),
    `*_has` are texts that must occur, `lacks` one that must not, `longest` the most characters of the whole answer.
    """

    code: str
    outcomes: frozenset[str]
    session: str = "a"
    timeout_s: float | None = None
    interrupt_after_s: float | None = None
    stdout: str | None = None
    stdout_has: str | None = None
    stderr_has: str | None = None
    result: str | None = None
    checks_result: bool = False
    error_has: str | None = None
    alive: bool | None = None
    lacks: str | None = None
    longest: int | None = None


@dataclass(frozen=True)
class Case:
    """One case of the audit. `containment` says in one sentence what a good sandbox does with it.

    `group` is one of ATTACK_GROUPS for attacks, the form of the tests for honest programs, "sessions" for sessions.
    `why` explains allowed outcomes that attacks otherwise must not have. `limits` are those of a case's sessions.
    """

    name: str
    kind: Kind
    group: str
    containment: str
    steps: tuple[Step, ...] = ()
    cells: tuple[CellStep, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    together: bool = False
    needs: frozenset[str] = frozenset()
    why: str = ""


def load_cases(folder: Path | None = None) -> list[Case]:
    """All cases, in the order of FILES and of each file. Raises CaseError for data that is not usable."""
    folder = folder or Path(__file__).parent
    cases = [case for name in FILES for case in read_file(folder / f"{name}.yaml")]
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CaseError(f"{folder}: names used twice: {', '.join(twice)}")
    return cases


def read_file(path: Path) -> list[Case]:
    """The cases of one data file."""
    # The C loader reads the data in a fifth of the time, where PyYAML was built with it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    _only(content, {"kind", "group", "about", "defaults", "preludes", "cases"}, path.name)
    return [_case(entry, content, f"{path.name}: {entry.get('name', '(no name)')}") for entry in content["cases"]]


def fill(value: Any, marks: Mapping[str, str]) -> Any:
    """`value` (texts, lists, mappings) with every @@NAME@@ replaced. Raises KeyError for a mark without a value."""
    if isinstance(value, str):
        return _MARK.sub(lambda match: marks[match[1]], value)
    if isinstance(value, Mapping):
        return {key: fill(item, marks) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, marks) for item in value]
    return value


def marks_in(value: Any) -> set[str]:
    """The names of all marks in texts, lists and mappings."""
    if isinstance(value, str):
        return set(_MARK.findall(value))
    if isinstance(value, Mapping):
        return {mark for item in value.values() for mark in marks_in(item)}
    if isinstance(value, list | tuple):
        return {mark for item in value for mark in marks_in(item)}
    return set()


def text(value: Any) -> Any:
    """Writes out {repeat: text, times: n} and lists of texts; what is no text or long text stays as it is.

    >>> text(["a", {"repeat": "-", "times": 3}])
    'a---'
    """
    if isinstance(value, Mapping) and set(value) == {"repeat", "times"}:
        return text(value["repeat"]) * value["times"]
    if isinstance(value, list):
        return "".join(text(part) for part in value)
    return value


def _case(entry: dict, content: dict, where: str) -> Case:
    kind: Kind = content["kind"]
    job_fields = set(Job.model_fields)
    _only(entry, _CASE_FIELDS | _STEP_FIELDS | job_fields, where)
    if not entry.get("containment"):
        raise CaseError(f"{where}: say in `containment` what must hold")
    steps, cells = (), ()
    if kind == "session":
        cells = tuple(_cell(cell, f"{where}, cell {i}") for i, cell in enumerate(entry["cells"], 1))
    elif "steps" in entry:
        steps = tuple(_step(step, content, f"{where}, step {i}") for i, step in enumerate(entry["steps"], 1))
    else:
        steps = (_step({key: entry[key] for key in entry if key not in _CASE_FIELDS}, content, where),)
    case = Case(
        name=entry["name"],
        kind=kind,
        group=entry.get("group") or content.get("group") or _form(steps),
        containment=entry["containment"].strip(),
        steps=steps,
        cells=cells,
        limits=entry.get("limits", {}) if kind == "session" else {},
        together=entry.get("together", False),
        needs=frozenset(entry.get("needs", ())),
        why=entry.get("why", "").strip(),
    )
    _check(case, where)
    return case


def _step(entry: dict, content: dict, where: str) -> Step:
    _only(entry, _STEP_FIELDS | set(Job.model_fields), where)
    defaults = content.get("defaults", {})
    job = {**defaults, **{key: value for key, value in entry.items() if key not in _STEP_FIELDS}}
    if "limits" in entry:
        job["limits"] = {**defaults.get("limits", {}), **entry["limits"]}
    source = text(job["source"])
    for name in _names(entry.get("prelude", ())):
        if name not in content.get("preludes", {}):
            raise CaseError(f"{where}: there is no prelude {name!r}")
        source = content["preludes"][name] + source
    job["source"] = source
    if "asserts" in entry:
        job["tests"] = [{"code": code} for code in entry["asserts"]]
    long_texts = ("stdin", "stdout", "code")
    job["tests"] = [{k: text(v) if k in long_texts else v for k, v in test.items()} for test in job["tests"]]
    kind: Kind = content["kind"]
    default = FAILURES | {"passed"} if entry.get("plant") else FAILURES if kind == "attack" else None
    each = kind == "attack" and not entry.get("plant") and all("code" in test for test in job["tests"])
    if each:
        job["tests"] = [{**test, "code": code} for test in job["tests"] for code in taken_apart(test["code"])]
        job["stop_at_failure"] = False
    return Step(
        job=job,
        outcomes=_outcomes(entry, default, where),
        each=each,
        times=entry.get("times", 1),
        passed=entry.get("passed"),
        got=entry.get("got"),
    )


def _cell(entry: dict, where: str) -> CellStep:
    _only(entry, _CELL_FIELDS, where)
    fields = {key: value for key, value in entry.items() if key not in ("outcome", "outcomes")}
    fields |= {key: text(fields[key]) for key in ("code", "stdout") if key in fields}
    outcomes = _outcomes(entry, frozenset({"passed"}), where)
    return CellStep(outcomes=outcomes, checks_result="result" in entry, **fields)


def _outcomes(entry: dict, default: frozenset[str] | None, where: str) -> frozenset[str]:
    allowed = frozenset(_names(entry.get("outcomes", entry.get("outcome", ())))) or default
    if not allowed:
        raise CaseError(f"{where}: name the `outcome` it must have")
    if allowed - OUTCOMES:
        raise CaseError(f"{where}: no such outcome: {', '.join(sorted(allowed - OUTCOMES))}")
    return allowed


def _check(case: Case, where: str) -> None:
    if case.kind == "attack" and case.group not in ATTACK_GROUPS:
        raise CaseError(f"{where}: group {case.group!r} is none of {', '.join(ATTACK_GROUPS)}")
    if case.needs - NEEDS:
        raise CaseError(f"{where}: unknown needs: {', '.join(sorted(case.needs - NEEDS))}")
    lenient = any(step.outcomes - FAILURES for step in case.steps)
    if case.kind == "attack" and lenient and not case.why:
        raise CaseError(f"{where}: an attack may only pass, or be nobody's fault, where `why` explains it")
    if case.kind == "attack" and not any(step.outcomes <= FAILURES for step in case.steps):
        raise CaseError(f"{where}: no step of the attack could show that it worked")
    for step in case.steps:
        Job.model_validate(step.job)
    Limits.model_validate(case.limits)


def _form(steps: tuple[Step, ...]) -> str:
    job = steps[0].job
    if job.get("checker"):
        return "checker"
    test = job["tests"][0]
    return "call" if "function" in test else "code" if "code" in test else "stdin"


def _names(value: str | Iterable[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _only(entry: Any, known: set[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise CaseError(f"{where}: expected a mapping, found {type(entry).__name__}")
    if set(entry) - known:
        raise CaseError(f"{where}: unknown fields: {', '.join(sorted(set(entry) - known))}")
