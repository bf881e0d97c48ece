"""Test code and program in two processes: what crosses between them, in both directions, through real jails."""

from pathlib import Path

import pytest
import yaml

from ponder.sandbox import CodeTest, Job, Limits, Sandbox

CASES = [
    pytest.param(case, id=f"{file}-{case['name']}")
    for file in ("crossing", "frameworks")
    for case in yaml.safe_load(Path(__file__).with_name(f"{file}.yaml").read_text(encoding="utf-8"))
]
LIMITS = Limits(timeout_s=10.0, memory_mb=1024)


@pytest.fixture(scope="module")
def large(sandbox):
    """With room for pandas on both sides. (`sandbox` skips where nothing can be isolated.)"""
    with Sandbox(memory_mb=1024, timeout_s=10.0) as large:
        yield large


@pytest.mark.parametrize("case", CASES)
def test_case(large, case):
    if "pandas" in case["source"] + case["code"]:
        pytest.importorskip("pandas")
    report = large.run(Job(source=case["source"], tests=[CodeTest(code=case["code"])], limits=LIMITS))
    assert report.outcome == case["outcome"], f"{report.reason}\n{report.results[-1].stderr if report.results else ''}"


RETURNS = "class Word:\n    def __init__(self, text): self.text = text\n    def __eq__(self, other): return True\n"
AS_OBJECT = RETURNS + "def f(x): return Word(x)"
AS_DATA = "def f(x): return x"


@pytest.mark.parametrize(
    ("source", "reference", "outcome"),
    [
        (AS_OBJECT, None, "wrong_answer"),
        (AS_OBJECT, AS_DATA, "wrong_answer"),  # a right program can be judged, so that this one may not leave
        (AS_OBJECT, "def f(x): raise ValueError", "wrong_answer"),
        (AS_OBJECT, AS_OBJECT, "infrastructure_error"),
        (AS_OBJECT, AS_OBJECT + "\n# another", "infrastructure_error"),
        (AS_DATA, AS_OBJECT, "passed"),
        ("def f(x): return 0", AS_OBJECT, "wrong_answer"),
        ("def f(x): return 1 / 0", AS_OBJECT, "runtime_error"),
        ("class NotData(BaseException): pass\ndef f(x): raise NotData", AS_OBJECT, "runtime_error"),
    ],
)
def test_only_what_the_reference_cannot_do_either_is_nobodys_fault(large, source, reference, outcome):
    job = Job(source=source, tests=[CodeTest(code="assert f('a') == 'a'")], limits=LIMITS, reference=reference)
    report = large.run(job)
    assert report.outcome == outcome, report.reason


def test_the_reason_says_what_was_asked_of_an_object(large):
    report = large.run(Job(source=AS_OBJECT, tests=[CodeTest(code="assert f('a') == 'a'")], limits=LIMITS))
    assert "not data, where data is compared" in report.reason


@pytest.mark.parametrize(
    "code",
    [
        "import pytest\nfrom solution import f\n@pytest.mark.skip\ndef test_f():\n    assert f(1) == 9",
        "import unittest\nfrom solution import f\n@unittest.skip('')\nclass T(unittest.TestCase):\n"
        "    def test_f(self): self.assertEqual(f(1), 9)",
        "import pytest\nfrom solution import f\npytest.skip('no', allow_module_level=True)\nassert f(1) == 9",
    ],
)
def test_tests_that_are_all_skipped_say_nothing(large, code):
    report = large.run(Job(source="def f(x): return x", tests=[CodeTest(code=code)], limits=LIMITS))
    assert report.outcome == "infrastructure_error" and "never asked" in report.reason


def test_files_of_the_program_never_hold_code_for_the_tests(large):
    """A module planted beside the tests would run on their side."""
    source = (
        "import os\n"
        "def f(folder):\n"
        "    for place in (folder, '/job/work', '/tmp'):\n"
        "        for name in ('colorsys.py', 'conftest.py', 'notes.txt'):\n"
        "            with open(os.path.join(place, name), 'w') as file: file.write('raise SystemExit')\n"
        "        os.makedirs(os.path.join(place, '__pycache__'), exist_ok=True)\n"
    )
    code = (
        "import os\nfrom solution import f\n"
        "def test_f(tmp_path):\n"
        "    f(str(tmp_path))\n"
        "    assert sorted(os.listdir(tmp_path)) == ['notes.txt']\n"
        "    assert not [name for name in os.listdir('/job/work') if name in ('colorsys.py', 'conftest.py')]\n"
        "    import colorsys\n"
    )
    report = large.run(Job(source=source, tests=[CodeTest(code=code)], limits=LIMITS))
    assert report.outcome == "passed", report.reason


@pytest.mark.parametrize("path", ["/etc/x.txt", "/job/tmp/../x.txt", "/job/tmp/a/../../x", "x.txt", "/job/tmpx/a.txt"])
def test_paths_outside_the_scratch_are_refused(path):
    from ponder.sandbox.jail import files

    with pytest.raises(ValueError, match="no file of the scratch"):
        files.Files().take([[path, "00"]])


def test_a_tasks_solution_is_its_jobs_reference():
    from ponder.tasks.task import Task
    from ponder.verifiers.code.verifier import job_of

    def job(tests, **metadata):
        task = Task(({"role": "user", "content": "?"},), "code", "code", {"tests": tests}, metadata=metadata)
        return job_of(task)

    code = [{"code": "assert f(1) == 1"}]
    assert job(code, solution="def f(x): return x").reference == "def f(x): return x"
    assert job(code).reference is None
    assert job([{"stdin": "", "stdout": "1"}], solution="print(1)").reference is None
