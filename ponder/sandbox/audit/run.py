"""Runs the audit: every case against a sandbox, with a look at the sandbox's health after each hostile one."""

import secrets
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack
from typing import Any

from ponder.sandbox.audit.cases import Case, CellStep, Step, fill, load_cases
from ponder.sandbox.audit.host import Host
from ponder.sandbox.audit.result import AuditResult, CaseVerdict
from ponder.sandbox.client import Sandbox, Session
from ponder.sandbox.job import Cell, Job, Limits, Report, StdioTest

# How much longer than its limits allow a job may take before that counts against the sandbox. Generous, since the
# audit shares the machine with what it runs; a job that was not ended at all takes longer by far.
GRACE_S = 6.0
# After this the audit stops waiting for an answer that should have come.
PATIENCE_S = 30.0
# What a report may hold of a program's texts, in characters for each test: more would let programs fill the server.
LONGEST_TEXT = 1 << 20

_HEALTH = """\
import os
left = [name for folder in ("/tmp", "/dev/shm", ".") for name in os.listdir(folder) if "@@MARK@@" in name]
print(input()[::-1], left)
"""


def run_audit(
    sandbox: Sandbox,
    *,
    names: Collection[str] = (),
    groups: Collection[str] = (),
    progress: Callable[[CaseVerdict], None] | None = None,
    host: Host | None = None,
    on_host: bool = True,
) -> AuditResult:
    """Runs the cases (all, or those named or of the groups) one after the other, and reports each to `progress`.

    `groups` takes a case's group or kind. With `on_host` false (the sandbox is on another machine) the cases that need
    something planted on its machine are left out. `host` is what is planted; without it, one is made for the audit.
    Raises ValueError for a name or group that does not exist, and what the sandbox raises when it cannot start.
    """
    cases = select(load_cases(), names, groups)
    started = time.monotonic()
    with ExitStack() as stack:
        host = host or stack.enter_context(Host())
        isolation = str(sandbox.describe().get("isolation", ""))
        verdicts = []
        for case in cases:
            verdict = run_case(sandbox, case, host, on_host=on_host)
            verdicts.append(verdict)
            if progress:
                progress(verdict)
    return AuditResult(tuple(verdicts), isolation, time.monotonic() - started)


def select(cases: list[Case], names: Collection[str], groups: Collection[str]) -> list[Case]:
    unknown = set(names) - {case.name for case in cases} | set(groups) - {g for c in cases for g in (c.group, c.kind)}
    if unknown:
        raise ValueError(f"the audit has no case or group {', '.join(sorted(unknown))}")
    if not names and not groups:
        return cases
    return [case for case in cases if case.name in names or case.group in groups or case.kind in groups]


def run_case(sandbox: Sandbox, case: Case, host: Host, *, on_host: bool = True) -> CaseVerdict:
    """One case's verdict. It never raises for what the sandbox does: that is a problem of the verdict."""

    def verdict(good: bool | None, seen: str, problems: tuple[str, ...] = (), seconds: float = 0.0) -> CaseVerdict:
        return CaseVerdict(case.name, case.kind, case.group, case.containment, good, seen, problems, seconds)

    if case.needs and not on_host:
        return verdict(None, "needs the sandbox's own machine")
    started = time.monotonic()
    marks = host.marks()
    run = _run_session if case.kind == "session" else _run_jobs
    seen, problems = run(sandbox, case, marks)
    seconds = time.monotonic() - started
    if case.kind != "honest":
        problems += _unwell(sandbox, marks)
        problems += host.damage() if on_host else []
    return verdict(not problems, "; ".join(seen), tuple(problems), seconds)


def _run_jobs(sandbox: Sandbox, case: Case, marks: Mapping[str, str]) -> tuple[list[str], list[str]]:
    jobs = [(step, Job.model_validate(fill(step.job, marks))) for step in case.steps for _ in range(step.times)]
    seen, problems = [], []
    budget = GRACE_S + sum((job.limits.timeout_s or 10.0) * len(job.tests) for _, job in jobs)
    started = time.monotonic()
    waiting = [sandbox.submit(job) for _, job in jobs] if case.together or _copies(case) else None
    for number, (step, job) in enumerate(jobs):
        report = _answer(waiting[number] if waiting else sandbox.submit(job), budget + PATIENCE_S)
        if not isinstance(report, Report):
            seen.append("no report")
            problems.append(report)
            continue
        seen.append(f"{report.outcome} ({report.passed}/{report.total}): {report.reason}"[:300])
        problems += _judge(step, report)
    if time.monotonic() - started > budget:
        problems.append(f"took {time.monotonic() - started:.1f} s, more than its limits and {GRACE_S:.0f} s")
    return seen, problems


def _copies(case: Case) -> bool:
    """Whether the case is one job many times: such copies run at once."""
    return len(case.steps) == 1 and case.steps[0].times > 1


def _judge(step: Step, report: Report) -> list[str]:
    problems = []
    if report.outcome not in step.outcomes:
        texts = [text for result in report.results[-1:] for text in (result.got, result.stderr) if text]
        allowed = " or ".join(sorted(step.outcomes)) if len(step.outcomes) < 5 else "a failure of the program"
        shown = "".join(f"\n  | {line}" for text in texts for line in text[-600:].splitlines()[-6:])
        problems.append(f"{report.outcome} instead of {allowed}: {report.reason}{shown}")
    for number, result in enumerate(report.results if step.each else (), 1):
        if result.outcome not in step.outcomes:
            problems.append(f"test {number} of {report.total}: {result.outcome}: {result.reason}"[:300])
    if step.passed is not None and report.passed != step.passed:
        problems.append(f"{report.passed} tests passed instead of {step.passed}")
    if step.got is not None and not any(step.got in result.got for result in report.results):
        problems.append(f"no test's answer shows {step.got!r}")
    if any(len(result.got) + len(result.stderr) + len(result.reason) > LONGEST_TEXT for result in report.results):
        problems.append("the report keeps more than a megabyte of the program's text")
    return problems


def _run_session(sandbox: Sandbox, case: Case, marks: Mapping[str, str]) -> tuple[list[str], list[str]]:
    limits = Limits.model_validate(dict(case.limits))
    seen, problems = [], []
    with ExitStack() as stack:
        sessions: dict[str, Session] = {}
        for number, step in enumerate(case.cells, 1):
            if step.session not in sessions:
                sessions[step.session] = stack.enter_context(sandbox.open_session(limits))
            cell = _run_cell(sessions[step.session], step, marks)
            if not isinstance(cell, Cell):
                problems.append(f"cell {number}: {cell}")
                continue
            seen.append(cell.outcome)
            problems += [f"cell {number}: {problem}" for problem in _judge_cell(step, cell, marks)]
    return seen, problems


def _run_cell(session: Session, step: CellStep, marks: Mapping[str, str]) -> Cell | str:
    future = session.submit(fill(step.code, marks), step.timeout_s)
    if step.interrupt_after_s is not None:
        early = _answer(future, step.interrupt_after_s)
        if isinstance(early, Cell):
            return early
        session.interrupt()
    return _answer(future, (step.timeout_s or 10.0) + GRACE_S)


def _judge_cell(step: CellStep, cell: Cell, marks: Mapping[str, str]) -> list[str]:
    problems = []
    if cell.outcome not in step.outcomes:
        allowed = " or ".join(sorted(step.outcomes))
        problems.append(f"{cell.outcome} instead of {allowed}: {(cell.error or cell.stderr or '').strip()[-300:]}")
    if step.alive is not None and cell.alive != step.alive:
        problems.append(f"the session {'is still open' if cell.alive else 'has ended'}")
    if step.stdout is not None and cell.stdout != step.stdout:
        problems.append(f"stdout is {cell.stdout[:200]!r}")
    expected = fill(step.result, marks)
    if step.checks_result and cell.result != expected:
        problems.append(f"the result is {cell.result!r:.200} instead of {expected!r:.200}")
    for name, wanted, text in (
        ("stdout", step.stdout_has, cell.stdout),
        ("stderr", step.stderr_has, cell.stderr),
        ("error", step.error_has, cell.error or ""),
    ):
        if wanted is not None and wanted not in text:
            problems.append(f"{name} lacks {wanted!r}: {text[-300:]!r}")
    everything = f"{cell.stdout}\n{cell.stderr}\n{cell.result}\n{cell.error}"
    if step.lacks is not None and step.lacks in everything:
        problems.append(f"{step.lacks!r} occurs in the answer")
    if step.longest is not None and len(everything) > step.longest:
        problems.append(f"the answer has {len(everything)} characters")
    return problems


def _unwell(sandbox: Sandbox, marks: Mapping[str, str]) -> list[str]:
    """What is wrong with the sandbox itself: an honest job must pass, in clean scratch space, in ordinary time."""
    question = secrets.token_hex(4)
    test = StdioTest(stdin=question, stdout=f"{question[::-1]} []\n")
    report = _answer(sandbox.submit(Job(source=fill(_HEALTH, marks), tests=[test], limits=Limits(timeout_s=5))), 20.0)
    if not isinstance(report, Report):
        return [f"an honest job afterwards: {report}"]
    if report.outcome != "passed":
        got = report.results[-1].got if report.results else ""
        return [f"an honest job afterwards: {report.outcome}, {report.reason} {got[:200]}"]
    return []


def _answer(future: Future, timeout_s: float) -> Any:
    """The future's result, or a sentence about why there is none."""
    try:
        return future.result(timeout_s)
    except FutureTimeout:
        if future.done():  # the sandbox's own time-out error, not ours
            return f"the sandbox raised {future.exception()!r}"
        return f"no answer within {timeout_s:.0f} s"
    except Exception as error:  # whatever the sandbox raises is a finding about the sandbox
        return f"the sandbox raised {error!r}"
