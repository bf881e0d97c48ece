"""The audit's data files: enough cases, each readable, runnable, and strict about what counts as contained."""

import ast
from collections import Counter

import pytest
import yaml

from ponder.sandbox.audit import CaseError, Host, load_cases
from ponder.sandbox.audit.cases import (
    ATTACK_GROUPS,
    FAILURES,
    FILES,
    OUTCOMES,
    fill,
    marks_in,
    read_file,
    text,
)
from ponder.sandbox.audit.run import select
from ponder.sandbox.job import Job, Limits

CASES = load_cases()
BY_KIND = {kind: [case for case in CASES if case.kind == kind] for kind in ("attack", "honest", "session")}
CELL_OUTCOMES = {"passed", "runtime_error", "timeout", "memory", "output_limit"}


@pytest.fixture(scope="module")
def marks():
    with Host() as host:
        yield host.marks()


def test_there_are_enough_cases():
    assert len(BY_KIND["attack"]) >= 80
    assert len(BY_KIND["honest"]) >= 45
    assert len(BY_KIND["session"]) >= 15
    groups = Counter(case.group for case in BY_KIND["attack"])
    assert set(groups) == set(ATTACK_GROUPS) and min(groups.values()) >= 15
    forms = Counter(case.group for case in BY_KIND["honest"])
    assert set(forms) == {"stdin", "call", "code", "checker"} and min(forms.values()) >= 3
    assert {outcome for case in BY_KIND["honest"] for step in case.steps for outcome in step.outcomes} == (
        OUTCOMES - {"infrastructure_error"}
    )


def test_names_are_unique_and_plain():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() and name == name.lower() for name in names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_can_be_run(case, marks):
    assert case.containment.endswith(".") and len(case.containment.split()) >= 3
    for step in case.steps:
        job = Job.model_validate(fill(step.job, marks))
        assert job.limits.timeout_s is not None, "every case bounds its own time"
        assert job.limits.timeout_s * len(job.tests) <= 60
    for cell in case.cells:
        fill(cell.code, marks)
        assert (cell.timeout_s or 0) <= 10
        assert cell.outcomes <= CELL_OUTCOMES
    Limits.model_validate(case.limits)
    assert bool(case.steps) != bool(case.cells)


@pytest.mark.parametrize("case", BY_KIND["attack"], ids=lambda case: case.name)
def test_attack_counts_as_contained_only_when_it_failed(case):
    assert case.steps[-1].outcomes <= FAILURES or case.together, "the last step shows whether the attack worked"
    for step in case.steps:
        assert "infrastructure_error" not in step.outcomes
        assert step.outcomes <= FAILURES or case.why
    # What a program must not know it may not be told either.
    for step in case.steps:
        told = marks_in(step.job["source"])
        if case.steps[0] is step:
            asked = {mark for mark in marks_in(step.job["tests"]) if mark == "NONCE" or mark.endswith("_SECRET")}
            assert not told & asked or step.outcomes - FAILURES
    if any(marks_in(step.job) & HOST_MARKS for step in case.steps):
        assert "host" in case.needs


HOST_MARKS = {"FILE", "PORT", "SOCKET", "SOCKET_FILE", "VICTIM", "SERVER", "ENVIRONMENT"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_programs_are_python_unless_the_case_is_about_that(case, marks):
    for step in case.steps:
        source = fill(step.job["source"], marks)
        meant = "compile_error" in step.outcomes and len(step.outcomes) < len(FAILURES)
        if not meant and len(source) < 100_000:
            ast.parse(source.split("\n", 1)[1] if source.startswith("# -*- coding") else source)
        for test in step.job["tests"]:
            ast.parse(fill(test.get("setup", "") + "\n" + test.get("code", ""), marks))
        ast.parse(fill(step.job.get("checker") or "", marks))


def test_honest_cases_name_one_outcome():
    for case in BY_KIND["honest"]:
        assert [len(step.outcomes) for step in case.steps] == [1], case.name
        passed = case.steps[0].passed
        assert passed is None or 0 <= passed <= len(case.steps[0].job["tests"])


def test_text_notation():
    assert text(["a", {"repeat": ["b", "c"], "times": 2}]) == "abcbc"
    assert text({"other": 1}) == {"other": 1}
    assert fill({"a": ["@@X@@-@@Y@@", 3]}, {"X": "1", "Y": "2"}) == {"a": ["1-2", 3]}
    with pytest.raises(KeyError):
        fill("@@UNKNOWN@@", {})


@pytest.mark.parametrize(
    "change, message",
    [
        ({"outcomes": ["beaten"]}, "no such outcome: beaten"),
        ({"outcomes": ["passed"]}, "`why`"),
        ({"why": "on purpose", "outcomes": ["passed"]}, "could show that it worked"),
        ({"containment": ""}, "`containment`"),
        ({"needs": ["luck"]}, "unknown needs: luck"),
        ({"group": "fun"}, "none of forgery"),
        ({"prelude": "missing"}, "no prelude 'missing'"),
        ({"sauce": "x"}, "unknown fields: sauce"),
        ({"tests": []}, "at least 1 item"),
    ],
)
def test_bad_data_is_refused_with_its_place(tmp_path, change, message):
    case = {"name": "one", "containment": "It must hold.", "source": "x", "tests": [{"stdin": "", "stdout": "1"}]}
    content = {"kind": "attack", "group": "leak", "about": "-", "cases": [{**case, **change}]}
    path = tmp_path / "leak.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=r"leak\.yaml: one|at least 1 item") as error:
        read_file(path)
    assert message in str(error.value)


def test_names_used_twice_are_refused(tmp_path):
    case = {"name": "one", "containment": "It must hold.", "source": "x", "tests": [{"stdin": "", "stdout": "1"}]}
    for name in FILES:
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"kind": "attack", "group": "leak", "about": "-", "cases": [case]}))
    with pytest.raises(CaseError, match="names used twice: one"):
        load_cases(tmp_path)


def test_selection():
    assert select(CASES, [], []) == CASES
    assert [case.name for case in select(CASES, ["busy-loop"], [])] == ["busy-loop"]
    assert select(CASES, [], ["session"]) == BY_KIND["session"]
    assert {case.group for case in select(CASES, [], ["leak"])} == {"leak"}
    with pytest.raises(ValueError, match="no case or group nothing"):
        select(CASES, ["nothing"], [])
